/* What the tests of the QR library share: short calls, reproducible random numbers, pictures as pixels. */
#ifndef QUERN_TESTS_UNIT_QR_HELPERS_H
#define QUERN_TESTS_UNIT_QR_HELPERS_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "bench/speed/qr_pictures.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"

/* qr_fit() and qr_encode() with Quern's engine. */
static inline int fit_text(
	struct qr_fit *ret, const void *text, size_t len, enum qr_level level, bool eci)
{
	const struct qr_options options = {.level = level, .eci = eci};

	return qr_fit(ret, text, len, &options);
}

static inline int encode_text(
	struct qr_symbol *ret, const void *text, size_t len, enum qr_level level, bool eci)
{
	const struct qr_options options = {.level = level, .eci = eci};

	return qr_encode(ret, text, len, &options);
}

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
	return (size_t)(random_next(state) % n);
}

/* Stretches of digits, of the alphanumeric set, of letters, of any bytes: where the choice of
 * segments matters. */
static inline void random_text(uint64_t *state, uint8_t *text, size_t len)
{
	static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:abcdefghijklmno";
	static const size_t bounds[][2] = {{0, 10}, {0, 45}, {10, 45}, {0, 60}, {45, 60}};
	size_t i = 0;

	while (i < len) {
		size_t kind = random_below(state, 6), end = i + 1 + random_below(state, 18);

		for (; i < len && i < end; i++) {
			if (kind == 5)
				text[i] = (uint8_t)random_next(state);
			else
				text[i] = (uint8_t)set[bounds[kind][0] +
						       random_below(state,
							       bounds[kind][1] - bounds[kind][0])];
		}
	}
}

/* A symbol of the version with random bytes in it, at level L. */
static inline void random_symbol(uint64_t *state, struct qr_symbol *ret, unsigned version)
{
	uint8_t text[2953];
	struct qr_fit fit;
	size_t len = 0;

	do {
		assert_true(len < sizeof(text));
		text[len++] = (uint8_t)(random_next(state) | 0x80);
		assert_int_equal(fit_text(&fit, text, len, QR_LEVEL_L, false), 0);
	} while (fit.version < version);
	assert_int_equal(encode_text(ret, text, len, QR_LEVEL_L, false), 0);
	assert_int_equal(ret->version, version);
}

/* Pixels as red, green, blue, alpha; the caller frees them. */
static inline uint8_t *decode_png(const void *data, size_t len, unsigned *ret_width)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	uint8_t *pixels;

	assert_true(png_image_begin_read_from_memory(&image, data, len));
	image.format = PNG_FORMAT_RGBA;
	/* libpng's macro multiplies as it likes; pictures of tests are far from 4 GiB. */
	/* NOLINTNEXTLINE(bugprone-implicit-widening-of-multiplication-result) */
	pixels = malloc(PNG_IMAGE_SIZE(image));
	assert_non_null(pixels);
	assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
	assert_int_equal(image.width, image.height);
	*ret_width = image.width;
	return pixels;
}

static inline const struct qr_color *expected_color(
	const struct qr_symbol *s, const struct qr_picture *p, unsigned x, unsigned y)
{
	return qr_expected_color(s, p, x, y);
}

#endif
