/* Between mask.c, mask_count*.c and mask_scaled.c; nobody else's. */
#ifndef QUERN_SERVER_QR_MASK_INTERNAL_H
#define QUERN_SERVER_QR_MASK_INTERNAL_H

#include "server/qr/mask.h"

/* A mask's modules repeat after so many rows, and after so many columns. */
#define MASK_ROWS 12
#define MASK_COLUMNS 6

#define N2_POINTS 3u
#define N3_POINTS 40u
#define N4_POINTS 10u

/* The masks as lines of words (table 10), made at build time by tools/qr_masks.c: row y of mask k is line y % 12. */
extern const uint64_t mask_rows[MASK_ROWS][QR_ROW_WORDS][QR_MASKS];
extern const uint64_t mask_columns[MASK_COLUMNS][QR_ROW_WORDS][QR_MASKS];

/* The same for lines of up to 32 modules: mask k in the lower half of a word, mask k + 4 in the upper half. */
extern const uint64_t mask_rows_narrow[MASK_ROWS][QR_MASKS / 2];
extern const uint64_t mask_columns_narrow[MASK_COLUMNS][QR_MASKS / 2];

/* Row 8 and column 8 with the format information of all masks (see struct qr_format). */
struct mask_formats {
	uint64_t row[QR_ROW_WORDS][QR_MASKS], column[QR_ROW_WORDS][QR_MASKS];
};

/*
 * One way to look at a symbol, row by row or column by column, for all masks at once. In a narrow view (width at most 32)
 * a word holds two masks: `copies` is 2^32 + 1, what a word is multiplied with to be there twice; otherwise it is 1.
 */
struct mask_view {
	unsigned width;
	uint64_t copies;
	const struct qr_plane *lines, *reserved;
	const uint64_t *pattern;
	unsigned period, stride; /* lines of `pattern`, and words of a line */
	/* Format information: line 8 itself, and bit y of `across` is module 8 of line y. */
	const uint64_t (*along)[QR_MASKS], (*across)[QR_MASKS];
};

/* Row by row, and column by column, narrow if that is possible and wanted; s and formats (filled here) are borrowed. */
void mask_views(struct mask_view *rows, struct mask_view *columns, struct mask_formats *formats,
	const struct qr_unmasked *s, bool narrow);

/* What is counted for each mask. */
struct mask_counts {
	uint64_t n1[QR_MASKS];	    /* points */
	uint64_t blocks[QR_MASKS];  /* of N2 */
	uint64_t finders[QR_MASKS]; /* of N3 with f = 1 */
	uint64_t dark[QR_MASKS];
};

/*
 * Adds what one view shows: runs across the lines (in a view of rows: runs in columns), finders across the lines, and,
 * with_blocks, blocks and dark modules, which are the same in both views.
 */
void mask_count(struct mask_counts *counts, const struct mask_view *view, bool with_blocks);

/* The same with AVX2: defined where QUERN_AVX2 is, for processors that have it. */
void mask_count_avx2(struct mask_counts *counts, const struct mask_view *view, bool with_blocks);

/* How many finders with f >= 2 there are across `width` lines, which are a word long. */
unsigned mask_count_scaled(const uint64_t *lines, unsigned width);

/* A side of the symbol as it is with one mask: its rows or, transposed, its columns. */
void mask_draw_rows(struct qr_plane *ret, const struct qr_unmasked *s, unsigned mask);
void mask_draw_columns(struct qr_plane *ret, const struct qr_unmasked *s, unsigned mask);

#endif
