/* A text as a symbol's data codewords (ISO/IEC 18004:2015, clause 7.4). Pure. */
#ifndef QUERN_SERVER_QR_DATA_H
#define QUERN_SERVER_QR_DATA_H

#include "server/qr/symbol.h"

#include <stdint.h>

/*
 * Writes what qr_fit() found: the ECI header if there is one, the segments, the terminator and the
 * padding. Exactly qr_versions[version].level[level].data bytes; fit->version is not 0, and the
 * text must still be there.
 */
void qr_data_write(uint8_t *data, const struct qr_fit *fit);

#endif
