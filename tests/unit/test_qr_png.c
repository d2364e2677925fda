/*
 * The geometry of pictures; PNGs read back by libpng, and their size against what libpng makes of
 * the same rows by itself. QUERN_TEST_PICTURES says how many pictures that shall be.
 */
#include "server/qr/picture.h"

#include "tests/unit/qr_helpers.h"

#include <errno.h>
#include <zlib.h>

/* Where things are in a PNG: after the signature comes IHDR. */
#define DEPTH_AT 24
#define COLOR_TYPE_AT 25
#define GRAY 0
#define PALETTE 3

static const struct qr_color black = {0, 0, 0, 255}, white = {255, 255, 255, 255};
static const struct qr_color clear = {0, 0, 0, 0}, glass = {10, 200, 30, 77};
static const struct qr_color red = {200, 16, 46, 255}, shade = {0, 0, 0, 254};

static void assert_layout(unsigned symbol_width, unsigned margin, unsigned scale, unsigned size,
	struct qr_picture expected)
{
	struct qr_picture p;

	assert_int_equal(qr_picture_layout(&p, symbol_width, margin, scale, size), 0);
	assert_int_equal(p.margin, expected.margin);
	assert_int_equal(p.scale, expected.scale);
	assert_int_equal(p.width, expected.width);
	assert_int_equal(p.offset, expected.offset);
}

static void assert_no_layout(
	unsigned symbol_width, unsigned margin, unsigned scale, unsigned size, unsigned width)
{
	struct qr_picture p;

	assert_int_equal(qr_picture_layout(&p, symbol_width, margin, scale, size), -ERANGE);
	assert_int_equal(p.width, width);
}

static void test_layout_by_scale(void **state)
{
	(void)state;
	assert_layout(21, 4, 4, 0,
		(struct qr_picture){.margin = 4, .scale = 4, .width = 116, .offset = 16});
	assert_layout(21, 0, 1, 0,
		(struct qr_picture){.margin = 0, .scale = 1, .width = 21, .offset = 0});
	assert_layout(21, 64, 27, 0,
		(struct qr_picture){.margin = 64, .scale = 27, .width = 4023, .offset = 1728});
	assert_layout(56, 4, 64, 0,
		(struct qr_picture){.margin = 4, .scale = 64, .width = 4096, .offset = 256});
	assert_no_layout(57, 4, 64, 0, 65 * 64);
	assert_no_layout(21, 64, 28, 0, 149 * 28);
	assert_no_layout(177, 64, 64, 0, 305 * 64);
}

static void test_layout_by_size(void **state)
{
	(void)state;
	assert_layout(21, 4, 9, 29,
		(struct qr_picture){.margin = 4, .scale = 1, .width = 29, .offset = 4});
	assert_layout(21, 4, 9, 57,
		(struct qr_picture){.margin = 4, .scale = 1, .width = 57, .offset = 18});
	assert_layout(21, 4, 9, 58,
		(struct qr_picture){.margin = 4, .scale = 2, .width = 58, .offset = 8});
	assert_layout(21, 0, 1, 21,
		(struct qr_picture){.margin = 0, .scale = 1, .width = 21, .offset = 0});
	assert_layout(21, 0, 1, 4096,
		(struct qr_picture){.margin = 0, .scale = 195, .width = 4096, .offset = 0});
	assert_layout(177, 0, 1, 4096,
		(struct qr_picture){.margin = 0, .scale = 23, .width = 4096, .offset = 12});
	assert_layout(177, 64, 1, 305,
		(struct qr_picture){.margin = 64, .scale = 1, .width = 305, .offset = 64});
	assert_no_layout(21, 4, 1, 28, 29);
	assert_no_layout(177, 64, 1, 304, 305);
	assert_no_layout(21, 4, 1, 4097, 4097);
}

/* Every size: the scale is the largest that leaves the margin, on all four sides, within a pixel of
 * the middle. */
