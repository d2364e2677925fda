/*
 * Data masking: ISO/IEC 18004:2015, clause 7.8. Of the eight masks the one with the lowest penalty is taken, the first of
 * equals. Where the standard leaves room, the penalty is libqrencode's, so that both choose the same mask:
 *
 *   N1  run - 2 for each run of 5 or more modules of one colour in a row or column
 *   N2  3 for each block of 2 x 2 modules of one colour; blocks overlap
 *   N3  40 for each dark-light-dark-light-dark pattern of exact runs f:f:3f:f:f, any f, with light of at least 4f on
 *       either side, once; outside the symbol all is light
 *   N4  |((200 * dark + w * w) / (w * w)) / 2 - 50| / 5 * 10, in whole numbers
 */
#ifndef QUERN_SERVER_QR_MASK_H
#define QUERN_SERVER_QR_MASK_H

#include "server/qr/format.h"
#include "server/qr/plane.h"

#define QR_MASKS 8

/* A symbol without mask and format information, and the same transposed. */
struct qr_unmasked {
	unsigned version;
	enum qr_level level;
	struct qr_plane reserved; /* is its own transpose */
	struct qr_plane rows, columns;
};

/* Writes the symbol with the mask of the lowest penalty, which is returned, and its format information. */
unsigned qr_mask(struct qr_symbol *ret, const struct qr_unmasked *s);

/* The same with a mask that is given. */
void qr_mask_apply(struct qr_symbol *ret, const struct qr_unmasked *s, unsigned mask);

#endif
