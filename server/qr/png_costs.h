/* What symbols cost, guessed while the code is not yet known. Unit: a sixteenth of a bit. */
#ifndef QUERN_SERVER_QR_PNG_COSTS_H
#define QUERN_SERVER_QR_PNG_COSTS_H

#include "server/qr/png_stream.h"

#define PNG_COST_BIT 16

struct png_costs {
	uint16_t literal[256];
	uint16_t length[DEFLATE_LONGEST + 1]; /* of a match, with the bits that follow the symbol */
	uint16_t distance[DEFLATE_DISTANCES]; /* by symbol, likewise */
};

/*
 * As if a code were made from what was seen, each time counting PNG_SEEN_WEIGHT, and from what is
 * expected (at least 1 for every symbol).
 */
#define PNG_SEEN_WEIGHT 16
void png_costs_guess(
	struct png_costs *ret, const struct png_counts *seen, const struct png_counts *expected);

static inline unsigned png_cost_distance(const struct png_costs *c, unsigned distance)
{
	return c->distance[deflate_distance(distance).symbol];
}

#endif