static void test_layout_of_all_sizes(void **state)
{
	static const unsigned widths[] = {21, 25, 57, 177};

	(void)state;
	for (unsigned i = 0; i < 4 * 4; i++) {
		unsigned width = widths[i / 4], margin = (i % 4) * (i % 4) * 7;

		for (unsigned size = width + 2 * margin; size <= QR_MAX_PIXELS; size++) {
			struct qr_picture p;
			unsigned right;

			assert_int_equal(qr_picture_layout(&p, width, margin, 0, size), 0);
			right = size - p.offset - width * p.scale;
			assert_int_equal(p.width, size);
			assert_true(p.offset >= margin * p.scale && right >= margin * p.scale);
			assert_true(right == p.offset || right == p.offset + 1);
			assert_true((width + 2 * margin) * (p.scale + 1) > size);
		}
	}
}

/* The pixels of row y as they must be. */
static void expect_row(
	uint8_t *ret, const struct qr_symbol *s, const struct qr_picture *p, unsigned y)
{
	for (unsigned x = 0; x < p->width; x++) {
		const struct qr_color *c = expected_color(s, p, x, y);
		const uint8_t pixel[4] = {c->red, c->green, c->blue, c->alpha};

		memcpy(ret + (size_t)x * 4, pixel, 4);
	}
}

static void assert_picture(const struct qr_symbol *s, const struct qr_picture *p, int color_type)
{
	static uint8_t row[QR_MAX_PIXELS * 4];
	struct buffer out;
	unsigned width;
	uint8_t *pixels;

	buffer_init(&out);
	assert_int_equal(qr_png_write(s, p, &out), 0);
	assert_int_equal(out.data[DEPTH_AT], 1);
	assert_int_equal(out.data[COLOR_TYPE_AT], color_type);
	pixels = decode_png(out.data, out.len, &width);
	assert_int_equal(width, p->width);
	for (unsigned y = 0; y < width; y++) {
		/* Only where a row of modules or of margin begins is there anything new to expect.
		 */
		if (y == 0 || (y + p->scale - p->offset % p->scale) % p->scale == 0 ||
			y == p->offset + s->width * p->scale)
			expect_row(row, s, p, y);
		/* cmocka would compare byte by byte, which takes long. */
		assert_true(memcmp(pixels + (size_t)y * width * 4, row, (size_t)width * 4) == 0);
	}
	free(pixels);
	buffer_done(&out);
}

static void check(const struct qr_symbol *s, unsigned margin, unsigned scale, unsigned size,
	struct qr_color dark, struct qr_color light)
{
	bool gray = (memcmp(&dark, &black, 4) == 0 && memcmp(&light, &white, 4) == 0) ||
		    (memcmp(&dark, &white, 4) == 0 && memcmp(&light, &black, 4) == 0);
	struct qr_picture p;

	assert_int_equal(qr_picture_layout(&p, s->width, margin, scale, size), 0);
	p.dark = dark;
	p.light = light;
	assert_picture(s, &p, gray ? GRAY : PALETTE);
}

static void test_colors(void **state)
{
	const struct qr_color colors[] = {black, white, clear, glass, red, shade};
	struct qr_symbol s;
	uint64_t seed = 6;

	(void)state;
	random_symbol(&seed, &s, 2);
	for (unsigned dark = 0; dark < 6; dark++)
		for (unsigned light = 0; light < 6; light++)
			check(&s, 1, 3, 0, colors[dark], colors[light]);
}

/* All the ways in which modules lie across bytes, and all settings of the compressor. */
static void test_scales_and_margins(void **state)
{
	static const unsigned margins[] = {0, 1, 4, 7};
	struct qr_symbol s;
	uint64_t seed = 7;

	(void)state;
	for (unsigned scale = 1; scale <= QR_MAX_SCALE; scale += scale < 18 ? 1 : 23) {
		for (unsigned i = 0; i < 4; i++) {
			random_symbol(&seed, &s, 1 + i);
			check(&s, margins[i], scale, 0, black, white);
			check(&s, margins[i], scale, 0, white, black);
			check(&s, margins[i], scale, 0, glass, clear);
		}
	}
}

