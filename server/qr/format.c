#include "server/qr/format.h"

#include "server/qr/tables.h"

#include <string.h>

/* The low eight bits in the opposite order. */
static unsigned reverse8(unsigned bits)
{
	static const uint8_t reverse4[16] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

	return (unsigned)reverse4[bits & 15] << 4 | reverse4[bits >> 4 & 15];
}

/* The low bits of `bits`, from module x on. */
static void put(uint64_t *line, unsigned x, uint64_t bits)
{
	line[x / 64] |= bits << x % 64;
	if (bits >> 1 >> (63 - x % 64))
		line[x / 64 + 1] |= bits >> 1 >> (63 - x % 64);
}

/*
 * Figure 25. Bit 0 is the least significant one. Column 8 has bits 0 to 5, then, behind the timing pattern, 6 and 7, and
 * 8 to 14 at its end, where the dark module precedes them. Row 8 has them the other way round: 14 to 9, 8, 7, and 7 to 0.
 */
void qr_format_draw(struct qr_format *ret, unsigned version, enum qr_level level, unsigned mask)
{
	unsigned far = qr_width(version) - 8;
	unsigned bits = qr_format_bits[level][mask];

	memset(ret, 0, sizeof(*ret));
	put(ret->column, 0, (bits & 0x3f) | (bits & 0xc0) << 1);
	put(ret->column, far, 1 | (bits >> 8 & 0x7f) << 1);
	put(ret->row, 0, reverse8(bits >> 9) >> 2 | reverse8(bits >> 7 & 3) << 1);
	put(ret->row, far, reverse8(bits));
}
