/* The tables that tools/qr_tables.c prints, against the standard's figures and libqrencode's
 * symbols. */
#include "server/qr/tables.h"

#include "server/qr/characters.h"
#include "tests/unit/qr_helpers.h"

#include <qrencode.h>

/* libqrencode says of each module what it is for. */
#define MODULE_CODEWORDS 0x80 /* unset: data or correction */
#define MODULE_ALIGNMENT 0x20
#define MODULE_VERSION 0x08
#define MODULE_FORMAT 0x04
#define MODULE_CORRECTION 0x02

static const QRecLevel library_level[] = {QR_ECLEVEL_L, QR_ECLEVEL_M, QR_ECLEVEL_Q, QR_ECLEVEL_H};

/* ISO/IEC 18004:2015, table 7: data codewords. */
static const uint16_t data_codewords[4][40] = {
	{19, 34, 55, 80, 108, 136, 156, 194, 232, 274, 324, 370, 428, 461, 523, 589, 647, 721, 795,
		861, 932, 1006, 1094, 1174, 1276, 1370, 1468, 1531, 1631, 1735, 1843, 1955, 2071,
		2191, 2306, 2434, 2566, 2702, 2812, 2956},
	{16, 28, 44, 64, 86, 108, 124, 154, 182, 216, 254, 290, 334, 365, 415, 453, 507, 563, 627,
		669, 714, 782, 860, 914, 1000, 1062, 1128, 1193, 1267, 1373, 1455, 1541, 1631, 1725,
		1812, 1914, 1992, 2102, 2216, 2334},
	{13, 22, 34, 48, 62, 76, 88, 110, 132, 154, 180, 206, 244, 261, 295, 325, 367, 397, 445,
		485, 512, 568, 614, 664, 718, 754, 808, 871, 911, 985, 1033, 1115, 1171, 1231, 1286,
		1354, 1426, 1502, 1582, 1666},
	{9, 16, 26, 36, 46, 60, 66, 86, 100, 122, 140, 158, 180, 197, 223, 253, 283, 313, 341, 385,
		406, 442, 464, 514, 538, 596, 628, 661, 701, 745, 793, 845, 901, 961, 986, 1054,
		1096, 1142, 1222, 1276},
};

static QRcode *make_symbol(unsigned version, unsigned level)
{
	QRinput *input = QRinput_new2((int)version, library_level[level]);
	QRcode *code;

	assert_non_null(input);
	assert_int_equal(QRinput_append(input, QR_MODE_8, 1, (const unsigned char *)"q"), 0);
	code = QRcode_encodeInput(input);
	QRinput_free(input);
	assert_non_null(code);
	assert_int_equal(code->version, version);
	assert_int_equal(code->width, 17 + 4 * version);
	return code;
}

static unsigned count_modules(const QRcode *code, unsigned mask, unsigned value)
{
	unsigned n = 0;

	for (int i = 0; i < code->width * code->width; i++)
		n += (code->data[i] & mask) == value;
	return n;
}

static void test_codewords(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= QR_VERSIONS; version++) {
		const struct qr_version *v = &qr_versions[version];

		for (unsigned level = 0; level < 4; level++) {
			const struct qr_blocks *b = &v->level[level];
			QRcode *code = make_symbol(version, level);
			unsigned correction = count_modules(
				code, MODULE_CODEWORDS | MODULE_CORRECTION, MODULE_CORRECTION);

			assert_int_equal(b->data, data_codewords[level][version - 1]);
			assert_int_equal(b->data + b->blocks * b->correction, v->codewords);
			/* libqrencode counts remainder bits, up to 7, as correction. */
			assert_int_equal(b->blocks * b->correction, correction / 8);
			assert_int_equal(
				v->codewords, count_modules(code, MODULE_CODEWORDS, 0) / 8);
			assert_true(b->correction <= QR_MAX_CORRECTION && b->blocks <= b->data);
			QRcode_free(code);
		}
	}
	assert_int_equal(qr_versions[QR_VERSIONS].codewords, QR_MAX_CODEWORDS);
}

