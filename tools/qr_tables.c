/*
 * qr_tables: prints the tables that server/qr/tables.h, characters.h and
 * correction_tables.h declare. Runs on the machine that builds, and needs nothing but C11. It holds
 * what ISO/IEC 18004:2015 states in tables that follow no rule (table 9, annex E), and computes
 * what follows from rules.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define VERSIONS 40
#define LEVELS 4
#define MASKS 8

/* Remainders are kept in rows of so many bytes: two vectors of 16. */
#define ROW 32

/* Table 9: correction codewords of each block, by level (L, M, Q, H) and version. */
static const uint8_t correction[LEVELS][VERSIONS] = {
	{7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30,
		30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
	{10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28,
		28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28},
	{13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30,
		30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
	{17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30,
		30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
};

/* Table 9: blocks. */
static const uint8_t blocks[LEVELS][VERSIONS] = {
	{1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13,
		14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25},
	{1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23,
		25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49},
	{1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29,
		34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68},
	{1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35,
		37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81},
};

/*
 * Annex E: the distance between alignment patterns' centres from the third on, versions 7 to 40.
 * The first centre is at 6, the last is 7 modules before the end of the symbol, and what the others
 * leave over is between the first and the second.
 */
static const uint8_t centre_distance[VERSIONS + 1] = {[7] = 16,
	18,
	20,
	22,
	24,
	26,
	28,
	20,
	22,
	24,
	24,
	26,
	28,
	28,
	22,
	24,
	24,
	26,
	26,
	28,
	28,
	24,
	24,
	26,
	26,
	26,
	28,
	28,
	24,
	26,
	26,
	26,
	28,
	28};

/* Table 5: the characters of alphanumeric mode, by what they are worth. */
static const char alnum[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/* Clause 7.9.1, table 12: L, M, Q, H as they stand in the format information. */
static const unsigned level_indicator[LEVELS] = {1, 0, 3, 2};

/* --- versions --------------------------------------------------------------------------------- */

static unsigned symbol_width(unsigned version)
{
	return 17 + 4 * version;
}

static unsigned n_centres(unsigned version)
{
	return version == 1 ? 0 : version / 7 + 2;
}

static unsigned centre(unsigned version, unsigned i)
{
	unsigned last = symbol_width(version) - 7, after = n_centres(version) - 1 - i;

	if (i == 0)
		return 6;
	return after == 0 ? last : last - after * centre_distance[version];
}

/* Modules that are left for codewords, by clause 6.3: whatever no function pattern covers. */
static unsigned data_modules(unsigned version)
{
	unsigned width = symbol_width(version), n = n_centres(version);
	unsigned finders = 3 * 8 * 8, timing = 2 * (width - 2 * 8), format = 2 * 15 + 1;
	unsigned information = version < 7 ? 0 : 2 * 18;
	/* No alignment pattern lies on a finder; those in row or column 6 cover timing modules. */
	unsigned alignment = n == 0 ? 0 : (n * n - 3) * 5 * 5 - 2 * (n - 2) * 5;

	return width * width - finders - timing - format - information - alignment;
}

/* The value, followed by the remainder of its division by the generator polynomial. */
static unsigned bch(unsigned value, unsigned generator, unsigned degree)
{
	unsigned rest = value << degree;

	for (unsigned bit = 31; bit >= degree; bit--)
		if (rest >> bit & 1)
			rest ^= generator << (bit - degree);
	return value << degree | rest;
}

static void print_version(unsigned version)
{
	unsigned codewords = data_modules(version) / 8;

	printf("\t{%u, 0x%05x, %u, {", codewords, version < 7 ? 0 : bch(version, 0x1f25, 12),
		n_centres(version));
	for (unsigned i = 0; i < n_centres(version); i++)
		printf("%u, ", centre(version, i));
	printf("%s}, {", n_centres(version) ? "" : "0");
	for (unsigned level = 0; level < LEVELS; level++) {
		unsigned n = blocks[level][version - 1], each = correction[level][version - 1];

		printf("{%u, %u, %u}, ", n, each, codewords - n * each);
	}
	printf("}},\n");
}

static void print_versions(void)
{
	printf("const struct qr_version qr_versions[QR_VERSIONS + 1] = {\n\t{0},\n");
	for (unsigned version = 1; version <= VERSIONS; version++)
		print_version(version);
	printf("};\n\n");
}

static void print_format(void)
{
	printf("const uint16_t qr_format_bits[4][8] = {\n");
	for (unsigned level = 0; level < LEVELS; level++) {
		printf("\t{");
		for (unsigned mask = 0; mask < MASKS; mask++)
			printf("0x%04x, ",
				bch(level_indicator[level] << 3 | mask, 0x537, 10) ^ 0x5412);
		printf("},\n");
	}
	printf("};\n\n");
}

static void print_characters(void)
{
	printf("const uint8_t qr_character_value[256] = {");
	for (unsigned c = 0; c < 256; c++) {
		const char *found = c ? strchr(alnum, (int)c) : NULL;

		printf("%s%u,", c % 16 ? "" : "\n\t",
			found ? (unsigned)(found - alnum) : (unsigned)strlen(alnum));
	}
	printf("\n};\n\n");
}

/* --- Reed-Solomon: clause 7.5.2 and annex A --------------------------------------------------- */

/* GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t multiply(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (unsigned bit = 8; bit-- > 0;)
		product = product << 1 ^ (product & 0x80 ? 0x11d : 0) ^ (b >> bit & 1 ? a : 0u);
	return (uint8_t)product;
}

/* (x - a^0)(x - a^1)...(x - a^(n-1)): n coefficients, highest first, without the leading 1. */
static void make_generator(uint8_t *ret, unsigned n)
{
	uint8_t root = 1;

	memset(ret, 0, n);
	ret[n - 1] = 1;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < n; k++)
			ret[k] = multiply(ret[k], root) ^ (k + 1 < n ? ret[k + 1] : 0);
		root = multiply(root, 2);
	}
}

/* value * x^power modulo the generator polynomial, highest coefficient first; power is at least n.
 */
static void make_remainder(
	uint8_t *ret, const uint8_t *generator, unsigned n, uint8_t value, unsigned power)
{
	memset(ret, 0, ROW);
	ret[n - 1] = value;
	for (; power > 0; power--) {
		uint8_t top = ret[0];

		for (unsigned k = 0; k < n; k++)
			ret[k] = (k + 1 < n ? ret[k + 1] : 0) ^ multiply(top, generator[k]);
	}
}

/* Words of four coefficients: first those at even places, then those at odd ones. */
static void print_row(const uint8_t *row)
{
	printf("\t\t\t{");
	for (unsigned odd = 0; odd < 2; odd++)
		for (unsigned word = odd; word < ROW / 4; word += 2)
			for (unsigned k = 0; k < 4; k++)
				printf("%u,", row[4 * word + k]);
	printf("},\n");
}

static void print_remainders(unsigned n)
{
	uint8_t generator[ROW], row[ROW];

	make_generator(generator, n);
	printf("\t{\n");
	for (unsigned j = 0; j < 4; j++) {
		printf("\t\t{");
		for (unsigned shift = 0; shift <= 4; shift += 4) {
			printf("{\n");
			for (unsigned nibble = 0; nibble < 16; nibble++) {
				make_remainder(
					row, generator, n, (uint8_t)(nibble << shift), n + 3 - j);
				print_row(row);
			}
			printf("\t\t}, ");
		}
		printf("},\n");
	}
	printf("\t},\n");
}

/* The lengths of table 9 in rising order; returns how many there are. */
static unsigned list_lengths(unsigned *ret)
{
	unsigned n = 0;

	for (unsigned length = 0; length < ROW; length++)
		if (memchr(correction, (int)length, sizeof(correction)))
			ret[n++] = length;
	return n;
}

static void print_correction(void)
{
	unsigned length[ROW], n = list_lengths(length);

	printf("const uint8_t qr_remainders_at[QR_MAX_CORRECTION + 1] = {\n");
	for (unsigned i = 0; i < n; i++)
		printf("\t[%u] = %u,\n", length[i], i);
	printf("};\n\n_Static_assert(QR_GENERATORS == %u, \"the lengths of table 9\");\n\n", n);
	printf("const uint8_t qr_remainders[QR_GENERATORS][4][2][16][QR_REMAINDER_BYTES] = {\n");
	for (unsigned i = 0; i < n; i++)
		print_remainders(length[i]);
	printf("};\n");
}

int main(void)
{
	printf("/* Made by tools/qr_tables.c. */\n"
	       "#include \"server/qr/tables.h\"\n\n"
	       "#include \"server/qr/characters.h\"\n"
	       "#include \"server/qr/correction_tables.h\"\n\n");
	print_versions();
	print_format();
	print_characters();
	print_correction();
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("qr_tables");
		return 1;
	}
	return 0;
}
