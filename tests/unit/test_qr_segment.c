#include "server/qr/segment.h"

#include "tests/unit/qr_helpers.h"

#define LONGEST 80

/* ISO/IEC 18004:2015, table 3: bits of the character count by group and mode. */
static const size_t count_bits[3][3] = {{10, 9, 8}, {12, 11, 16}, {14, 13, 16}};

static bool mode_can(unsigned mode, uint8_t c)
{
	if (mode == SEGMENT_BYTE)
		return true;
	if (c >= '0' && c <= '9')
		return true;
	return mode == SEGMENT_ALNUM && c != '\0' &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", c);
}

/* Clauses 7.4.3 to 7.4.5, said in whole bits. */
static size_t segment_cost(unsigned mode, size_t n, unsigned group)
{
	static const size_t rest[] = {0, 4, 7};
	size_t header = 4 + count_bits[group][mode];

	if (mode == SEGMENT_NUMERIC)
		return header + n / 3 * 10 + rest[n % 3];
	if (mode == SEGMENT_ALNUM)
		return header + n / 2 * 11 + n % 2 * 6;
	return header + n * 8;
}

/* Every split of the text there is, one after the other. */
static size_t try_all_splits(const uint8_t *text, size_t len, unsigned group)
{
	size_t best = SIZE_MAX;

	if (len == 0)
		return 0;
	for (unsigned mode = 0; mode < 3; mode++) {
		for (size_t n = 1; n <= len && mode_can(mode, text[n - 1]); n++) {
			size_t bits = segment_cost(mode, n, group) +
				      try_all_splits(text + n, len - n, group);

			best = bits < best ? bits : best;
		}
	}
	return best;
}

/* The same minimum for longer texts: the best way to every position from all positions before. */
static size_t try_all_ends(const uint8_t *text, size_t len, unsigned group)
{
	size_t best[LONGEST + 1] = {0};

	for (size_t end = 1; end <= len; end++) {
		best[end] = SIZE_MAX;
		for (unsigned mode = 0; mode < 3; mode++) {
			for (size_t n = 1; n <= end && mode_can(mode, text[end - n]); n++) {
				size_t bits = best[end - n] + segment_cost(mode, n, group);

				best[end] = bits < best[end] ? bits : best[end];
			}
		}
	}
	return best[len];
}

/* What the plan costs, after a check that each mode can write its characters. */
static size_t plan_cost(const uint8_t *mode, const uint8_t *text, size_t len, unsigned group)
{
	size_t bits = 0, end;

	for (size_t start = 0; start < len; start = end) {
		for (end = start; end < len && mode[end] == mode[start]; end++)
			assert_true(mode_can(mode[end], text[end]));
		bits += segment_cost(mode[start], end - start, group);
	}
	return bits;
}

static void assert_optimal(const uint8_t *text, size_t len, unsigned group, size_t expected)
{
	uint8_t mode[LONGEST];

	assert_int_equal(segment_bits(text, len, group), expected);
	assert_int_equal(segment_plan(mode, text, len, group), expected);
	assert_int_equal(plan_cost(mode, text, len, group), expected);
}

static void test_short_texts(void **state)
{
	uint64_t seed = 2;
	uint8_t text[8];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		size_t len = 1 + random_below(&seed, sizeof(text));

		random_text(&seed, text, len);
		for (unsigned group = 0; group < 3; group++)
			assert_optimal(text, len, group, try_all_splits(text, len, group));
	}
}

static void test_longer_texts(void **state)
{
	uint64_t seed = 3;
	uint8_t text[LONGEST];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = 1 + random_below(&seed, sizeof(text));

		random_text(&seed, text, len);
		for (unsigned group = 0; group < 3; group++)
			assert_optimal(text, len, group, try_all_ends(text, len, group));
	}
}

/* Runs of digits or of the alphanumeric set, of every length, inside bytes and inside each other.
 */
static void test_where_switching_begins_to_pay(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 8; kind++) {
		for (size_t n = 1; n <= 24; n++) {
			uint8_t text[LONGEST];
			size_t len = n + (kind & 1 ? 10 : 0) + (kind & 2 ? 10 : 0);

			memset(text, kind & 4 ? 'A' : 'a', sizeof(text));
			memset(text + (kind & 1 ? 10 : 0), '7', n);
			for (unsigned group = 0; group < 3; group++)
				assert_optimal(text, len, group, try_all_ends(text, len, group));
		}
	}
}

/* Each of the 256 bytes on its own takes the bits of the narrowest mode that has it. */
static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const uint8_t text[1] = {(uint8_t)c};

		for (unsigned group = 0; group < 3; group++)
			assert_optimal(text, 1, group, try_all_splits(text, 1, group));
	}
}

static void test_long_texts(void **state)
{
	size_t len = 100000;
	uint8_t *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, 0xff, len);
	assert_int_equal(segment_bits(text, len, SEGMENT_LARGE), 20 + 8 * len);
	memset(text, '1', len);
	assert_int_equal(segment_bits(text, len, SEGMENT_LARGE), 18 + len / 3 * 10 + 4);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_texts),
		cmocka_unit_test(test_longer_texts),
		cmocka_unit_test(test_where_switching_begins_to_pay),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
