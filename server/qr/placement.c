/*
 * Modules are filled two columns at a time, from right to left, upward and downward by turns; in each row the right one
 * comes first. In terms of columns: as long as both modules of each row are free, every other bit of the message goes to
 * the right column, the others to the left one, and a column's bits are neighbours. So the message is parted into its even
 * and its odd bits beforehand, and a whole stretch of rows is cut out of these at once.
 *
 * A pair that is filled downward is one that is filled upward with the bits in the opposite order, left before right. So
 * these are taken from a message that is written backwards, and there is one direction only.
 */
#include "server/qr/placement.h"

#include <string.h>

#define TIMING_COLUMN 6
#define STRETCH_ROWS 57 /* what one load of 64 bits gives from any bit on */

/* A message: all of it, its bits 0, 2, 4 ... and its bits 1, 3, 5 ...; most significant first. */
struct bits {
	uint8_t all[QR_MESSAGE_BYTES + 8];
	uint8_t parted[2][QR_MESSAGE_BYTES / 2 + 8];
};

static uint64_t load_be64(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

static uint64_t reverse64(uint64_t v)
{
	v = (v & 0x5555555555555555U) << 1 | (v >> 1 & 0x5555555555555555U);
	v = (v & 0x3333333333333333U) << 2 | (v >> 2 & 0x3333333333333333U);
	v = (v & 0x0f0f0f0f0f0f0f0fU) << 4 | (v >> 4 & 0x0f0f0f0f0f0f0f0fU);
	return __builtin_bswap64(v);
}

static void store_be64(uint8_t *data, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(data, &value, sizeof(value));
}

/* n bits from bit `at` on, n from 1 to STRETCH_ROWS. */
static uint64_t cut(const uint8_t *data, size_t at, unsigned n)
{
	return load_be64(data + at / 8) << at % 8 >> (64 - n);
}

static uint64_t swap_within(uint64_t v, unsigned distance, uint64_t mask)
{
	uint64_t t = (v ^ v >> distance) & mask;

	return v ^ t ^ t << distance;
}

/* The bits 63, 61, 59 ... go to the upper half, the others to the lower half, in order. */
static uint64_t part_even_odd(uint64_t v)
{
	v = swap_within(v, 1, 0x2222222222222222U);
	v = swap_within(v, 2, 0x0c0c0c0c0c0c0c0cU);
	v = swap_within(v, 4, 0x00f000f000f000f0U);
	v = swap_within(v, 8, 0x0000ff000000ff00U);
	return swap_within(v, 16, 0x00000000ffff0000U);
}

/* How many rows from the highest one of `rows` on are all like it, in both planes; *top is that row. */
static unsigned stretch(uint64_t first, uint64_t second, unsigned *top)
{
	unsigned above = (unsigned)__builtin_clzll(first | second);
	uint64_t a = first << above, b = second << above;
	uint64_t unlike = (a ^ (0 - (a >> 63))) | (b ^ (0 - (b >> 63)));
	unsigned rows = unlike ? (unsigned)__builtin_clzll(unlike) : 64;

	*top = 63 - above;
	return rows < STRETCH_ROWS ? rows : STRETCH_ROWS;
}

/*
 * Fills 64 rows of a pair upward, beginning with bit `at`. `first` and `second` say where the column that comes first in
 * each row, and the other one, are free. Returns the bit behind the last one used.
 */
static size_t fill_word(uint64_t *first_column, uint64_t *second_column, uint64_t first,
	uint64_t second, const struct bits *b, size_t at)
{
	uint64_t to_first = 0, to_second = 0;

	while (first | second) {
		unsigned top, rows = stretch(first, second, &top), bottom = top + 1 - rows;
		uint64_t done = UINT64_MAX >> (64 - rows) << bottom;

		if (first & second & done) {
			to_first |= cut(b->parted[at % 2], at / 2, rows) << bottom;
			to_second |= cut(b->parted[1 - at % 2], (at + 1) / 2, rows) << bottom;
			at += (size_t)2 * rows;
		} else if (first & done) {
			to_first |= cut(b->all, at, rows) << bottom;
			at += rows;
		} else {
			to_second |= cut(b->all, at, rows) << bottom;
			at += rows;
		}
		first &= ~done;
		second &= ~done;
	}
	*first_column = to_first;
	*second_column = to_second;
	return at;
}

/* The same for a whole pair, from the bottom up. */
static size_t fill_pair(struct qr_plane *columns, const struct qr_plane *reserved, unsigned width,
	unsigned first, unsigned second, const struct bits *b, size_t at)
{
	for (unsigned i = qr_words(width); i-- > 0;) {
		uint64_t rows = qr_word_mask(width, i);

		at = fill_word(&columns->word[i][first], &columns->word[i][second],
			~reserved->word[i][first] & rows, ~reserved->word[i][second] & rows, b, at);
	}
	return at;
}

static unsigned popcount64(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555U;
	v = (v & 0x3333333333333333U) + (v >> 2 & 0x3333333333333333U);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fU;
	return (unsigned)(v * 0x0101010101010101U >> 56);
}

/* Free modules of two columns. */
static size_t room(const struct qr_plane *reserved, unsigned x, unsigned width)
{
	size_t n = 0;

	for (unsigned i = 0; i < qr_words(width); i++) {
		uint64_t rows = qr_word_mask(width, i);

		n += popcount64(~reserved->word[i][x] & rows) +
		     popcount64(~reserved->word[i][x + 1] & rows);
	}
	return n;
}

/* Parts the words that are there. */
static void part(struct bits *b, size_t words)
{
	memset(b->all + 8 * words, 0, 8);
	for (size_t i = 0; i < words; i++) {
		uint64_t parted = part_even_odd(load_be64(b->all + 8 * i));

		store_be64(b->parted[0] + 4 * i, parted);
		store_be64(b->parted[1] + 4 * i, parted << 32);
	}
}

/* The message from its last bit to its first: so its odd bits become the even ones. */
static void write_backwards(struct bits *ret, const struct bits *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		store_be64(ret->all + 8 * i, reverse64(load_be64(b->all + 8 * (words - 1 - i))));
	part(ret, words);
}

void qr_place(struct qr_plane *columns, const struct qr_plane *reserved, uint8_t *message,
	unsigned version)
{
	unsigned width = qr_width(version);
	size_t bytes = qr_versions[version].codewords, words = (bytes + 1 + 7) / 8, at = 0;
	struct bits forward, backward;

	/* Remainder bits, and whole words. */
	memset(message + bytes, 0, 8 * words - bytes);
	memcpy(forward.all, message, 8 * words);
	part(&forward, words);
	write_backwards(&backward, &forward, words);
	for (unsigned i = 0; i < qr_words(width); i++)
		columns->word[i][TIMING_COLUMN] = 0;
	for (unsigned pair = 0; pair < width / 2; pair++) {
		unsigned left = width - 2 * (pair + 1);

		if (left <= TIMING_COLUMN)
			left--;
		if (pair % 2 == 0) {
			at = fill_pair(columns, reserved, width, left + 1, left, &forward, at);
		} else {
			at += room(reserved, left, width);
			fill_pair(columns, reserved, width, left, left + 1, &backward,
				64 * words - at);
		}
	}
}
