/*
 * What the standard fixes for each version and level. The tables are made at build time by tools/qr_tables.c, which
 * holds the standard's figures and computes the rest.
 */
#ifndef QUERN_SERVER_QR_TABLES_H
#define QUERN_SERVER_QR_TABLES_H

#include <stdint.h>

#define QR_VERSIONS 40
#define QR_MAX_CODEWORDS 3706 /* of version 40: data and correction */
#define QR_MAX_CORRECTION 30  /* correction codewords of a block */
#define QR_MAX_ALIGNMENT_CENTRES 7

/* How a level divides a version's codewords: ISO/IEC 18004:2015, table 9. */
struct qr_blocks {
	uint8_t blocks; /* the first ones hold data / blocks codewords, the last data % blocks ones one more */
	uint8_t correction; /* correction codewords of each block */
	uint16_t data;	    /* data codewords of all blocks */
};

struct qr_version {
	uint16_t codewords; /* data and correction; table 1 */
	uint32_t
		information; /* version information, 18 bits, most significant first; 0 below version 7 (annex D) */
	uint8_t n_centres;
	uint8_t centre
		[QR_MAX_ALIGNMENT_CENTRES]; /* rows, and columns, of alignment patterns' centres; annex E */
	struct qr_blocks level[4];	    /* by enum qr_level */
};

/* Index 0 is unused. */
extern const struct qr_version qr_versions[QR_VERSIONS + 1];

/* Format information, 15 bits, masked (annex C), by enum qr_level and mask; bit 14 is the first. */
extern const uint16_t qr_format_bits[4][8];

#endif
