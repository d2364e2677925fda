/*
 * One DEFLATE block (RFC 1951), last of its stream, in two steps: what occurs is counted, then codes
 * are made and their description written. The bits themselves are the caller's to write.
 */
#ifndef QUERN_SERVER_QR_DEFLATE_H
#define QUERN_SERVER_QR_DEFLATE_H

#include "server/qr/bits.h"
#include "server/qr/huffman.h"

#include <stddef.h>
#include <stdint.h>

#define DEFLATE_END 256
#define DEFLATE_FIRST_LENGTH 257
#define DEFLATE_LITERALS 286
#define DEFLATE_DISTANCES 30
#define DEFLATE_LONGEST 258
#define DEFLATE_WINDOW 32768

/* A length or a distance: its symbol, and the bits that follow it. */
struct deflate_part {
	uint16_t symbol;
	uint8_t extra_bits;
	uint16_t extra;
};

/* len is 3 to 258 (section 3.2.5). */
static inline struct deflate_part deflate_length(unsigned len)
{
	unsigned l = len - 3, n;

	if (l < 8 || len == DEFLATE_LONGEST)
		return (struct deflate_part){
			.symbol = (uint16_t)(DEFLATE_FIRST_LENGTH + (l < 8 ? l : 28))};
	n = 29 - (unsigned)__builtin_clz(l);
	return (struct deflate_part){(uint16_t)(DEFLATE_FIRST_LENGTH + 4 * n + (l >> n)),
		(uint8_t)n, (uint16_t)(l & ((1U << n) - 1))};
}

/* distance is 1 to 32768. */
static inline struct deflate_part deflate_distance(unsigned distance)
{
	unsigned d = distance - 1, n;

	if (d < 2)
		return (struct deflate_part){.symbol = (uint16_t)d};
	n = 30 - (unsigned)__builtin_clz(d);
	return (struct deflate_part){
		(uint16_t)(2 * n + (d >> n)), (uint8_t)n, (uint16_t)(d & ((1U << n) - 1))};
}

/* Lengths of codes as the block's head gives them (section 3.2.7). */
struct deflate_head {
	struct huffman code;
	unsigned n, n_literals, n_distances, n_lengths;
	struct {
		uint8_t symbol, extra;
	} op[DEFLATE_LITERALS + DEFLATE_DISTANCES];
};

struct deflate_block {
	struct huffman literals; /* and lengths of matches, and the end: counts by the caller */
	struct huffman
		distances; /* counts by the caller; the head sets an unused one if none is used */
	struct deflate_head head;
	size_t bits; /* of head, symbols and end, without the bits that follow symbols */
};

/*
 * Makes both codes from their counts (n, symbol, count), of which literals has DEFLATE_END and at
 * least one other; no literal or length gets more than max_len bits.
 */
void deflate_plan(struct deflate_block *b, unsigned max_len);

/*
 * The same for codes whose lengths are given (n, symbol, len; none longer than 12), with a head that
 * is not the shortest, but soon made. `bits` is not set.
 */
void deflate_take(struct deflate_block *b);

#define DEFLATE_HEAD_BYTES 350

/* The head: at most DEFLATE_HEAD_BYTES. */
void deflate_put_head(const struct deflate_block *b, struct bits *to);

static inline void deflate_put_symbol(
	const struct deflate_block *b, struct bits *to, unsigned symbol)
{
	bits_put(to, b->literals.bits[symbol], b->literals.len[symbol]);
}

/* A match: at most 48 bits. */
static inline void deflate_put_match(
	const struct deflate_block *b, struct bits *to, unsigned len, unsigned distance)
{
	struct deflate_part l = deflate_length(len), d = deflate_distance(distance);

	bits_put(to, b->literals.bits[l.symbol], b->literals.len[l.symbol]);
	bits_put(to, l.extra, l.extra_bits);
	bits_put(to, b->distances.bits[d.symbol], b->distances.len[d.symbol]);
	bits_put(to, d.extra, d.extra_bits);
}

#endif
