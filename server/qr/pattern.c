#include "server/qr/pattern.h"

#include "server/qr/tables.h"

#include <string.h>

#define FINDER_WIDTH 7
#define CORNER_WIDTH 9 /* finder, separator, format information */
#define FAR_WIDTH 8    /* the same at the far ends of lines */
#define TIMING_LINE 6
#define ALIGNMENT_REACH 2 /* from an alignment pattern's centre to its edge */
#define VERSION_AT 11	  /* version information begins so far from the far ends of lines */

/* Sets the low bits of `bits`, the lowest one at module x. */
static void put(struct qr_plane *plane, unsigned y, unsigned x, uint64_t bits)
{
	plane->word[x / 64][y] |= bits << x % 64;
	if (bits >> 1 >> (63 - x % 64))
		plane->word[x / 64 + 1][y] |= bits >> 1 >> (63 - x % 64);
}

/* Clause 6.3.3 and 6.3.4, and room for format information. */
static void draw_corners(struct qr_plane *reserved, struct qr_plane *dark, unsigned width)
{
	static const uint8_t finder[FINDER_WIDTH] = {0x7f, 0x41, 0x5d, 0x5d, 0x5d, 0x41, 0x7f};

	for (unsigned y = 0; y < CORNER_WIDTH; y++) {
		put(reserved, y, 0, (1u << CORNER_WIDTH) - 1);
		put(reserved, y, width - FAR_WIDTH, (1u << FAR_WIDTH) - 1);
	}
	for (unsigned y = width - FAR_WIDTH; y < width; y++)
		put(reserved, y, 0, (1u << CORNER_WIDTH) - 1);
	for (unsigned y = 0; y < FINDER_WIDTH; y++) {
		put(dark, y, 0, finder[y]);
		put(dark, y, width - FINDER_WIDTH, finder[y]);
		put(dark, width - FINDER_WIDTH + y, 0, finder[y]);
	}
}

/* Clause 6.3.5. */
static void draw_timing(struct qr_plane *reserved, struct qr_plane *dark, unsigned width)
{
	for (unsigned i = 0; i < qr_words(width); i++)
		reserved->word[i][TIMING_LINE] = qr_word_mask(width, i);
	for (unsigned y = FAR_WIDTH; y < width - FAR_WIDTH; y++)
		reserved->word[0][y] |= 1u << TIMING_LINE;
	for (unsigned y = FAR_WIDTH; y < width - FAR_WIDTH; y += 2) {
		dark->word[0][y] |= 1u << TIMING_LINE;
		dark->word[y / 64][TIMING_LINE] |= UINT64_C(1) << y % 64;
	}
}

/* Clause 6.3.6: the alignment patterns whose centre is in row centre[row]. */
static void draw_alignment_row(
	struct qr_plane *reserved, struct qr_plane *dark, const struct qr_version *v, unsigned row)
{
	static const uint8_t pattern[2 * ALIGNMENT_REACH + 1] = {0x1f, 0x11, 0x15, 0x11, 0x1f};
	unsigned last = v->n_centres - 1u, from = row == 0 || row == last ? 1 : 0;
	unsigned to = row == 0 ? last : last + 1; /* where finder patterns are there are none */
	unsigned top = v->centre[row] - ALIGNMENT_REACH;

	for (unsigned i = from; i < to; i++) {
		unsigned x = v->centre[i] - ALIGNMENT_REACH;

		for (unsigned y = 0; y < sizeof(pattern); y++) {
			put(reserved, top + y, x, 0x1f);
			put(dark, top + y, x, pattern[y]);
		}
	}
}

/* Clause 7.10: the least significant bit first, three to a line and six lines, or the other way round. */
static void draw_version(
	struct qr_plane *reserved, struct qr_plane *dark, unsigned width, uint32_t information)
{
	unsigned far = width - VERSION_AT;

	for (unsigned i = 0; i < 6; i++) {
		put(reserved, i, far, 7);
		put(dark, i, far, information >> (3 * i) & 7);
	}
	for (unsigned i = 0; i < 3; i++) {
		put(reserved, far + i, 0, 0x3f);
		for (unsigned bit = 0; bit < 6; bit++)
			put(dark, far + i, bit, information >> (3 * bit + i) & 1);
	}
}

void qr_pattern_draw(struct qr_plane *reserved, struct qr_plane *dark, unsigned version)
{
	const struct qr_version *v = &qr_versions[version];
	unsigned width = qr_width(version);

	for (unsigned i = 0; i < qr_words(width); i++) {
		memset(reserved->word[i], 0, width * sizeof(reserved->word[i][0]));
		memset(dark->word[i], 0, width * sizeof(dark->word[i][0]));
	}
	draw_corners(reserved, dark, width);
	draw_timing(reserved, dark, width);
	for (unsigned row = 0; row < v->n_centres; row++)
		draw_alignment_row(reserved, dark, v, row);
	if (v->information)
		draw_version(reserved, dark, width, v->information);
}
