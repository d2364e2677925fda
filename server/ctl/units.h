/*
 * Figures as people read them, short enough for a column. Each returns text, which holds at least
 * UNITS_BYTES.
 */
#ifndef QUERN_SERVER_CTL_UNITS_H
#define QUERN_SERVER_CTL_UNITS_H

#include <stdint.h>

#define UNITS_BYTES 32

/* "9s" "5m03s" "3h12m" "14d3h" "120d": 6 characters up to 273 years. */
const char *units_age(char text[UNITS_BYTES], double seconds);

/* "512" "7.3K" "61.2M" "1.5G", powers of 1024, as ls -h: 6 characters at most. */
const char *units_bytes(char text[UNITS_BYTES], double bytes);

/* "0" "99999" "123k" "1.23M" "45.6G": 5 characters at most, exact below 100,000. */
const char *units_count(char text[UNITS_BYTES], double n);

/* Like units_count() with decimals for small ones: "0" "0.4" "12.5" "123". */
const char *units_rate(char text[UNITS_BYTES], double n);

/*
 * Milliseconds, three digits: "0.02" "1.25" "12.5" "125" "12500"; "-" for NAN (nothing was
 * measured).
 */
const char *units_ms(char text[UNITS_BYTES], double ms);

/* A share as a percentage: "0%" "1%" "100%". */
const char *units_percent(char text[UNITS_BYTES], double share);

/* With a comma between thousands: "1,234,567". */
const char *units_grouped(char text[UNITS_BYTES], uint64_t n);

#endif
