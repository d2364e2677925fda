/*
 * The one parser of numbers, for the command line, the configuration and query strings. Every
 * function takes exactly `len` bytes (no NUL needed), accepts nothing around the number, and leaves
 * *ret untouched when it fails.
 *
 * 0, -EINVAL: not of the form; -ERANGE: of the form, but outside low..high (or of what the type
 * holds).
 */
#ifndef QUERN_LIB_NUMBER_H
#define QUERN_LIB_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits, an optional leading '-', no '+', no blanks. */
int number_parse_int(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
	__attribute__((warn_unused_result));

/* "20ms", "1.5s", "100us", "2m", "1h"; a bare number is refused. In microseconds. */
int number_parse_duration_us(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
	__attribute__((warn_unused_result));

/* Digits with an optional fraction ("20", "0.95", "-1.5"); no exponent, no sign but '-', nothing like
 * "nan" or "inf". Decimals beyond the ninth are not read. */
int number_parse_real(double *ret, const char *text, size_t len, double low, double high)
	__attribute__((warn_unused_result));

/* "512", "512B", "16KiB", "1MiB", "2GiB" (1024s). In bytes. */
int number_parse_size(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
	__attribute__((warn_unused_result));

#endif
