/*
 * Finders at scales from 2 on, for one mask. Their middle is a dark run of 6 modules or more, of which there are few: these
 * are found by ANDs of successive lines, and then each is looked at by itself.
 */
#include "server/qr/mask_internal.h"

#include <string.h>

#define LIGHT_BEFORE 2
#define LONGEST 6

/* Module `bit` of the lines from `from` on, as far as `to` (excluded), is all light or all dark. */
static bool is_all(const uint64_t *line, unsigned bit, int from, int to, bool dark)
{
	for (int y = from; y < to; y++)
		if ((line[y] >> bit & 1) != dark)
			return false;
	return true;
}

/* The line behind the dark run that begins at `y`. */
static int run_end(const uint64_t *line, unsigned bit, int y, int width)
{
	while (y < width && line[y] >> bit & 1)
		y++;
	return y;
}

/* Light of n lines before line `end`, as far as there are lines. */
static bool light_before(const uint64_t *line, unsigned bit, int end, int n)
{
	return is_all(line, bit, end > n ? end - n : 0, end, false);
}

static bool light_from(const uint64_t *line, unsigned bit, int from, int n, int width)
{
	return is_all(line, bit, from, from + n < width ? from + n : width, false);
}

/* Whether the dark run that begins at line `start` is the middle of a finder. */
static bool is_finder(const uint64_t *line, unsigned bit, int start, int width)
{
	int end = run_end(line, bit, start, width), f = (end - start) / 3;

	if ((end - start) % 3 != 0 || start < 2 * f || end + 2 * f > width)
		return false;
	if (!is_all(line, bit, start - f, start, false) ||
		!is_all(line, bit, end, end + f, false) ||
		!is_all(line, bit, start - 2 * f, start - f, true) ||
		!is_all(line, bit, end + f, end + 2 * f, true))
		return false;
	/* The outer runs are f long, no more; and one of them has light of 4 f beside it. */
	return light_before(line, bit, start - 2 * f, 1) &&
	       light_from(line, bit, end + 2 * f, 1, width) &&
	       (light_before(line, bit, start - 2 * f, 4 * f) ||
		       light_from(line, bit, end + 2 * f, 4 * f, width));
}

/* Dark runs of 6 and more that begin at this line, behind two light ones. */
static uint64_t long_runs(const uint64_t *line)
{
	return line[0] & line[1] & line[2] & line[3] & line[4] & line[5] & ~line[-1] & ~line[-2];
}

unsigned mask_count_scaled(const uint64_t *lines, unsigned width)
{
	uint64_t with_light[LIGHT_BEFORE + QR_MAX_WIDTH + LONGEST];
	uint64_t *line = with_light + LIGHT_BEFORE;
	unsigned n = 0;

	memset(with_light, 0, LIGHT_BEFORE * sizeof(line[0]));
	memcpy(line, lines, width * sizeof(line[0]));
	memset(line + width, 0, LONGEST * sizeof(line[0]));
	for (unsigned y = 0; y < width; y++)
		for (uint64_t at = long_runs(line + y); at; at &= at - 1)
			n += is_finder(line, (unsigned)__builtin_ctzll(at), (int)y, (int)width);
	return n;
}
