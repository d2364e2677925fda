/*
 * The cheapest way to put together a row of pixels from literals and from what stood before.
 *
 * Pixels are not compared. Two places at the same distance from a module's edge are the same as
 * long as the modules from there on are, and those are compared 64 at a time. Copies begin and end
 * at nodes: the bytes in which a module begins or ends. Of all ways from node to node that were
 * tried, the cheapest is kept, by costs guessed from what the rows before took.
 */
#ifndef QUERN_SERVER_QR_PNG_SEARCH_H
#define QUERN_SERVER_QR_PNG_SEARCH_H

#include "server/qr/png_costs.h"

#define PNG_PAD 16 /* light modules before each row: its first bytes may begin in them */
#define PNG_ROW_WORDS (QR_ROW_WORDS + 1)
#define PNG_MAX_NODES (2 * QR_MAX_WIDTH + 6)
#define PNG_MAX_MODULES (PNG_PAD + QR_MAX_WIDTH + 64 + 1)
#define PNG_KEYS 4096
#define PNG_KEY_KINDS 2
#define PNG_PLACES 32768U

struct png_node {
	uint16_t byte;	 /* of the row, whose filter byte is 0 */
	uint16_t module; /* whose pixel is the byte's first; the padding counts */
	uint16_t phase;	 /* of the byte's pixels, how many of that module stand before it */
	uint64_t stop;	 /* bit n: n modules from here on end in the row */
};

/* How a node is reached most cheaply. */
struct png_arrival {
	uint32_t cost;
	uint16_t from;	   /* node */
	uint16_t distance; /* of a copy; 0: literals */
	bool prefixed;	   /* a literal, and then the copy */
};

struct png_search {
	const struct png_shape *shape;
	struct png_costs costs; /* to be set before each row, or left as they are */
	unsigned n_nodes;
	unsigned first; /* the node at shape->first: one or two in the margin may precede it */
	struct png_node node[PNG_MAX_NODES];
	struct png_arrival arrival[PNG_MAX_NODES];
	/* The last node in reach of a copy that ends with the modules before this one. */
	uint16_t end_of[PNG_MAX_MODULES];
	uint64_t row[QR_MAX_WIDTH][PNG_ROW_WORDS + 1];
	uint64_t longest; /* bit n: n modules are as long as a copy may be */
	unsigned rows_back, place_bits, tries;
	/* Places (a row and a node) by the modules that follow: the last, and the one before each. */
	unsigned n_keys;
	uint64_t key_mask[PNG_KEY_KINDS];
	uint16_t last[PNG_KEY_KINDS][PNG_KEYS], earlier[PNG_KEY_KINDS][PNG_PLACES];
	/* The most promising node reached so far. */
	unsigned best_node;
	int best, worth;
};

void png_search_init(struct png_search *search, const struct png_shape *shape);

/* Makes all nodes unreached, for a new row. */
void png_search_start(struct png_search *search);

/* Where a row may start, and what has been paid by then. */
void png_search_enter(struct png_search *search, unsigned node, uint32_t cost);

/*
 * Sets arrival for row y, of which pixels are given, from the nodes entered; for those, `from` is
 * the node itself. Rows are searched in ascending order; they may be left out. The last node is at
 * shape->end, and always reached.
 */
void png_search_row(struct png_search *search, unsigned y, const uint8_t *pixels);

#endif