static void test_sizes(void **state)
{
	struct qr_symbol s;
	uint64_t seed = 8;

	(void)state;
	random_symbol(&seed, &s, 3);
	for (unsigned size = 29; size < 29 * 4; size++) {
		check(&s, 0, 0, size, black, white);
		if (size >= 37)
			check(&s, 4, 0, size, white, red);
	}
}

static void test_large_pictures(void **state)
{
	static const unsigned versions[] = {1, 7, 23, 40};
	struct qr_symbol s;
	uint64_t seed = 9;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		random_symbol(&seed, &s, versions[i]);
		check(&s, 4, 0, 1500 + 8 * i, black, white);
		check(&s, i, 0, QR_MAX_PIXELS - i, glass, red);
	}
	check(&s, 4, 8, 0, black, white);
}

/* All scales and margins that are in common use. */
static void test_common_pictures(void **state)
{
	static const unsigned versions[] = {1, 2, 5, 7, 3, 10, 1, 6};
	struct qr_symbol s[8];
	uint64_t seed = 11;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		random_symbol(&seed, &s[i], versions[i]);
	for (unsigned scale = 1; scale <= 16; scale++) {
		for (unsigned margin = 0; margin <= 8; margin++) {
			const struct qr_symbol *symbol = &s[(scale * 3 + margin) % 8];

			check(symbol, margin, scale, 0, black, white);
			check(symbol, margin, scale, 0, white, black);
			check(symbol, margin, scale, 0, red, white);
		}
	}
}

/* Rows, or parts of them, that are as the ones above: what is copied is longer than elsewhere. */
static void test_dull_symbols(void **state)
{
	struct qr_symbol s = {.version = 1, .width = 21};

	(void)state;
	for (unsigned kind = 0; kind < 6; kind++) {
		for (unsigned y = 0; y < 21; y++)
			s.row[y][0] = (kind == 0	  ? 0
					      : kind == 1 ? UINT64_MAX
					      : kind == 2 ? 0x5555555555555555
					      : kind == 3 ? UINT64_MAX << y
					      : kind == 4 ? UINT64_MAX >> (63 - y)
							  : (uint64_t)(y == 20) << 20) &
				      ((1 << 21) - 1);
		for (unsigned scale = 1; scale <= QR_MAX_SCALE; scale += scale < 18 ? 1 : 23) {
			check(&s, kind, scale, 0, black, white);
			check(&s, scale % 9, scale, 0, red, white);
		}
	}
}

static uint32_t read_u32(const void *from)
{
	const uint8_t *b = from;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The chunk at *at, which has to be of the type, with the right CRC; *at goes on behind it. */
static const char *expect_chunk(
	const struct buffer *png, size_t *at, const char *type, uint32_t *ret_len)
{
	const char *chunk = png->data + *at;
	uint32_t len;

	assert_true(png->len - *at >= 12);
	len = read_u32(chunk);
	assert_true(png->len - *at - 12 >= len);
	assert_memory_equal(chunk + 4, type, 4);
	assert_int_equal(read_u32(chunk + 8 + len), crc32(0, (const Bytef *)chunk + 4, len + 4));
	*at += 12 + len;
	*ret_len = len;
	return chunk + 8;
}

/* The data of the one chunk of image data, and what is around it. */
static const char *expect_data(
	const struct buffer *png, const struct qr_picture *p, bool palette, uint32_t *ret_len)
{
	size_t at = 8;
	uint32_t len;
	const char *data;

	assert_memory_equal(png->data, "\x89PNG\r\n\x1a\n", 8);
	data = expect_chunk(png, &at, "IHDR", &len);
	assert_int_equal(len, 13);
	assert_int_equal(read_u32(data), p->width);
	assert_int_equal(read_u32(data + 4), p->width);
	assert_memory_equal(data + 8, palette ? "\1\3\0\0\0" : "\1\0\0\0\0", 5);
	if (palette) {
		(void)expect_chunk(png, &at, "PLTE", &len);
		assert_int_equal(len, 6);
	}
	if (palette && (p->dark.alpha < 255 || p->light.alpha < 255)) {
		(void)expect_chunk(png, &at, "tRNS", &len);
		assert_int_equal(len, p->dark.alpha < 255 ? 2 : 1);
	}
	data = expect_chunk(png, &at, "IDAT", ret_len);
	(void)expect_chunk(png, &at, "IEND", &len);
	assert_int_equal(len, 0);
	assert_int_equal(at, png->len);
	return data;
}

static void test_chunks(void **state)
{
	const struct qr_color lights[] = {white, black, red, glass};
	struct qr_picture p;
	struct qr_symbol s;
	struct buffer out;
	uint64_t seed = 12;
	uint32_t len;

	(void)state;
	random_symbol(&seed, &s, 1);
	for (unsigned scale = 1; scale <= 8; scale++) {
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(qr_picture_layout(&p, s.width, 4, scale, 0), 0);
			p.light = lights[i];
			p.dark = i == 1 ? white : black;
			buffer_init(&out);
			assert_int_equal(qr_png_write(&s, &p, &out), 0);
			(void)expect_data(&out, &p, i > 1, &len);
			buffer_done(&out);
		}
	}
}

