/*
 * A bit for each module of a symbol. A plane is kept a stack of words at a time, so that what looks at one line after
 * the other (penalties) runs through memory in order. Lines are rows or, in a transposed plane, columns.
 */
#ifndef QUERN_SERVER_QR_PLANE_H
#define QUERN_SERVER_QR_PLANE_H

#include "server/qr/symbol.h"

#include <stdint.h>

struct qr_plane {
	/* Module 64 i + b of line y is bit b of word[i][y]. Bits beyond the width are 0. */
	uint64_t word[QR_ROW_WORDS][QR_MAX_WIDTH];
};

static inline unsigned qr_width(unsigned version)
{
	return 17 + 4 * version;
}

/* Words of a line that is `width` modules long. */
static inline unsigned qr_words(unsigned width)
{
	return (width + 63) / 64;
}

/* The bits of word i that lie within a line of `width` modules; i is below qr_words(width). */
static inline uint64_t qr_word_mask(unsigned width, unsigned i)
{
	return width - 64 * i >= 64 ? UINT64_MAX : (UINT64_C(1) << (width - 64 * i)) - 1;
}

/* Rows become columns. Only the words and lines of the width are written. */
void qr_plane_transpose(struct qr_plane *ret, const struct qr_plane *plane, unsigned width);

#endif
