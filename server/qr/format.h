/* Format information: which level and mask a symbol has (ISO/IEC 18004:2015, clause 7.9). */
#ifndef QUERN_SERVER_QR_FORMAT_H
#define QUERN_SERVER_QR_FORMAT_H

#include "server/qr/plane.h"

#define QR_FORMAT_LINE 8 /* the row, and the column, that hold it */

/* The dark modules of row 8 and of column 8 that are format information, or the dark module at the end of it. */
struct qr_format {
	uint64_t row[QR_ROW_WORDS], column[QR_ROW_WORDS];
};

void qr_format_draw(struct qr_format *ret, unsigned version, enum qr_level level, unsigned mask);

#endif