/* The same picture by libpng left alone, and its rows, each with a filter byte. */
struct reference {
	struct buffer png, rows;
};

static void on_write(png_structp png, png_bytep data, size_t n)
{
	buffer_append(png_get_io_ptr(png), data, n);
}

static void on_flush(png_structp png)
{
	(void)png;
}

static void put_colors(png_structp png, png_infop info, const struct qr_picture *p)
{
	const png_color colors[2] = {{p->light.red, p->light.green, p->light.blue},
		{p->dark.red, p->dark.green, p->dark.blue}};
	const png_byte alphas[2] = {p->light.alpha, p->dark.alpha};

	png_set_PLTE(png, info, colors, 2);
	if (alphas[1] < 255)
		png_set_tRNS(png, info, alphas, 2, NULL);
	else if (alphas[0] < 255)
		png_set_tRNS(png, info, alphas, 1, NULL);
}

static void draw_reference(
	uint8_t *row, const struct qr_symbol *s, const struct qr_picture *p, unsigned y, int light)
{
	row[0] = 0;
	memset(row + 1, light, QR_MAX_PIXELS / 8);
	for (unsigned x = 0; x < p->width; x++)
		if (expected_color(s, p, x, y) == &p->dark)
			row[1 + x / 8] ^= (uint8_t)(0x80 >> x % 8);
}

static void write_reference(
	struct reference *r, const struct qr_symbol *s, const struct qr_picture *p, bool palette)
{
	bool light = !palette && p->light.red == 255;
	uint8_t row[1 + QR_MAX_PIXELS / 8];
	size_t row_bytes = 1 + (p->width + 7) / 8;
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);

	assert_non_null(info);
	png_set_write_fn(png, &r->png, on_write, on_flush);
	png_set_IHDR(png, info, p->width, p->width, 1,
		palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
		PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	if (palette)
		put_colors(png, info, p);
	png_write_info(png, info);
	for (unsigned y = 0; y < p->width; y++) {
		/* As in assert_picture(): there is something new only where modules begin. */
		if (y == 0 || (y + p->scale - p->offset % p->scale) % p->scale == 0 ||
			y == p->offset + s->width * p->scale)
			draw_reference(row, s, p, y, light ? 0xff : 0);
		png_write_row(png, row + 1);
		buffer_append(&r->rows, row, row_bytes);
	}
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &info);
	assert_false(r->png.failed || r->rows.failed);
}

/* The stream, whose checksum zlib checks, holds the rows and nothing else. */
static void assert_rows(const char *data, uint32_t len, const struct buffer *rows)
{
	uLongf size = rows->len + 1;
	uint8_t *unpacked = malloc(size);

	assert_non_null(unpacked);
	assert_int_equal(uncompress(unpacked, &size, (const Bytef *)data, len), Z_OK);
	assert_int_equal(size, rows->len);
	assert_true(memcmp(unpacked, rows->data, size) == 0);
	free(unpacked);
}

