/*
 * Remainders for the Reed-Solomon codes of ISO/IEC 18004:2015, clause 7.5.2 and annex A. Made at
 * build time by tools/qr_tables.c.
 */
#ifndef QUERN_SERVER_QR_CORRECTION_TABLES_H
#define QUERN_SERVER_QR_CORRECTION_TABLES_H

#include "server/qr/tables.h"

#include <stdint.h>

#define QR_GENERATORS 13      /* lengths that table 9 has: 7 to 30 */
#define QR_REMAINDER_BYTES 32 /* the largest remainder, rounded up to vectors */

/* Which of the generator polynomials has n correction codewords; for the lengths of table 9. */
extern const uint8_t qr_remainders_at[QR_MAX_CORRECTION + 1];

/*
 * For a generator polynomial g of n correction codewords, [j][0][b] is b * x^(n + 3 - j) modulo g,
 * and [j][1][b] is 16 * b * x^(n + 3 - j). The 32 coefficients, highest first and zeros behind the
 * n, are eight words of four; words 0, 2, 4, 6 stand before words 1, 3, 5, 7.
 */
extern const uint8_t qr_remainders[QR_GENERATORS][4][2][16][QR_REMAINDER_BYTES]
	__attribute__((aligned(QR_REMAINDER_BYTES)));

#endif
