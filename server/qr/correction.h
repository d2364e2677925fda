/*
 * Error correction (ISO/IEC 18004:2015, clause 7.5) and the order of a symbol's codewords (clause
 * 7.6). Pure.
 */
#ifndef QUERN_SERVER_QR_CORRECTION_H
#define QUERN_SERVER_QR_CORRECTION_H

#include "server/qr/symbol.h"

#include <stdint.h>

/*
 * Divides the data codewords of a symbol, of which there are
 * qr_versions[version].level[level].data, into blocks, computes the correction codewords of each,
 * and writes all of them in the order in which they are placed: qr_versions[version].codewords
 * bytes. message and data do not overlap.
 */
void qr_correct(uint8_t *message, const uint8_t *data, unsigned version, enum qr_level level);

#endif
