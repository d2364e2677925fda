#include "server/qr/symbol.h"

#include "server/qr/segment.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

/*
 * An ECI header is 12 bits, but libqrencode 4.1 reckons with 28 when it checks the version it was
 * given, and takes a larger one if these do not fit. So they are counted here, too; otherwise the
 * version found would not be the one got.
 */
#define ECI_SPARE_BITS 16
#define ECI_UTF8 26

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

static const QRecLevel engine_level[] = {
	[QR_LEVEL_L] = QR_ECLEVEL_L,
	[QR_LEVEL_M] = QR_ECLEVEL_M,
	[QR_LEVEL_Q] = QR_ECLEVEL_Q,
	[QR_LEVEL_H] = QR_ECLEVEL_H,
};

static const QRencodeMode engine_mode[] = {
	[SEGMENT_NUMERIC] = QR_MODE_NUM,
	[SEGMENT_ALNUM] = QR_MODE_AN,
	[SEGMENT_BYTE] = QR_MODE_8,
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

/* A text's size, and how it came about. */
struct fitted {
	enum qr_level level;
	bool with_eci;
	enum segment_group group; /* of fit.version, or the last one */
	struct qr_fit fit;
};

static bool fits_group(struct fitted *f, const uint8_t *text, size_t len)
{
	unsigned last = segment_last_version(f->group);

	/* No character takes fewer than 10/3 bits: most groups need no closer look. */
	if (f->group != SEGMENT_LARGE && len / 3 * 10 > held_bits(last, f->level))
		return false;
	f->fit.needed_bits = segment_bits(text, len, f->group);
	if (f->with_eci)
		f->fit.needed_bits += SEGMENT_ECI_BITS + ECI_SPARE_BITS;
	for (unsigned version = segment_first_version(f->group); version <= last; version++) {
		if (f->fit.needed_bits <= held_bits(version, f->level)) {
			f->fit.version = version;
			return true;
		}
	}
	return false;
}

static int fit(struct fitted *ret, const uint8_t *text, size_t len, enum qr_level level, bool eci)
{
	if (len == 0)
		return -EINVAL;
	*ret = (struct fitted){.level = level, .with_eci = eci && has_non_ascii(text, len)};
	ret->fit.held_bits = held_bits(40, level);
	while (!fits_group(ret, text, len)) {
		if (ret->group == SEGMENT_LARGE)
			return -E2BIG;
		ret->group++;
	}
	return 0;
}

int qr_fit(struct qr_fit *ret, const void *text, size_t len, enum qr_level level, bool eci)
{
	struct fitted f;
	int error = fit(&f, text, len, level, eci);

	if (error != -EINVAL)
		*ret = f.fit;
	return error;
}

/* Hands the segments to libqrencode. */
static int append_segments(
	QRinput *input, const uint8_t *text, size_t len, enum segment_group group)
{
	uint8_t mode[SEGMENT_MAX_CHARS];
	size_t end;

	(void)segment_plan(mode, text, len, group);
	for (size_t start = 0; start < len; start = end) {
		for (end = start + 1; end < len && mode[end] == mode[start]; end++)
			;
		if (QRinput_append(
			    input, engine_mode[mode[start]], (int)(end - start), text + start) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* libqrencode has one byte a module, whose lowest bit is set in dark ones. */
static void copy_modules(struct qr_symbol *ret, const QRcode *code)
{
	const unsigned char *module = code->data;

	ret->version = (unsigned)code->version;
	ret->width = (unsigned)code->width;
	memset(ret->row, 0, sizeof(ret->row));
	for (unsigned y = 0; y < ret->width; y++)
		for (unsigned x = 0; x < ret->width; x++)
			ret->row[y][x / 64] |= (uint64_t)(*module++ & 1) << (x % 64);
}

static int encode_input(struct qr_symbol *ret, QRinput *input, unsigned version)
{
	QRcode *code = QRcode_encodeInput(input);
	int error = 0;

	if (!code)
		return -ENOMEM;
	if (code->version < 1 || (unsigned)code->version != version)
		error = -EINVAL; /* the two disagree on what fits: never with libqrencode 4.1 */
	else
		copy_modules(ret, code);
	QRcode_free(code);
	return error;
}

int qr_encode(struct qr_symbol *ret, const void *text, size_t len, enum qr_level level, bool eci)
{
	struct fitted f;
	int error = fit(&f, text, len, level, eci);

	if (error)
		return error;
	QRinput *input = QRinput_new2((int)f.fit.version, engine_level[level]);
	if (!input)
		return -ENOMEM;
	if (f.with_eci && QRinput_appendECIheader(input, ECI_UTF8) < 0)
		error = -ENOMEM;
	if (!error)
		error = append_segments(input, text, len, f.group);
	if (!error)
		error = encode_input(ret, input, f.fit.version);
	QRinput_free(input);
	return error;
}
