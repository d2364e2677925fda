/*
 * Function patterns and version information: what a version's symbols all have in common (ISO/IEC 18004:2015, clauses
 * 6.3 and 7.10).
 */
#ifndef QUERN_SERVER_QR_PATTERN_H
#define QUERN_SERVER_QR_PATTERN_H

#include "server/qr/plane.h"

/*
 * Sets the modules that no data may use, and those of them that are dark: finder, separator, timing and alignment
 * patterns and version information. The places of format information and the dark module beside it are reserved, but
 * not set in *dark (see format.h). So both planes are the same when rows and columns are exchanged.
 */
void qr_pattern_draw(struct qr_plane *reserved, struct qr_plane *dark, unsigned version);

#endif
