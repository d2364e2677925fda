#include "server/qr/plane.h"

#include <string.h>

/* Two lines at a time. */
typedef uint64_t lines __attribute__((vector_size(16)));

/*
 * In each group of 2 * half lines, swaps the upper half of each group of 2 * half bits in the upper lines with the lower
 * half of it in the lines below; mask is 1 in the lower halves.
 */
static inline void swap_quarters(lines *square, unsigned n, unsigned half, uint64_t mask)
{
	for (unsigned top = 0; top < n / 2; top += half) {
		for (unsigned i = top; i < top + half / 2; i++) {
			lines t = (square[i] >> half ^ square[i + half / 2]) & mask;

			square[i] ^= t << half;
			square[i + half / 2] ^= t;
		}
	}
}

/* The last step, where the two lines are neighbours. */
static inline void swap_neighbours(lines *square, unsigned n)
{
	for (unsigned i = 0; i < n / 2; i++) {
		uint64_t a = square[i][0], b = square[i][1];
		uint64_t t = (a >> 1 ^ b) & 0x5555555555555555U;

		square[i] = (lines){a ^ t << 1, b ^ t};
	}
}

/*
 * Transposes a square of n lines of n bits, 32 or 64: its quarters top right and bottom left change places, then the same
 * within each quarter (Warren, Hacker's Delight, 2nd edition, 7-3).
 */
static void transpose_square(lines *square, unsigned n)
{
	if (n == 64)
		swap_quarters(square, 64, 32, 0x00000000ffffffffU);
	swap_quarters(square, n, 16, 0x0000ffff0000ffffU);
	swap_quarters(square, n, 8, 0x00ff00ff00ff00ffU);
	swap_quarters(square, n, 4, 0x0f0f0f0f0f0f0f0fU);
	swap_quarters(square, n, 2, 0x3333333333333333U);
	swap_neighbours(square, n);
}

/* Lines 64 * from and on, bits 64 * to and on, become each other. */
static void transpose_block(struct qr_plane *ret, const struct qr_plane *plane, unsigned width,
	unsigned from, unsigned to)
{
	lines square[32] = {0};
	unsigned n_lines = width - 64 * from < 64 ? width - 64 * from : 64;
	unsigned n_bits = width - 64 * to < 64 ? width - 64 * to : 64;

	memcpy(square, &plane->word[to][(size_t)64 * from], n_lines * sizeof(uint64_t));
	transpose_square(square, n_lines <= 32 && n_bits <= 32 ? 32 : 64);
	memcpy(&ret->word[from][(size_t)64 * to], square, n_bits * sizeof(uint64_t));
}

void qr_plane_transpose(struct qr_plane *ret, const struct qr_plane *plane, unsigned width)
{
	unsigned words = qr_words(width);

	for (unsigned from = 0; from < words; from++)
		for (unsigned to = 0; to < words; to++)
			transpose_block(ret, plane, width, from, to);
}
