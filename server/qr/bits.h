/*
 * Bits into bytes, least significant bit first, as DEFLATE has them (RFC 1951, section 3.1.1). The
 * caller has made room: bits_flush() writes eight bytes, of which up to seven count later or not at
 * all.
 */
#ifndef QUERN_SERVER_QR_BITS_H
#define QUERN_SERVER_QR_BITS_H

#include <stdint.h>
#include <string.h>

#define BITS_SLACK 8 /* bytes that may be written beyond the end of the data */

struct bits {
	uint8_t *to;
	uint64_t held; /* bits not yet written; those beyond n are 0 */
	unsigned n;    /* at most 7 after a flush */
};

/* Adds n bits; value has no others. No more than 63 may be held between two flushes. */
static inline void bits_put(struct bits *b, uint64_t value, unsigned n)
{
	b->held |= value << b->n;
	b->n += n;
}

static inline void bits_flush(struct bits *b)
{
	uint64_t bytes = b->held;
	unsigned whole = b->n / 8;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	bytes = __builtin_bswap64(bytes);
#endif
	memcpy(b->to, &bytes, 8);
	b->to += whole;
	b->held >>= whole * 8;
	b->n %= 8;
}

/* Fills the last byte with zeros. */
static inline uint8_t *bits_end(struct bits *b)
{
	bits_flush(b);
	return b->to + (b->n > 0);
}

#endif
