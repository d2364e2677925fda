#include "server/qr/correction.h"

#include "server/qr/correction_tables.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#define MAX_BLOCKS 81 /* of 40-H, table 9 */
#define TILE 8	      /* rows and columns that are transposed at once */

/* Lanes are in the order of memory, whichever end of a number comes first there. */
typedef uint32_t words __attribute__((vector_size(16), may_alias));
typedef uint64_t longs __attribute__((vector_size(16), may_alias));
typedef uint8_t octets __attribute__((vector_size(16), may_alias));

#ifdef __clang__
#define SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, (type){__VA_ARGS__})
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* --- remainders ------------------------------------------------------------------------------- */

/*
 * Coefficients of a remainder, highest first, four to a word; words 0, 2, 4, 6 and 1, 3, 5, 7. So
 * times x^4 takes one shift: the odd ones become the even ones, and the even ones, moved up by a
 * lane, the odd ones.
 */
struct remainder {
	words even, odd;
};

ALWAYS_INLINE uint32_t load_word(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return le32toh(word);
}

/* Adds the row at index / 16 of one of the tables that begin at `rows`; rows are 32 bytes long. */
ALWAYS_INLINE void add_row(struct remainder *r, const uint8_t *rows, size_t table, uint32_t index)
{
	const words *row = (const words *)(rows + (2 * (size_t)(uint8_t)index + table * 512));

	r->even ^= row[0];
	r->odd ^= row[1];
}

/* Adds f[0] * x^(n + 3) + ... + f[3] * x^n; f[j] is byte j of the number, from its low end. */
ALWAYS_INLINE void add_product(struct remainder *r, uint32_t f, const uint8_t *table)
{
	uint32_t low = f << 4 & 0xf0f0f0f0, high = f & 0xf0f0f0f0;

	add_row(r, table, 0, low);
	add_row(r, table, 1, high);
	add_row(r, table, 2, low >> 8);
	add_row(r, table, 3, high >> 8);
	add_row(r, table, 4, low >> 16);
	add_row(r, table, 5, high >> 16);
	add_row(r, table, 6, low >> 24);
	add_row(r, table, 7, high >> 24);
}

/* Goes on by four codewords. */
ALWAYS_INLINE void advance(struct remainder *r, const uint8_t *data, const uint8_t *table)
{
	uint32_t f = load_word(data) ^ le32toh(r->even[0]);
	words moved = SHUFFLE(words, r->even, ((words){0}), 1, 2, 3, 4);

	r->even = r->odd;
	r->odd = moved;
	add_product(r, f, table);
}

/* Begins with the n first codewords, 0 to 4. */
ALWAYS_INLINE struct remainder begin(const uint8_t *data, size_t n, const uint8_t *table)
{
	struct remainder r = {{0}, {0}};

	add_product(&r, (uint32_t)((uint64_t)load_word(data) << (32 - 8 * n)), table);
	return r;
}

ALWAYS_INLINE void store(uint8_t *to, const struct remainder *r)
{
	const words first = SHUFFLE(words, r->even, r->odd, 0, 4, 1, 5);
	const words second = SHUFFLE(words, r->even, r->odd, 2, 6, 3, 7);

	memcpy(to, &first, sizeof(first));
	memcpy(to + sizeof(first), &second, sizeof(second));
}

struct block {
	const uint8_t *data;
	size_t len;
	uint8_t correction[QR_REMAINDER_BYTES];
};

/*
 * Correction codewords of two blocks, side by side, because each step waits for the one before. The
 * second block is as long as the first or longer by one. Zeros before a block do not change its
 * remainder: they fill up its first step.
 */
