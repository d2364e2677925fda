/* Patterns, transposition and placement, against a module by module walk as the standard describes it. */
#include "server/qr/pattern.h"
#include "server/qr/placement.h"

#include "tests/unit/qr_helpers.h"

#include <qrencode.h>

static bool plane_at(const struct qr_plane *p, unsigned x, unsigned y)
{
	return p->word[x / 64][y] >> x % 64 & 1;
}

/* Clause 7.7.3: where the walk goes, one module after the other. */
struct walk {
	int width, x, y, step;
	bool left;
};

/* The next module, function patterns included; false at the end. */
static bool walk_next(struct walk *w)
{
	if (!w->left) {
		w->left = true;
		w->x--;
		return true;
	}
	w->left = false;
	w->x++;
	w->y += w->step;
	if (w->y >= 0 && w->y < w->width)
		return true;
	w->y -= w->step;
	w->step = -w->step;
	w->x -= w->x == 8 ? 3 : 2;
	return w->x >= 0;
}

static void test_placement(void **state)
{
	uint8_t message[QR_MESSAGE_BYTES], copy[QR_MESSAGE_BYTES];
	struct qr_plane reserved, dark, columns;
	uint64_t seed = 31;

	(void)state;
	for (unsigned version = 1; version <= 40; version++) {
		int width = (int)qr_width(version);
		struct walk w = {.width = width, .x = width - 1, .y = width - 1, .step = -1};
		size_t bits = (size_t)qr_versions[version].codewords * 8, at = 0;

		for (size_t i = 0; i < sizeof(message); i++)
			message[i] = copy[i] = (uint8_t)random_next(&seed);
		memset(&columns, 0xff, sizeof(columns));
		qr_pattern_draw(&reserved, &dark, version);
		qr_place(&columns, &reserved, message, version);
		assert_memory_equal(message, copy, bits / 8);
		do {
			unsigned x = (unsigned)w.x, y = (unsigned)w.y;
			bool expected = false;

			if (!plane_at(&reserved, x, y)) {
				expected = at < bits && copy[at / 8] >> (7 - at % 8) & 1;
				at++;
			}
			assert_int_equal(plane_at(&columns, y, x), expected);
		} while (walk_next(&w));
		assert_true(at >= bits && at < bits + 8);
		for (unsigned x = 0; x < (unsigned)width; x++)
			for (unsigned y = (unsigned)width; y < 64 * qr_words((unsigned)width); y++)
				assert_false(plane_at(&columns, y, x));
	}
}

/* libqrencode's symbols are the authority on what is a function pattern: those modules are the same whatever the text. */
static void test_patterns(void **state)
{
	struct qr_plane reserved, dark;

	(void)state;
	for (int version = 1; version <= 40; version++) {
		unsigned width = qr_width((unsigned)version), free_modules = 0;
		QRcode *code = QRcode_encodeString8bit("x", version, QR_ECLEVEL_L);

		assert_non_null(code);
		assert_int_equal(code->width, width);
		memset(&reserved, 0xff, sizeof(reserved));
		memset(&dark, 0xff, sizeof(dark));
		qr_pattern_draw(&reserved, &dark, (unsigned)version);
		for (unsigned y = 0; y < width; y++) {
			for (unsigned x = 0; x < width; x++) {
				/* The library's marks: 0x80 no data here, 0x04 format information. */
				unsigned char module = code->data[y * width + x];
				bool format = module & 0x04 || (x == 8 && y == width - 8);

				assert_int_equal(plane_at(&reserved, x, y), module >> 7);
				assert_int_equal(plane_at(&dark, x, y),
					module >> 7 && !format && module & 1);
				assert_int_equal(
					plane_at(&reserved, x, y), plane_at(&reserved, y, x));
				assert_int_equal(plane_at(&dark, x, y), plane_at(&dark, y, x));
				free_modules += !(module >> 7);
			}
		}
		assert_int_equal(free_modules / 8, qr_versions[version].codewords);
		QRcode_free(code);
	}
}

static void test_transpose(void **state)
{
	struct qr_plane plane, transposed;
	uint64_t seed = 32;

	(void)state;
	for (unsigned version = 1; version <= 40; version++) {
		unsigned width = qr_width(version);

		memset(&plane, 0, sizeof(plane));
		memset(&transposed, 0xff, sizeof(transposed));
		for (unsigned i = 0; i < qr_words(width); i++)
			for (unsigned y = 0; y < width; y++)
				plane.word[i][y] = random_next(&seed) & qr_word_mask(width, i);
		qr_plane_transpose(&transposed, &plane, width);
		for (unsigned y = 0; y < width; y++)
			for (unsigned x = 0; x < 64 * qr_words(width); x++)
				assert_int_equal(plane_at(&transposed, x, y),
					x < width && plane_at(&plane, y, x));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_placement),
		cmocka_unit_test(test_transpose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
