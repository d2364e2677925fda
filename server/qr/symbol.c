#include "server/qr/symbol.h"

#include "server/qr/libqrencode.h"

#include <errno.h>

/* Data codewords (bytes) by level, for versions 1 to 40: ISO/IEC 18004:2015, table 7. */
static const uint16_t data_codewords[4][40] = {
	[QR_LEVEL_L] = {19, 34, 55, 80, 108, 136, 156, 194, 232, 274, 324, 370, 428, 461, 523, 589,
		647, 721, 795, 861, 932, 1006, 1094, 1174, 1276, 1370, 1468, 1531, 1631, 1735, 1843,
		1955, 2071, 2191, 2306, 2434, 2566, 2702, 2812, 2956},
	[QR_LEVEL_M] = {16, 28, 44, 64, 86, 108, 124, 154, 182, 216, 254, 290, 334, 365, 415, 453,
		507, 563, 627, 669, 714, 782, 860, 914, 1000, 1062, 1128, 1193, 1267, 1373, 1455,
		1541, 1631, 1725, 1812, 1914, 1992, 2102, 2216, 2334},
	[QR_LEVEL_Q] = {13, 22, 34, 48, 62, 76, 88, 110, 132, 154, 180, 206, 244, 261, 295, 325,
		367, 397, 445, 485, 512, 568, 614, 664, 718, 754, 808, 871, 911, 985, 1033, 1115,
		1171, 1231, 1286, 1354, 1426, 1502, 1582, 1666},
	[QR_LEVEL_H] = {9, 16, 26, 36, 46, 60, 66, 86, 100, 122, 140, 158, 180, 197, 223, 253, 283,
		313, 341, 385, 406, 442, 464, 514, 538, 596, 628, 661, 701, 745, 793, 845, 901, 961,
		986, 1054, 1096, 1142, 1222, 1276},
};

static size_t held_bits(unsigned version, enum qr_level level)
{
	return (size_t)data_codewords[level][version - 1] * 8;
}

static bool has_non_ascii(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 0x80)
			return true;
	return false;
}

static size_t eci_bits(const struct qr_fit *fit)
{
	if (!fit->with_eci)
		return 0;
	return SEGMENT_ECI_BITS + (fit->options.engine == QR_ENGINE_LIBQRENCODE
						  ? QR_LIBQRENCODE_ECI_SPARE_BITS
						  : 0);
}

static bool fits_group(struct qr_fit *f, enum segment_group group)
{
	unsigned last = segment_last_version(group);

	/* No character takes fewer than 10/3 bits: most groups need no closer look. */
	if (group != SEGMENT_LARGE && f->len / 3 * 10 > held_bits(last, f->options.level))
		return false;
	f->needed_bits = f->len > SEGMENT_MAX_CHARS
				 ? segment_bits(f->text, f->len, group)
				 : segment_split(&f->split, f->text, f->len, group);
	f->needed_bits += eci_bits(f);
	for (unsigned version = segment_first_version(group); version <= last; version++) {
		if (f->needed_bits <= held_bits(version, f->options.level)) {
			f->version = version;
			return true;
		}
	}
	return false;
}

int qr_fit(struct qr_fit *ret, const void *text, size_t len, const struct qr_options *options)
{
	if (len == 0)
		return -EINVAL;
	ret->version = 0;
	ret->held_bits = held_bits(40, options->level);
	ret->options = *options;
	ret->text = text;
	ret->len = len;
	ret->with_eci = options->eci && has_non_ascii(text, len);
	for (int group = SEGMENT_SMALL; group <= SEGMENT_LARGE; group++)
		if (fits_group(ret, (enum segment_group)group))
			return 0;
	return -E2BIG;
}

int qr_make(struct qr_symbol *ret, const struct qr_fit *fit)
{
	return qr_libqrencode_make(ret, fit);
}

int qr_encode(struct qr_symbol *ret, const void *text, size_t len, const struct qr_options *options)
{
	struct qr_fit fit;
	int error = qr_fit(&fit, text, len, options);

	return error ? error : qr_make(ret, &fit);
}
