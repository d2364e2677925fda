/* Huffman codes, heads of blocks and checksums, against zlib and plain arithmetic. */
#include "server/qr/png_stream.h"

#include "tests/unit/qr_helpers.h"

#include <zlib.h>

#define ROUNDS 2000

static void random_counts(uint64_t *seed, struct huffman *h, unsigned symbols)
{
	unsigned steep = (unsigned)random_below(seed, 24),
		 density = (unsigned)random_below(seed, 6);

	h->n = 0;
	for (unsigned i = 0; i < symbols; i++)
		if (random_below(seed, 1U << density) == 0 || i == DEFLATE_END)
			huffman_add(h, i,
				1 + (uint32_t)random_below(
					    seed, 1U << random_below(seed, steep + 1)));
}

/* The least that a code without a limit costs: all weights of inner nodes, added. */
static uint64_t least_cost(const struct huffman *h)
{
	uint64_t weight[HUFFMAN_SYMBOLS], cost = 0;
	unsigned n = h->n;

	for (unsigned i = 0; i < n; i++)
		weight[i] = h->count[i];
	for (; n > 1; n--) {
		for (unsigned place = 0; place < 2; place++) {
			unsigned least = place;
			uint64_t swap = weight[place];

			for (unsigned i = place; i < n; i++)
				least = weight[i] < weight[least] ? i : least;
			weight[place] = weight[least];
			weight[least] = swap;
		}
		weight[0] += weight[1];
		cost += weight[0];
		weight[1] = weight[n - 1];
	}
	return cost;
}

static uint64_t cost_of(const struct huffman *h)
{
	uint64_t cost = 0;

	for (unsigned i = 0; i < h->n; i++)
		cost += (uint64_t)h->count[i] * h->len[h->symbol[i]];
	return cost;
}

/* All of the room for codes is used, by none that is too long; returns the longest. */
static unsigned assert_complete(const struct huffman *h, unsigned max_len)
{
	unsigned used = 0, longest = 0;

	for (unsigned i = 0; i < h->n; i++) {
		unsigned len = h->len[h->symbol[i]];

		assert_true(len > 0 && len <= max_len);
		used += 1U << (15 - len);
		longest = len > longest ? len : longest;
	}
	assert_int_equal(used, 1U << 15);
	return longest;
}

static void test_codes_are_optimal(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		static struct huffman h;
		unsigned max_len = i % 2 ? 15 : 9;

		random_counts(&seed, &h, DEFLATE_LITERALS);
		if (h.n < 2)
			continue;
		huffman_build(&h, max_len);
		/* At the limit a code may have been cut. */
		if (assert_complete(&h, max_len) < max_len)
			assert_int_equal(cost_of(&h), least_cost(&h));
		else
			assert_true(cost_of(&h) >= least_cost(&h));
	}
}

/* A limit is kept even where the best code would be a long stair. */
static void test_limit(void **state)
{
	(void)state;
	for (unsigned max_len = 5; max_len <= 15; max_len++) {
		struct huffman h = {.n = 0};
		uint32_t a = 1, b = 1;

		for (unsigned i = 0; i < 30; i++) {
			uint32_t next = a + b;

			huffman_add(&h, i, a);
			a = b;
			b = next;
		}
		huffman_build(&h, max_len);
		assert_int_equal(assert_complete(&h, max_len), max_len);
	}
}

/* A block of random symbols, as many as the plan says, that zlib unpacks to what they mean. */
static void test_blocks(void **state)
{
	static uint8_t packed[1 << 16], expected[1 << 13], unpacked[1 << 14];
	uint64_t seed = 2;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		static struct deflate_block b;
		struct bits to = {.to = packed};
		uint32_t count[256] = {0};
		unsigned n = 1 + (unsigned)random_below(&seed, 1U << random_below(&seed, 13));
		unsigned kinds = 1 + (unsigned)random_below(&seed, 256);
		z_stream z = {
			.next_in = packed, .next_out = unpacked, .avail_out = sizeof(unpacked)};

		for (unsigned i = 0; i < n; i++)
			count[expected[i] = (uint8_t)random_below(&seed, kinds)]++;
		b.literals.n = b.distances.n = 0;
		for (unsigned i = 0; i < 256; i++)
			huffman_add(&b.literals, i, count[i]);
		huffman_add(&b.literals, DEFLATE_END, 1);
		deflate_plan(&b, 15);
		deflate_put_head(&b, &to);
		for (unsigned i = 0; i < n; i++) {
			deflate_put_symbol(&b, &to, expected[i]);
			bits_flush(&to);
		}
		deflate_put_symbol(&b, &to, DEFLATE_END);
		z.avail_in = (uInt)(bits_end(&to) - packed);
		/* An unused distance takes its bit in the plan, but is never put. */
		assert_true(z.avail_in <= b.bits / 8 + 1 && z.avail_in + 1 >= b.bits / 8);
		assert_int_equal(inflateInit2(&z, -MAX_WBITS), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(z.total_out, n);
		assert_memory_equal(unpacked, expected, n);
		inflateEnd(&z);
	}
}

