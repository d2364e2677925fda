/*
 * Results on their way out: a file, or "-" for standard output. A full disk is an error that is
 * told, never a short file that looks whole: files are written beside their place and renamed.
 */
#ifndef QUERN_BENCH_OUTPUT_H
#define QUERN_BENCH_OUTPUT_H

#include "lib/buffer.h"

#include <jansson.h>

/*
 * 0 or -errno (-ENOMEM where text has failed). Devices and pipes (/dev/stdout) are written in
 * place.
 */
int output_text(const char *path, const struct buffer *text) __attribute__((warn_unused_result));

/* Whether output_text() may write there, as far as it can be told beforehand: 0 or -errno. */
int output_check(const char *path) __attribute__((warn_unused_result));

/* Indented JSON and a newline; object is borrowed. */
int output_json(const char *path, const json_t *object) __attribute__((warn_unused_result));

/*
 * One line of compact JSON appended and flushed to the disk (fdatasync); a line that an interrupted
 * writer left without its newline is cut off before.
 */
int output_append_line(const char *path, const json_t *object) __attribute__((warn_unused_result));

#endif
