/*
 * Prints what server/qr/png_pairs.c looks up: for every string of up to four bytes, each of which is two modules at four
 * pixels a module, the bits that send it, and what it adds to Adler-32 sums.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define LONGEST 4

/* The bytes and their codes, the first bit in bit 0: canonical for the lengths 2, 3, 2, 2 (RFC 1951, section 3.2.2). */
static const struct {
	unsigned byte, bits, len;
} code[4] = {{0x00, 0, 2}, {0x0f, 3, 3}, {0xf0, 2, 2}, {0xff, 1, 2}};

/* Which of them: module by module, dark on light. */
static unsigned code_of(unsigned pair)
{
	static const unsigned of_pair[4] = {3, 1, 2, 0};

	return of_pair[pair];
}

static void print_string(unsigned n, unsigned modules)
{
	unsigned bits = 0, len = 0, sum = 0, weighted = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned c = code_of(modules >> 2 * i & 3);

		bits |= code[c].bits << len;
		len += code[c].len;
		sum += code[c].byte;
		weighted += sum;
	}
	printf("\t{0x%03x, %2u, %4u, %4u},\n", bits, len, sum, weighted);
}

int main(void)
{
	printf("/* Made by tools/qr_strings.c. */\n#include \"server/qr/png_strings.h\"\n\n"
	       "const struct png_string png_strings[PNG_STRINGS] = {\n");
	for (unsigned n = 0; n <= LONGEST; n++)
		for (unsigned modules = 0; modules < 1U << 2 * n; modules++)
			print_string(n, modules);
	printf("};\n");
	return fflush(stdout) != 0 || ferror(stdout);
}