/* Symbols of lengths and distances, against the standard's table read backwards. */
static void test_lengths_and_distances(void **state)
{
	unsigned next = 3, symbol = DEFLATE_FIRST_LENGTH;

	(void)state;
	for (; symbol < DEFLATE_LITERALS - 1; symbol++) {
		unsigned n = symbol < 265 ? 0 : (symbol - 261) / 4;

		for (unsigned extra = 0; extra < 1U << n && next < DEFLATE_LONGEST; extra++) {
			struct deflate_part part = deflate_length(next++);

			assert_int_equal(part.symbol, symbol);
			assert_int_equal(part.extra_bits, n);
			assert_int_equal(part.extra, extra);
		}
	}
	assert_int_equal(next, DEFLATE_LONGEST);
	assert_int_equal(deflate_length(DEFLATE_LONGEST).symbol, DEFLATE_LITERALS - 1);
	assert_int_equal(deflate_length(DEFLATE_LONGEST).extra_bits, 0);
	next = 1;
	for (symbol = 0; symbol < DEFLATE_DISTANCES; symbol++) {
		unsigned n = symbol < 4 ? 0 : symbol / 2 - 1;

		for (unsigned extra = 0; extra < 1U << n; extra++) {
			struct deflate_part part = deflate_distance(next++);

			assert_int_equal(part.symbol, symbol);
			assert_int_equal(part.extra_bits, n);
			assert_int_equal(part.extra, extra);
		}
	}
	assert_int_equal(next, DEFLATE_WINDOW + 1);
}

/* Rows of any bytes, and of the largest ones in the largest picture. */
static void test_checksum_of_repeated_rows(void **state)
{
	uint8_t row[PNG_ROW_BYTES];
	uint64_t seed = 3;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct png_adler adler = {.a = 1};
		uLong expected = 1;
		unsigned len = round == 0 ? sizeof(row) : 1 + (unsigned)random_below(&seed, 512);

		for (unsigned part = 0; part < 3; part++) {
			unsigned n =
				round == 0 ? QR_MAX_PIXELS / 3 : (unsigned)random_below(&seed, 99);
			struct png_row_sums sums = {0};

			for (unsigned i = 0; i < len; i++) {
				row[i] = round == 0 ? 0xff : (uint8_t)random_next(&seed);
				png_sums_byte(&sums, row[i], 1);
			}
			png_adler_rows(&adler, &sums, len, n);
			for (unsigned i = 0; i < n; i++)
				expected = adler32(expected, row, len);
		}
		assert_int_equal(png_adler_value(&adler), expected);
	}
}

/* More steps than there is room for are noticed, and long copies and runs are cut into pieces that add up. */
static void test_steps(void **state)
{
	static struct png_steps steps;

	(void)state;
	png_steps_init(&steps);
	for (unsigned i = 0; i < PNG_MAX_STEPS; i++)
		png_add_literal(&steps, (uint8_t)i);
	assert_false(steps.full);
	assert_int_equal(steps.counts.literal[7], PNG_MAX_STEPS / 256);
	png_add_literal(&steps, 0);
	assert_true(steps.full);
	assert_int_equal(steps.n, PNG_MAX_STEPS);

	png_steps_init(&steps);
	png_add_steps(&steps, &(struct png_step){.n = 1000, .literal = 9}, 1);
	assert_int_equal(steps.counts.literal[9], 1000);
	png_steps_init(&steps);
	png_add_copy(&steps, 254 * DEFLATE_LONGEST + 1, 513);
	assert_int_equal(steps.n, 2);
	/* 253 of the longest, and 259 bytes as 256 and 3. */
	assert_int_equal(steps.counts.literal[deflate_length(DEFLATE_LONGEST).symbol], 253);
	assert_int_equal(steps.counts.literal[deflate_length(256).symbol], 1);
	assert_int_equal(steps.counts.literal[deflate_length(3).symbol], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_are_optimal),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_lengths_and_distances),
		cmocka_unit_test(test_checksum_of_repeated_rows),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
