/* Codewords to modules: ISO/IEC 18004:2015, clause 7.7.3. */
#ifndef QUERN_SERVER_QR_PLACEMENT_H
#define QUERN_SERVER_QR_PLACEMENT_H

#include "server/qr/plane.h"
#include "server/qr/tables.h"

/* A message has room for the remainder bits and for whole words behind it. */
#define QR_MESSAGE_BYTES (QR_MAX_CODEWORDS + 6 + 8)

/*
 * Puts the version's codewords where *reserved leaves room. *columns is the transposed plane: its lines are the
 * symbol's columns; everything reserved is 0 in it. `message` holds QR_MESSAGE_BYTES, and what is behind the codewords
 * is overwritten.
 */
void qr_place(struct qr_plane *columns, const struct qr_plane *reserved, uint8_t *message,
	unsigned version);

#endif
