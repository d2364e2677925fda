/* The engine that is libqrencode: the reference that the other one is held to. */
#ifndef QUERN_SERVER_QR_LIBQRENCODE_H
#define QUERN_SERVER_QR_LIBQRENCODE_H

#include "server/qr/symbol.h"

/* Bits beyond those of an ECI header that libqrencode 4.1 reckons with when it checks whether a version is large
 * enough. */
#define QR_LIBQRENCODE_ECI_SPARE_BITS 16

/* As qr_make(). */
int qr_libqrencode_make(struct qr_symbol *ret, const struct qr_fit *fit)
	__attribute__((warn_unused_result));

#endif
