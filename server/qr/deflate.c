#include "server/qr/deflate.h"

#include <stdbool.h>

/* The alphabet of code lengths beyond the lengths 0 to 15, and the order in which its own lengths
 * are sent. */
#define REPEAT 16     /* the last length, 3 to 6 times; 2 bits */
#define ZEROS 17      /* 3 to 10 times 0; 3 bits */
#define MANY_ZEROS 18 /* 11 to 138 times 0; 7 bits */
#define LENGTH_CODES 19

static const uint8_t order[LENGTH_CODES] = {
	16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
static const uint8_t extra_bits[LENGTH_CODES] = {[REPEAT] = 2, [ZEROS] = 3, [MANY_ZEROS] = 7};

static void add_op(struct deflate_head *h, unsigned symbol, unsigned extra)
{
	h->op[h->n].symbol = (uint8_t)symbol;
	h->op[h->n++].extra = (uint8_t)extra;
}

static void add_zeros(struct deflate_head *h, unsigned n)
{
	while (n >= 11) {
		unsigned part = n < 138 ? n : 138;

		add_op(h, MANY_ZEROS, part - 11);
		n -= part;
	}
	if (n >= 3) {
		add_op(h, ZEROS, n - 3);
		return;
	}
	for (; n > 0; n--)
		add_op(h, 0, 0);
}

/* A length, n times in a row. */
static void add_lengths(struct deflate_head *h, unsigned len, unsigned n)
{
	add_op(h, len, 0);
	for (n--; n >= 3;) {
		unsigned part = n < 6 ? n : 6;

		add_op(h, REPEAT, part - 3);
		n -= part;
	}
	for (; n > 0; n--)
		add_op(h, len, 0);
}

/* Returns how many lengths that makes: those behind the last symbol in use are not sent. */
static unsigned add_code(struct deflate_head *h, const struct huffman *code)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < code->n;) {
		unsigned first = code->symbol[i], len = code->len[first], n = 1;

		while (i + n < code->n && code->symbol[i + n] == first + n &&
			code->len[first + n] == len)
			n++;
		add_zeros(h, first - sent);
		add_lengths(h, len, n);
		sent = first + n;
		i += n;
	}
	return sent;
}

static void plan_head(struct deflate_head *h)
{
	uint32_t count[LENGTH_CODES] = {0};

	for (unsigned i = 0; i < h->n; i++)
		count[h->op[i].symbol]++;
	h->code.n = 0;
	for (unsigned i = 0; i < LENGTH_CODES; i++)
		huffman_add(&h->code, i, count[i]);
	huffman_build(&h->code, 7);
	for (h->n_lengths = LENGTH_CODES; count[order[h->n_lengths - 1]] == 0;)
		h->n_lengths--;
}

static size_t count_bits(const struct huffman *code)
{
	size_t bits = 0;

	for (unsigned i = 0; i < code->n; i++)
		bits += (size_t)code->count[i] * code->len[code->symbol[i]];
	return bits;
}

void deflate_plan(struct deflate_block *b, unsigned max_len)
{
	struct deflate_head *h = &b->head;

	huffman_build(&b->literals, max_len);
	if (b->distances.n == 0) {
		/* Decoders want one. */
		huffman_add(&b->distances, 0, 1);
	}
	huffman_build(&b->distances, 15);
	h->n = 0;
	h->n_literals = add_code(h, &b->literals);
	h->n_distances = add_code(h, &b->distances);
	plan_head(h);
	b->bits = 3 + 5 + 5 + 4 + 3 * (size_t)h->n_lengths + count_bits(&h->code);
	for (unsigned i = 0; i < h->n; i++)
		b->bits += extra_bits[h->op[i].symbol];
	b->bits += count_bits(&b->literals) + count_bits(&b->distances);
}

void deflate_take(struct deflate_block *b)
{
	/* Many zeros occur most often. A complete code without the lengths 13, 14 and 15, and its canonical bits. */
	static const uint8_t len[LENGTH_CODES] = {3, 4, 3, 4, 4, 4, 6, 5, 5, 6, 7, 7, 7, 0, 0,
		0, [REPEAT] = 7, [ZEROS] = 3, [MANY_ZEROS] = 2};
	static const uint8_t bits[LENGTH_CODES] = {2, 5, 6, 13, 3, 11, 15, 7, 23, 47, 31, 95, 63, 0,
		0, 0, [REPEAT] = 127, [ZEROS] = 1, [MANY_ZEROS] = 0};
	struct deflate_head *h = &b->head;

	huffman_assign(&b->literals);
	huffman_assign(&b->distances);
	h->n = 0;
	h->n_literals = add_code(h, &b->literals);
	h->n_distances = add_code(h, &b->distances);
	h->code.n = 0;
	for (unsigned i = 0; i < LENGTH_CODES; i++) {
		h->code.len[i] = len[i];
		h->code.bits[i] = bits[i];
		huffman_add(&h->code, i, len[i]);
	}
	h->n_lengths = LENGTH_CODES - 1; /* all but 15 */
}

void deflate_put_head(const struct deflate_block *b, struct bits *to)
{
	const struct deflate_head *h = &b->head;
	bool used[LENGTH_CODES] = {false};

	bits_put(to, 1 | 2 << 1, 3);
	bits_put(to, h->n_literals - 257, 5);
	bits_put(to, h->n_distances - 1, 5);
	bits_put(to, h->n_lengths - 4, 4);
	bits_flush(to);
	for (unsigned i = 0; i < h->code.n; i++)
		used[h->code.symbol[i]] = true;
	for (unsigned i = 0; i < h->n_lengths; i++) {
		bits_put(to, used[order[i]] ? h->code.len[order[i]] : 0, 3);
		if (i == 15)
			bits_flush(to);
	}
	bits_flush(to);
	for (unsigned i = 0; i < h->n; i++) {
		unsigned symbol = h->op[i].symbol;

		bits_put(to, h->code.bits[symbol], h->code.len[symbol]);
		bits_put(to, h->op[i].extra, extra_bits[symbol]);
		bits_flush(to);
	}
}
