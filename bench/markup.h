/* Text within HTML and SVG. */
#ifndef QUERN_BENCH_MARKUP_H
#define QUERN_BENCH_MARKUP_H

#include "lib/buffer.h"

/* Escaped, for elements and for attributes in quotes. Control characters become blanks. */
void markup_text(struct buffer *out, const char *text);

#endif
