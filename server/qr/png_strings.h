/*
 * Strings of bytes as png_pairs.c sends them: a byte is two modules at four pixels a module. The table is made at build
 * time by tools/qr_strings.c.
 */
#ifndef QUERN_SERVER_QR_PNG_STRINGS_H
#define QUERN_SERVER_QR_PNG_STRINGS_H

#include <stdint.h>

#define PNG_STRING_BYTES 4
#define PNG_STRINGS (1 + 4 + 16 + 64 + 256)

/* Lengths of the codes of the bytes 0x00, 0x0f, 0xf0 and 0xff; the canonical codes follow from them. */
#define PNG_STRING_CODE_LENGTHS                                                                    \
	{                                                                                          \
		2, 3, 2, 2                                                                         \
	}

struct png_string {
	uint16_t bits; /* the first one to be sent in bit 0 */
	uint16_t len;
	uint16_t sum,
		weighted; /* of the bytes; of the bytes times their distance to the string's end */
};

/* Strings of n bytes begin at 0, 1, 5, 21, 85; then by their modules, 1 is dark, the first in bit 0, on light 0xff. */
extern const struct png_string png_strings[PNG_STRINGS];

#endif