static void assert_not_larger(const struct qr_symbol *s, const struct qr_picture *p, bool palette)
{
	struct reference r = {0};
	struct buffer out;
	const char *data;
	uint32_t len;

	buffer_init(&out);
	write_reference(&r, s, p, palette);
	assert_int_equal(qr_png_write(s, p, &out), 0);
	data = expect_data(&out, p, palette, &len);
	assert_rows(data, len, &r.rows);
	if (out.len > r.png.len)
		fail_msg("version %u, scale %u, margin %u, width %u, offset %u: %zu bytes, libpng "
			 "%zu",
			s->version, p->scale, p->margin, p->width, p->offset, out.len, r.png.len);
	buffer_done(&out);
	buffer_done(&r.png);
	buffer_done(&r.rows);
}

static void random_texts_symbol(uint64_t *seed, struct qr_symbol *ret)
{
	uint8_t text[2953];
	struct qr_options options = {.level = (enum qr_level)random_below(seed, 4)};
	size_t len = 1 + random_below(seed, 1 + random_below(seed, 2400));

	random_text(seed, text, len);
	while (qr_encode(ret, text, len, &options) == -E2BIG)
		len = len * 3 / 4;
}

/* Scales 1 to 16 and margins 0 to 8, and now and then a size; black on white, and others. */
static void test_never_larger_than_libpng(void **state)
{
	const char *wanted = getenv("QUERN_TEST_PICTURES");
	unsigned long n = wanted ? strtoul(wanted, NULL, 10) : 400;
	uint64_t seed = 13;

	(void)state;
	assert_true(n > 0);
	for (unsigned long i = 0; i < n; i++) {
		unsigned scale = 1 + (unsigned)random_below(&seed, 16);
		unsigned margin = (unsigned)random_below(&seed, 9), size = 0;
		struct qr_picture p;
		struct qr_symbol s;

		random_texts_symbol(&seed, &s);
		if (i % 8 == 7) {
			size = s.width + 2 * margin;
			size += (unsigned)random_below(&seed, 1 + (QR_MAX_PIXELS - size) / 4);
		}
		assert_int_equal(qr_picture_layout(&p, s.width, margin, scale, size), 0);
		p.dark = i % 3 == 0 ? black : i % 3 == 1 ? white : red;
		p.light = i % 3 == 0 ? white : i % 3 == 1 ? black : white;
		assert_not_larger(&s, &p, i % 3 == 2);
	}
}

static void test_what_was_there_stays(void **state)
{
	struct qr_picture p;
	struct qr_symbol s;
	struct buffer out;
	uint64_t seed = 10;

	(void)state;
	random_symbol(&seed, &s, 1);
	assert_int_equal(qr_picture_layout(&p, s.width, 4, 4, 0), 0);
	p.dark = black;
	p.light = white;
	buffer_init(&out);
	buffer_puts(&out, "before");
	assert_int_equal(qr_png_write(&s, &p, &out), 0);
	assert_memory_equal(out.data, "before\x89PNG\r\n\x1a\n", 14);
	buffer_reset(&out);
	buffer_puts(&out, "before");
	out.failed = true;
	assert_int_equal(qr_png_write(&s, &p, &out), -ENOMEM);
	assert_true(out.failed);
	assert_int_equal(out.len, 6);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_by_scale),
		cmocka_unit_test(test_layout_by_size),
		cmocka_unit_test(test_layout_of_all_sizes),
		cmocka_unit_test(test_colors),
		cmocka_unit_test(test_scales_and_margins),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_large_pictures),
		cmocka_unit_test(test_common_pictures),
		cmocka_unit_test(test_dull_symbols),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_never_larger_than_libpng),
		cmocka_unit_test(test_what_was_there_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
