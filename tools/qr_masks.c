/*
 * Prints the masks of ISO/IEC 18004:2015, table 10, as lines of words, for server/qr/mask_internal.h: rows from top to
 * bottom, and columns from left to right.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MASKS 8
#define WORDS 3

/* Whether the mask turns the module in row i and column j over. */
static bool masked(unsigned mask, unsigned i, unsigned j)
{
	switch (mask) {
	case 0:
		return (i + j) % 2 == 0;
	case 1:
		return i % 2 == 0;
	case 2:
		return j % 3 == 0;
	case 3:
		return (i + j) % 3 == 0;
	case 4:
		return (i / 2 + j / 3) % 2 == 0;
	case 5:
		return i * j % 2 + i * j % 3 == 0;
	case 6:
		return (i * j % 2 + i * j % 3) % 2 == 0;
	default:
		return ((i + j) % 2 + i * j % 3) % 2 == 0;
	}
}

static uint64_t line_word(unsigned mask, unsigned line, unsigned word, bool transposed)
{
	uint64_t bits = 0;

	for (unsigned b = 0; b < 64; b++) {
		unsigned at = 64 * word + b;

		if (transposed ? masked(mask, at, line) : masked(mask, line, at))
			bits |= UINT64_C(1) << b;
	}
	return bits;
}

static void print_table(const char *name, const char *lines, unsigned n, bool transposed)
{
	printf("\nconst uint64_t %s[%s][QR_ROW_WORDS][QR_MASKS] = {\n", name, lines);
	for (unsigned line = 0; line < n; line++) {
		printf("\t{\n");
		for (unsigned word = 0; word < WORDS; word++) {
			printf("\t\t{");
			for (unsigned mask = 0; mask < MASKS; mask++)
				printf("0x%016" PRIx64 "U%s",
					line_word(mask, line, word, transposed),
					mask + 1 < MASKS ? ", " : "},\n");
		}
		printf("\t},\n");
	}
	printf("};\n");
}

/* For lines of up to 32 modules: two masks to a word. */
static void print_narrow(const char *name, const char *lines, unsigned n, bool transposed)
{
	printf("\nconst uint64_t %s[%s][QR_MASKS / 2] = {\n", name, lines);
	for (unsigned line = 0; line < n; line++) {
		printf("\t{");
		for (unsigned mask = 0; mask < MASKS / 2; mask++)
			printf("0x%016" PRIx64 "U%s",
				(line_word(mask, line, 0, transposed) & UINT32_MAX) |
					line_word(mask + MASKS / 2, line, 0, transposed) << 32,
				mask + 1 < MASKS / 2 ? ", " : "},\n");
	}
	printf("};\n");
}

int main(void)
{
	printf("/* Made by tools/qr_masks.c. */\n#include \"server/qr/mask_internal.h\"\n");
	print_table("mask_rows", "MASK_ROWS", 12, false);
	print_table("mask_columns", "MASK_COLUMNS", 6, true);
	print_narrow("mask_rows_narrow", "MASK_ROWS", 12, false);
	print_narrow("mask_columns_narrow", "MASK_COLUMNS", 6, true);
	return fflush(stdout) != 0 || ferror(stdout);
}
