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

/*
 * The same minimum in one pass: the cheapest way to write what was read so far, for each mode and
 * each number of characters, up to the period of rounding, that its open segment has.
 */
static size_t char_by_char(const uint8_t *text, size_t len, unsigned group)
{
	static const size_t period[] = {3, 2, 1};
	static const size_t step[3][3] = {{4, 3, 3}, {6, 5}, {8}};
	size_t cost[3][3], best = 0;

	memset(cost, 0x3f, sizeof(cost));
	for (size_t i = 0; i < len; i++) {
		size_t next[3][3], next_best = SIZE_MAX;

		memset(next, 0x3f, sizeof(next));
		for (unsigned mode = 0; mode < 3; mode++) {
			size_t opened = best + 4 + count_bits[group][mode];

			for (size_t k = 0; mode_can(mode, text[i]) && k < period[mode]; k++) {
				size_t from =
					k == 0 && opened < cost[mode][0] ? opened : cost[mode][k];

				next[mode][(k + 1) % period[mode]] = from + step[mode][k];
				if (from + step[mode][k] < next_best)
					next_best = from + step[mode][k];
			}
		}
		memcpy(cost, next, sizeof(cost));
		best = next_best;
	}
	return best;
}

/* What the split costs, after a check that each segment's mode can write its characters. */
static size_t split_cost(
	const struct segment_split *split, const uint8_t *text, size_t len, unsigned group)
{
	size_t bits = 0, end;

	for (size_t start = 0; start < len; start = end) {
		enum segment_mode mode = segment_at(split, start, len, &end);

		assert_true(end > start && end <= len);
		for (size_t i = start; i < end && i < len; i++)
			assert_true(mode_can(mode, text[i]));
		bits += segment_cost(mode, end - start, group);
	}
	return bits;
}

/* How many texts were written as one segment without a look at all splits, and how many were not.
 */
static unsigned n_uniform, n_general;

static void assert_optimal(const uint8_t *text, size_t len, unsigned group, size_t expected)
{
	struct segment_split split;

	memset(split.mode, 0xff, sizeof(split.mode));
	assert_int_equal(segment_bits(text, len, group), expected);
	assert_int_equal(segment_split(&split, text, len, group), expected);
	assert_int_equal(split_cost(&split, text, len, group), expected);
	if (split.uniform)
		n_uniform++;
	else
		n_general++;
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
	n_uniform = n_general = 0;
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = 1 + random_below(&seed, sizeof(text));

		random_text(&seed, text, len);
		for (unsigned group = 0; group < 3; group++)
			assert_optimal(text, len, group, try_all_ends(text, len, group));
	}
	assert_true(n_uniform > 100 && n_general > 100);
}

/* Short runs inside each other: on both sides of the bounds up to which one segment is the best
 * split. */
static void test_short_runs(void **state)
{
	static const char kinds[] = "7Ab";
	uint64_t seed = 13;

	(void)state;
	n_uniform = n_general = 0;
	for (unsigned i = 0; i < 6000; i++) {
		uint8_t text[LONGEST];
		size_t len = 1 + random_below(&seed, 40), most = 1 + i % 9, k = 0;

		while (k < len) {
			size_t end = k + 1 + random_below(&seed, most);
			char c = kinds[random_below(&seed, 2 + i % 2)];

			while (k < len && k < end)
				text[k++] = (uint8_t)c;
		}
		for (unsigned group = 0; group < 3; group++)
			assert_optimal(text, len, group, try_all_ends(text, len, group));
	}
	assert_true(n_uniform > 3000 && n_general > 3000);
}

/* Every text of digits and capitals up to a length, alone, at the start, in the middle, at the end
 * of small letters. */
static void test_every_run(void **state)
{
	(void)state;
	n_uniform = n_general = 0;
	for (size_t n = 1; n <= 11; n++) {
		for (unsigned bits = 0; bits < 1u << n; bits++) {
			uint8_t text[LONGEST];
			size_t before = bits & 2 ? 3 : 0, len = before + n + (bits & 1 ? 3 : 0);

			memset(text, 'z', sizeof(text));
			for (size_t i = 0; i < n; i++)
				text[before + i] = bits >> i & 1 ? '3' : 'C';
			for (unsigned group = 0; group < 3; group++)
				assert_optimal(text, len, group, try_all_ends(text, len, group));
		}
	}
	assert_true(n_uniform > 1000 && n_general > 1000);
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

/* As long as a split can be: runs of many lengths, where eight characters are passed over at once.
 */
static void test_longest_texts(void **state)
{
	static const uint8_t kinds[] = {'5', 'X', '~', 0xff, '['};
	static uint8_t text[SEGMENT_MAX_CHARS];
	static struct segment_split split;
	uint64_t seed = 14;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		size_t k = 0, most = 1 + random_below(&seed, 200);

		while (k < sizeof(text)) {
			size_t end = k + 1 + random_below(&seed, most);
			uint8_t c = kinds[random_below(&seed, sizeof(kinds))];

			while (k < sizeof(text) && k < end)
				text[k++] = c;
		}
		for (unsigned group = 0; group < 3; group++) {
			size_t bits = segment_split(&split, text, sizeof(text), group);

			assert_int_equal(bits, char_by_char(text, sizeof(text), group));
			assert_int_equal(bits, split_cost(&split, text, sizeof(text), group));
			assert_int_equal(bits, segment_bits(text, sizeof(text), group));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_texts),
		cmocka_unit_test(test_longer_texts),
		cmocka_unit_test(test_short_runs),
		cmocka_unit_test(test_every_run),
		cmocka_unit_test(test_longest_texts),
		cmocka_unit_test(test_where_switching_begins_to_pay),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