static void divide(struct block *a, struct block *b, const uint8_t *table)
{
	size_t rest = (b->len - 1) / 4 * 4, first_a = a->len - rest, first_b = b->len - rest;
	struct remainder ra = begin(a->data, first_a, table), rb = begin(b->data, first_b, table);
	const uint8_t *next_a = a->data + first_a, *next_b = b->data + first_b;

	for (size_t i = 0; i < rest; i += 4) {
		advance(&ra, next_a + i, table);
		advance(&rb, next_b + i, table);
	}
	store(a->correction, &ra);
	store(b->correction, &rb);
}

/* --- the order of codewords ------------------------------------------------------------------- */

#define LOW_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31

ALWAYS_INLINE octets load_tile_row(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return (octets)(longs){word, 0};
}

ALWAYS_INLINE void store_tile_rows(uint8_t *to, size_t stride, octets two)
{
	const uint64_t first = ((longs)two)[0], second = ((longs)two)[1];

	memcpy(to, &first, sizeof(first));
	memcpy(to + stride, &second, sizeof(second));
}

/*
 * Columns `from` to from + 7 of eight rows become rows of `to`. Zipping rows that are four apart,
 * three times, brings together what belongs together.
 */
static void transpose_tile(uint8_t *to, size_t stride, const uint8_t *const *row, size_t from)
{
	octets a[4], b[4];

	for (size_t i = 0; i < 4; i++)
		a[i] = SHUFFLE(octets, load_tile_row(row[i] + from),
			load_tile_row(row[i + 4] + from), LOW_HALVES);
	for (size_t i = 0; i < 2; i++) {
		b[2 * i] = SHUFFLE(octets, a[i], a[i + 2], LOW_HALVES);
		b[2 * i + 1] = SHUFFLE(octets, a[i], a[i + 2], HIGH_HALVES);
	}
	for (size_t i = 0; i < 2; i++) {
		const octets low = SHUFFLE(octets, b[i], b[i + 2], LOW_HALVES);
		const octets high = SHUFFLE(octets, b[i], b[i + 2], HIGH_HALVES);

		store_tile_rows(to + 4 * i * stride, stride, low);
		store_tile_rows(to + (4 * i + 2) * stride, stride, high);
	}
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Writes column after column. Symbols of eight blocks and more have at least eight data and eight
 * correction codewords in each (table 9), so that tiles at the edges can lie over their neighbours
 * instead of being smaller.
 */
static void write_columns(uint8_t *to, const uint8_t *const *row, size_t rows, size_t columns)
{
	if (rows < TILE || columns < TILE) {
		for (size_t c = 0; c < columns; c++)
			for (size_t r = 0; r < rows; r++)
				*to++ = row[r][c];
		return;
	}
	for (size_t c = 0; c < columns; c += TILE) {
		size_t column = smaller(c, columns - TILE);

		for (size_t r = 0; r < rows; r += TILE) {
			size_t first = smaller(r, rows - TILE);

			transpose_tile(to + column * rows + first, rows, row + first, column);
		}
	}
}

void qr_correct(uint8_t *message, const uint8_t *data, unsigned version, enum qr_level level)
{
	const struct qr_blocks *b = &qr_versions[version].level[level];
	const size_t n = b->blocks, shorter = b->data / n, n_shorter = n - b->data % n;
	const uint8_t *table = qr_remainders[qr_remainders_at[b->correction]][0][0][0];
	const uint8_t *row[MAX_BLOCKS];
	struct block block[MAX_BLOCKS];
	size_t i = 0;

	do { /* there is at least one block */
		row[i] = block[i].data = data;
		block[i].len = shorter + (i >= n_shorter);
		data += block[i].len;
	} while (++i < n);
	/* The last of an odd number is its own neighbour. */
	for (i = 0; i < n; i += 2)
		divide(&block[i], &block[smaller(i + 1, n - 1)], table);

	write_columns(message, row, n, shorter);
	message += n * shorter;
	for (i = n_shorter; i < n; i++)
		*message++ = row[i][shorter];
	for (i = 0; i < n; i++)
		row[i] = block[i].correction;
	write_columns(message, row, n, b->correction);
}
