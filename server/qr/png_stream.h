/*
 * What a PNG's image data is made of when the picture is a symbol: rows of pixels, 1 bit each, with
 * the filter byte 0 (filter None) before them. All is light but the symbol's rows, and those repeat
 * `scale` times. The ways of packing it are png_pairs.c, png_matches.c and png_bytes.c.
 */
#ifndef QUERN_SERVER_QR_PNG_STREAM_H
#define QUERN_SERVER_QR_PNG_STREAM_H

#include "server/qr/deflate.h"
#include "server/qr/picture.h"

#include <stdbool.h>

#define PNG_ROW_BYTES (1 + QR_MAX_PIXELS / 8)
#define PNG_EDGE_STEPS 4

/* The two bytes before the block, the first in the lower bits: DEFLATE, 32 KiB, no dictionary. */
#define PNG_ZLIB_HEAD 0x0178
/* What a stream needs beyond its block's bits: head, checksum, and room for the writer's last bytes. */
#define PNG_STREAM_EXTRA (2 + 4 + 1 + BITS_SLACK)

struct png_shape {
	const struct qr_symbol *symbol;
	unsigned scale, offset, rows;
	unsigned row_bytes; /* filter byte included */
	unsigned first,
		end; /* bytes of a row, from first on and before end, that the symbol lies in */
	unsigned above, below; /* light rows */
	uint8_t light;	       /* eight light pixels: 0 or 255 */
};

void png_shape_init(struct png_shape *ret, const struct qr_symbol *s, const struct qr_picture *p,
	uint8_t light);

/* A piece of the data: n bytes again from a distance, or, with distance 0, a literal n times. */
struct png_step {
	uint32_t n;
	uint16_t distance;
	uint8_t literal;
};

/*
 * The steps, at most PNG_EDGE_STEPS, of all that precedes byte `first` of the first row of modules;
 * and of all that follows that byte of the first light row below the symbol (none if there is no
 * such row). They return how many.
 */
unsigned png_steps_above(struct png_step *ret, const struct png_shape *shape);
unsigned png_steps_below(struct png_step *ret, const struct png_shape *shape);

/*
 * A copy of n bytes is as many of the longest as go, and the rest; a rest too short to be one takes
 * from the last of the longest: such a copy is part[0] long and the last one 3.
 */
struct png_split {
	unsigned longest, part[2];
};

struct png_split png_split_copy(unsigned n);

/* How often symbols occur. */
struct png_counts {
	uint32_t literal[DEFLATE_LITERALS];
	uint32_t distance[DEFLATE_DISTANCES];
	size_t extra_bits;
};

/* `times` copies of n bytes. */
void png_count_copy(struct png_counts *c, unsigned n, unsigned distance, unsigned times);
void png_count_step(struct png_counts *c, const struct png_step *step);

/* For bits_flush() to have been called, and it is again. */
void png_put_copy(const struct deflate_block *b, struct bits *to, unsigned n, unsigned distance);
void png_put_step(const struct deflate_block *b, struct bits *to, const struct png_step *step);

/*
 * Adler-32 (RFC 1950, section 8.2) of rows that repeat, in closed form. Sums do not wrap below
 * 2^32 bytes.
 */
struct png_adler {
	uint64_t a, b;
};

/* What one row adds: the sum of its bytes, and of its bytes times their distance to its end. */
struct png_row_sums {
	uint64_t sum, weighted;
};

static inline void png_sums_byte(struct png_row_sums *s, unsigned byte, unsigned n)
{
	s->weighted += n * s->sum + (uint64_t)byte * (n * (n + 1) / 2);
	s->sum += (uint64_t)byte * n;
}

static inline void png_adler_rows(
	struct png_adler *adler, const struct png_row_sums *row, uint64_t row_bytes, uint64_t n)
{
	adler->b += n * (row_bytes * adler->a + row->weighted) +
		    row_bytes * row->sum * (n * (n - 1) / 2);
	adler->a += n * row->sum;
}

void png_adler_light(struct png_adler *adler, const struct png_shape *shape, unsigned rows);
uint32_t png_adler_value(const struct png_adler *adler);

/* The checksum at the stream's end; returns the end. */
uint8_t *png_put_adler(uint8_t *to, uint32_t adler);

/* Steps one after another, and how often their symbols occur. */
#define PNG_MAX_STEPS (24 << 10)
struct png_steps {
	unsigned n;
	bool full; /* there were more than PNG_MAX_STEPS */
	struct png_counts counts;
	uint32_t packed[PNG_MAX_STEPS];
};

void png_steps_init(struct png_steps *steps);
/* n may be 0: then nothing is added. */
void png_add_copy(struct png_steps *steps, unsigned n, unsigned distance);
void png_add_literal(struct png_steps *steps, uint8_t literal);
void png_add_steps(struct png_steps *steps, const struct png_step *step, unsigned n);

/* Makes the codes of the steps and of the end. */
void png_plan_steps(struct deflate_block *ret, const struct png_steps *steps);

/* Appends the stream of the steps, in the block's codes, to out. 0 or -ENOMEM. */
int png_put_steps(const struct deflate_block *b, const struct png_steps *steps, uint32_t adler,
	struct buffer *out) __attribute__((warn_unused_result));

/* The pixels of a row of modules, from the filter byte on: row_bytes. */
void png_draw(const struct png_shape *shape, unsigned y, uint8_t *row);
void png_draw_light(const struct png_shape *shape, uint8_t *row);

/*
 * The whole zlib stream (RFC 1950), appended to out: png_pairs() for a scale of 4 with an offset
 * that is a multiple of it, png_bytes() for a scale of 1, png_matches() for all others. 0, -ENOMEM,
 * and by png_matches() -E2BIG where the picture takes more steps than there is room for. On failure
 * out is as before, but for failed after -ENOMEM.
 */
int png_pairs(const struct png_shape *shape, struct buffer *out)
	__attribute__((warn_unused_result));
int png_bytes(const struct png_shape *shape, struct buffer *out)
	__attribute__((warn_unused_result));
int png_matches(const struct png_shape *shape, struct buffer *out)
	__attribute__((warn_unused_result));

#endif
