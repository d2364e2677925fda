#include "server/qr/png_costs.h"

/* 16 * log2(x), for x > 0, rounded. */
static unsigned log2_16(uint32_t x)
{
	static const uint8_t part[16] = {0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15};
	unsigned n = 31 - (unsigned)__builtin_clz(x);

	return n * 16 + part[(n >= 4 ? x >> (n - 4) : x << (4 - n)) & 15];
}

/* Costs of n symbols by how often each occurs. */
static void guess(uint16_t *ret, const uint32_t *seen, const uint32_t *expected, unsigned n)
{
	uint32_t all = 0;
	unsigned most;

	for (unsigned i = 0; i < n; i++)
		all += seen[i] * PNG_SEEN_WEIGHT + expected[i];
	most = log2_16(all);
	for (unsigned i = 0; i < n; i++) {
		unsigned cost = most - log2_16(seen[i] * PNG_SEEN_WEIGHT + expected[i]);

		/* No code is shorter than a bit. */
		ret[i] = (uint16_t)(cost > PNG_COST_BIT ? cost : PNG_COST_BIT);
	}
}

/* Costs of all lengths from those of their symbols, beginning with that of DEFLATE_FIRST_LENGTH. */
static void set_lengths(struct png_costs *c, const uint16_t *symbol_cost)
{
	for (unsigned len = 3; len <= DEFLATE_LONGEST;) {
		struct deflate_part part = deflate_length(len);
		unsigned end = len + (1U << part.extra_bits), cost = PNG_COST_BIT * part.extra_bits;

		cost += symbol_cost[part.symbol - DEFLATE_FIRST_LENGTH];

		for (; len < end && len <= DEFLATE_LONGEST; len++)
			c->length[len] = (uint16_t)cost;
	}
	c->length[DEFLATE_LONGEST] = symbol_cost[DEFLATE_LITERALS - 1 - DEFLATE_FIRST_LENGTH];
}

void png_costs_guess(
	struct png_costs *ret, const struct png_counts *seen, const struct png_counts *expected)
{
	uint16_t cost[DEFLATE_LITERALS];

	guess(cost, seen->literal, expected->literal, DEFLATE_LITERALS);
	for (unsigned i = 0; i < 256; i++)
		ret->literal[i] = cost[i];
	set_lengths(ret, cost + DEFLATE_FIRST_LENGTH);
	guess(ret->distance, seen->distance, expected->distance, DEFLATE_DISTANCES);
	/* The bits that follow, section 3.2.5. */
	for (unsigned i = 4; i < DEFLATE_DISTANCES; i++)
		ret->distance[i] = (uint16_t)(ret->distance[i] + PNG_COST_BIT * (i / 2 - 1));
}
