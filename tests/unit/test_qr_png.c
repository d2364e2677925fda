/* The geometry of pictures, and PNGs read back by libpng. */
#include "server/qr/picture.h"

#include "tests/unit/qr_helpers.h"

#include <errno.h>

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
		assert_memory_equal(pixels + (size_t)y * width * 4, row, (size_t)width * 4);
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
		cmocka_unit_test(test_what_was_there_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
