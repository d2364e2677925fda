/*
 * Quern's PNG writer against libpng: what both write must decode to the same pixels, and these must be what
 * server/qr/picture.h says.
 */
#ifndef QUERN_BENCH_SPEED_QR_PICTURES_H
#define QUERN_BENCH_SPEED_QR_PICTURES_H

#include "lib/buffer.h"
#include "server/qr/picture.h"

#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pixels as red, green, blue, alpha, which the caller frees; NULL if libpng complains or the size is another. */
static inline uint8_t *qr_png_decode(const struct buffer *data, unsigned width)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	uint8_t *pixels = NULL;

	if (!png_image_begin_read_from_memory(&image, data->data, data->len))
		return NULL;
	image.format = PNG_FORMAT_RGBA;
	if (image.width == width && image.height == width)
		pixels = malloc((size_t)width * width * 4);
	if (!pixels) {
		png_image_free(&image);
		return NULL;
	}
	if (!png_image_finish_read(&image, NULL, pixels, 0, NULL) ||
		PNG_IMAGE_FAILED(image)) { /* a warning is a complaint, too */
		free(pixels);
		return NULL;
	}
	return pixels;
}

static inline const struct qr_color *qr_expected_color(
	const struct qr_symbol *s, const struct qr_picture *p, unsigned x, unsigned y)
{
	const unsigned end = p->offset + s->width * p->scale;

	if (x < p->offset || y < p->offset || x >= end || y >= end)
		return &p->light;
	return qr_symbol_dark(s, (x - p->offset) / p->scale, (y - p->offset) / p->scale)
		       ? &p->dark
		       : &p->light;
}

static inline bool qr_row_is_expected(
	const uint8_t *pixels, const struct qr_symbol *s, const struct qr_picture *p, unsigned y)
{
	for (unsigned x = 0; x < p->width; x++, pixels += 4) {
		const struct qr_color *c = qr_expected_color(s, p, x, y);

		if (pixels[0] != c->red || pixels[1] != c->green || pixels[2] != c->blue ||
			pixels[3] != c->alpha)
			return false;
	}
	return true;
}

/* Looks at each pixel of a row of modules once; the other rows of it must be the same. */
static inline bool qr_pixels_are_expected(
	const uint8_t *pixels, const struct qr_symbol *s, const struct qr_picture *p)
{
	const size_t row_bytes = (size_t)p->width * 4;
	const unsigned end = p->offset + s->width * p->scale;

	for (unsigned y = 0; y < p->width; y++, pixels += row_bytes) {
		const bool is_first =
			y == 0 || y == end ||
			(y >= p->offset && y < end && (y - p->offset) % p->scale == 0);

		if (is_first ? !qr_row_is_expected(pixels, s, p, y)
			     : memcmp(pixels, pixels - row_bytes, row_bytes) != 0)
			return false;
	}
	return true;
}

/* NULL if all is as it should be, else what is not. The two buffers are overwritten. */
static inline const char *qr_compare_pictures(const struct qr_symbol *s, const struct qr_picture *p,
	struct buffer *own, struct buffer *reference)
{
	const char *wrong = NULL;
	uint8_t *pixels, *reference_pixels;

	buffer_reset(own);
	buffer_reset(reference);
	if (qr_png_write(s, p, own) != 0)
		return "qr_png_write() failed";
	if (qr_libpng_write(s, p, reference) != 0)
		return "qr_libpng_write() failed";
	pixels = qr_png_decode(own, p->width);
	reference_pixels = qr_png_decode(reference, p->width);
	if (!pixels || !reference_pixels)
		wrong = "libpng does not take the picture";
	else if (memcmp(pixels, reference_pixels, (size_t)p->width * p->width * 4) != 0)
		wrong = "other pixels than libpng's";
	else if (!qr_pixels_are_expected(pixels, s, p))
		wrong = "other pixels than the symbol's";
	free(pixels);
	free(reference_pixels);
	return wrong;
}

static inline void qr_count_bytes(png_structp png, png_bytep data, size_t n)
{
	size_t *bytes = png_get_io_ptr(png);

	(void)data;
	*bytes += n;
}

static inline void qr_write_default_rows(
	png_structp png, const struct qr_symbol *s, const struct qr_picture *p)
{
	const unsigned end = p->offset + s->width * p->scale;
	uint8_t row[QR_MAX_PIXELS / 8];

	for (unsigned y = 0; y < p->width; y++) {
		memset(row, 0xff, sizeof(row));
		for (unsigned x = p->offset; y >= p->offset && y < end && x < end; x++)
			if (qr_symbol_dark(
				    s, (x - p->offset) / p->scale, (y - p->offset) / p->scale))
				row[x / 8] &= (uint8_t) ~(0x80 >> x % 8);
		png_write_row(png, row);
	}
}

/* Bytes of the picture in black and white as libpng writes it if left alone; 0 if it fails. */
static inline size_t qr_default_png_bytes(const struct qr_symbol *s, const struct qr_picture *p)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	size_t bytes = 0;

	if (!info || setjmp(png_jmpbuf(png))) {
		png_destroy_write_struct(&png, &info);
		return 0;
	}
	png_set_write_fn(png, &bytes, qr_count_bytes, NULL);
	png_set_IHDR(png, info, p->width, p->width, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	qr_write_default_rows(png, s, p);
	png_write_end(png, info);
	png_destroy_write_struct(&png, &info);
	return bytes;
}

#endif
