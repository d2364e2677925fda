#include "server/qr/picture.h"

#include "server/qr/png_stream.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#define GRAY 0
#define PALETTE 3

/* Beyond it a small symbol's margins, for which png_pairs() has no codes of their own, are all that
 * counts. */
#define PAIRS_OFFSET 128
#define SMALL_SYMBOL 41

/* Chunks (PNG, 5.3): length of the data, type, data, CRC of both. */
#define CHUNK_EXTRA 12
#define HEAD_BYTES (8 + CHUNK_EXTRA + 13)
#define COLOR_BYTES (CHUNK_EXTRA + 6 + CHUNK_EXTRA + 2)

static void put_u32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 24);
	to[1] = (uint8_t)(value >> 16);
	to[2] = (uint8_t)(value >> 8);
	to[3] = (uint8_t)value;
}

/* Length and CRC of a chunk whose type and n bytes of data are in place; returns its end. */
static uint8_t *end_chunk(uint8_t *chunk, size_t n)
{
	put_u32(chunk, (uint32_t)n);
	put_u32(chunk + 8 + n, (uint32_t)crc32_z(0, chunk + 4, n + 4));
	return chunk + CHUNK_EXTRA + n;
}

static bool is_opaque_gray(const struct qr_color *c, uint8_t level)
{
	return c->red == level && c->green == level && c->blue == level && c->alpha == 255;
}

static uint8_t *put_palette(uint8_t *to, const struct qr_color *light, const struct qr_color *dark)
{
	const uint8_t colors[6] = {
		light->red, light->green, light->blue, dark->red, dark->green, dark->blue};

	memcpy(to + 4, "PLTE", 4);
	memcpy(to + 8, colors, 6);
	to = end_chunk(to, 6);
	if (light->alpha == 255 && dark->alpha == 255)
		return to;
	memcpy(to + 4, "tRNS", 4);
	to[8] = light->alpha;
	to[9] = dark->alpha;
	return end_chunk(to, dark->alpha < 255 ? 2 : 1);
}

/* All chunks before the image data, and what eight light pixels are in it. */
static uint8_t put_head(const struct qr_picture *p, struct buffer *out)
{
	static const uint8_t start[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
	const struct qr_color *dark = &p->dark, *light = &p->light;
	bool normal = is_opaque_gray(dark, 0) && is_opaque_gray(light, 255);
	bool inverted = is_opaque_gray(dark, 255) && is_opaque_gray(light, 0);
	uint8_t *to = (uint8_t *)buffer_reserve(out, HEAD_BYTES + COLOR_BYTES), *end;

	if (!to)
		return 0;
	memcpy(to, start, 16);
	put_u32(to + 16, p->width);
	put_u32(to + 20, p->width);
	memcpy(to + 24, (const uint8_t[5]){1, normal || inverted ? GRAY : PALETTE, 0, 0, 0}, 5);
	end = end_chunk(to + 8, 13);
	if (!normal && !inverted)
		end = put_palette(end, light, dark);
	out->len += (size_t)(end - to);
	return normal ? 0xff : 0;
}

static int put_data(
	const struct qr_symbol *s, const struct qr_picture *p, uint8_t light, struct buffer *out)
{
	struct png_shape shape;

	png_shape_init(&shape, s, p, light);
	if (p->scale == 4 && p->offset % 4 == 0 &&
		(p->offset <= PAIRS_OFFSET || s->width > SMALL_SYMBOL))
		return png_pairs(&shape, out);
	return p->scale == 1 ? png_bytes(&shape, out) : png_matches(&shape, out);
}

int qr_png_write(const struct qr_symbol *s, const struct qr_picture *p, struct buffer *out)
{
	static const uint8_t end[] = "\0\0\0\0IEND\xae\x42\x60\x82";
	size_t before = out->len, chunk;
	uint8_t light = put_head(p, out);
	int error;

	chunk = out->len;
	buffer_append(out, "\0\0\0\0IDAT", 8);
	error = out->failed ? -ENOMEM : put_data(s, p, light, out);
	if (error || !buffer_reserve(out, 4 + CHUNK_EXTRA)) {
		out->len = before;
		return error == -E2BIG ? qr_libpng_write(s, p, out) : -ENOMEM;
	}
	end_chunk((uint8_t *)out->data + chunk, out->len - chunk - 8);
	out->len += 4;
	buffer_append(out, end, CHUNK_EXTRA);
	return 0;
}
