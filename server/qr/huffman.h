/* Huffman codes of limited length, canonical as in RFC 1951, section 3.2.2. */
#ifndef QUERN_SERVER_QR_HUFFMAN_H
#define QUERN_SERVER_QR_HUFFMAN_H

#include <stdint.h>

#define HUFFMAN_SYMBOLS 288

struct huffman {
	/* The symbols in use, ascending, and how often each occurs (at least once). */
	unsigned n;
	uint16_t symbol[HUFFMAN_SYMBOLS];
	uint32_t count[HUFFMAN_SYMBOLS];
	/* By symbol, for those in use: length and bits, the first bit to be sent in bit 0. */
	uint8_t len[HUFFMAN_SYMBOLS];
	uint16_t bits[HUFFMAN_SYMBOLS];
};

/* Adds a symbol, larger than those before, if it occurs. */
static inline void huffman_add(struct huffman *h, unsigned symbol, uint32_t count)
{
	h->symbol[h->n] = (uint16_t)symbol;
	h->count[h->n] = count;
	h->n += count > 0;
}

/*
 * Sets len and bits from the counts: the shortest code whose lengths are at most max_len (2^max_len
 * is at least n), or very nearly so where the limit tells. A single symbol gets one bit.
 */
void huffman_build(struct huffman *h, unsigned max_len);

/* Sets bits from len. */
void huffman_assign(struct huffman *h);

#endif
