/* Quern's own engine: fit to symbol. */
#ifndef QUERN_SERVER_QR_ENGINE_H
#define QUERN_SERVER_QR_ENGINE_H

#include "server/qr/symbol.h"

/* As qr_make(), but cannot fail. */
void qr_engine_make(struct qr_symbol *ret, const struct qr_fit *fit);

#endif