/* Blocks are not to be seen in a symbol: some lines of table 9. */
static void test_blocks(void **state)
{
	static const struct {
		unsigned version, level;
		struct qr_blocks blocks;
	} known[] = {
		{1, QR_LEVEL_L, {1, 7, 19}},
		{1, QR_LEVEL_H, {1, 17, 9}},
		{5, QR_LEVEL_Q, {4, 18, 62}},
		{7, QR_LEVEL_H, {5, 26, 66}},
		{10, QR_LEVEL_M, {5, 26, 216}},
		{14, QR_LEVEL_Q, {16, 20, 261}},
		{22, QR_LEVEL_H, {34, 24, 442}},
		{26, QR_LEVEL_M, {23, 28, 1062}},
		{33, QR_LEVEL_L, {18, 30, 2071}},
		{40, QR_LEVEL_L, {25, 30, 2956}},
		{40, QR_LEVEL_M, {49, 28, 2334}},
		{40, QR_LEVEL_Q, {68, 30, 1666}},
		{40, QR_LEVEL_H, {81, 30, 1276}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct qr_blocks *b = &qr_versions[known[i].version].level[known[i].level];

		assert_int_equal(b->blocks, known[i].blocks.blocks);
		assert_int_equal(b->correction, known[i].blocks.correction);
		assert_int_equal(b->data, known[i].blocks.data);
	}
}

/* The centres are where libqrencode's alignment patterns are, and there are no others. */
static void test_alignment(void **state)
{
	(void)state;
	for (unsigned version = 1; version <= QR_VERSIONS; version++) {
		const struct qr_version *v = &qr_versions[version];
		QRcode *code = make_symbol(version, QR_LEVEL_M);
		unsigned n = 0, last = v->n_centres - 1u;

		assert_true(v->n_centres <= QR_MAX_ALIGNMENT_CENTRES);
		for (unsigned i = 0; i < v->n_centres; i++) {
			for (unsigned j = 0; j < v->n_centres; j++) {
				size_t at =
					(size_t)v->centre[i] * (size_t)code->width + v->centre[j];

				if ((i == 0 && (j == 0 || j == last)) || (i == last && j == 0))
					continue;
				assert_true(code->data[at] & 1);
				assert_true(code->data[at] & MODULE_ALIGNMENT);
				n++;
			}
		}
		assert_int_equal(count_modules(code, MODULE_ALIGNMENT, MODULE_ALIGNMENT), n * 25);
		QRcode_free(code);
	}
}

static unsigned distance(unsigned a, unsigned b)
{
	return (unsigned)__builtin_popcount(a ^ b);
}

/* Whether the polynomial divides the word. */
static bool is_multiple(unsigned word, unsigned generator, unsigned degree)
{
	for (unsigned bit = 31; bit >= degree; bit--)
		if (word >> bit & 1)
			word ^= generator << (bit - degree);
	return word == 0;
}

/* Annex D: codewords of a BCH code, far from each other, and in libqrencode's symbols. */
static void test_version_information(void **state)
{
	(void)state;
	assert_int_equal(qr_versions[7].information, 0x07c94);
	for (unsigned version = 1; version <= QR_VERSIONS; version++) {
		unsigned information = qr_versions[version].information;
		QRcode *code = make_symbol(version, QR_LEVEL_L);
		size_t width = (size_t)code->width;

		assert_int_equal(
			count_modules(code, MODULE_VERSION, MODULE_VERSION), version < 7 ? 0 : 36);
		assert_int_equal(information >> 12, version < 7 ? 0 : version);
		assert_true(is_multiple(information, 0x1f25, 12));
		for (unsigned bit = 0; version >= 7 && bit < 18; bit++) {
			unsigned module = code->data[(width - 11 + bit % 3) * width + bit / 3];

			assert_int_equal(information >> bit & 1, module & 1);
		}
		for (unsigned other = 7; version >= 7 && other < version; other++)
			assert_true(distance(information, qr_versions[other].information) >= 8);
		QRcode_free(code);
	}
}

/* The format information beside the upper left finder pattern: upwards, then to the left. */
static unsigned read_format(const QRcode *code)
{
	static const uint8_t place[15][2] = {{0, 8}, {1, 8}, {2, 8}, {3, 8}, {4, 8}, {5, 8}, {7, 8},
		{8, 8}, {8, 7}, {8, 5}, {8, 4}, {8, 3}, {8, 2}, {8, 1}, {8, 0}};
	unsigned format = 0;

	for (unsigned bit = 0; bit < 15; bit++) {
		unsigned module = code->data[place[bit][0] * code->width + place[bit][1]];

		assert_true(module & MODULE_FORMAT);
		format |= (module & 1) << bit;
	}
	return format;
}

/* Annex C. */
static void test_format_information(void **state)
{
	unsigned seen[4] = {0};

	(void)state;
	for (unsigned a = 0; a < 32; a++) {
		assert_true(is_multiple(qr_format_bits[a / 8][a % 8] ^ 0x5412, 0x537, 10));
		assert_true(qr_format_bits[a / 8][a % 8] < 1 << 15);
		for (unsigned b = 0; b < a; b++)
			assert_true(distance(qr_format_bits[a / 8][a % 8],
					    qr_format_bits[b / 8][b % 8]) >= 7);
	}
	/* All masks turn up sooner or later. */
	for (unsigned i = 0; i < 4 * 40; i++) {
		QRcode *code = make_symbol(1 + i / 4, i % 4);
		unsigned format = read_format(code), mask = (format ^ 0x5412) >> 10 & 7;

		assert_int_equal(qr_format_bits[i % 4][mask], format);
		seen[i % 4] |= 1u << mask;
		QRcode_free(code);
	}
	for (unsigned level = 0; level < 4; level++)
		assert_true(__builtin_popcount(seen[level]) >= 4);
}

/* Table 5, by what libqrencode writes for each character. */
static void test_characters(void **state)
{
	static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

	(void)state;
	assert_int_equal(strlen(alnum), QR_ALNUM_CHARACTERS);
	for (unsigned c = 0; c < 256; c++) {
		const uint8_t character = (uint8_t)c;
		QRinput *input = QRinput_new();
		const char *at = c ? strchr(alnum, (int)c) : NULL;

		assert_int_equal(qr_character_value[c], at ? at - alnum : QR_ALNUM_CHARACTERS);
		assert_int_equal(qr_character_value[c] < QR_ALNUM_CHARACTERS,
			QRinput_append(input, QR_MODE_AN, 1, &character) == 0);
		assert_int_equal(qr_character_value[c] < QR_DIGITS,
			QRinput_append(input, QR_MODE_NUM, 1, &character) == 0);
		QRinput_free(input);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codewords),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_version_information),
		cmocka_unit_test(test_format_information),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
