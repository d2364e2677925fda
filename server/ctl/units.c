#include "server/ctl/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *units_age(char text[UNITS_BYTES], double seconds)
{
	uint64_t s = seconds > 0 && seconds < 1e10 ? (uint64_t)seconds : 0;

	if (s < 60)
		(void)snprintf(text, UNITS_BYTES, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(text, UNITS_BYTES, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(
			text, UNITS_BYTES, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else if (s < 8640000) /* 100 days */
		(void)snprintf(
			text, UNITS_BYTES, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s / 3600 % 24);
	else
		(void)snprintf(text, UNITS_BYTES, "%" PRIu64 "d", s / 86400);
	return text;
}

/* Three digits and a unit, as of limit; below it a whole number. */
static const char *scaled(
	char text[UNITS_BYTES], double n, double limit, double step, const char *names)
{
	if (!(n >= limit)) {
		(void)snprintf(text, UNITS_BYTES, "%.0f", n > 0 ? n : 0);
		return text;
	}
	n /= step;
	/* What would be rounded up to the next unit belongs to it. */
	while (n >= step - 0.5 && names[1]) {
		n /= step;
		names++;
	}
	(void)snprintf(text, UNITS_BYTES, "%.*f%c", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, *names);
	return text;
}

const char *units_bytes(char text[UNITS_BYTES], double bytes)
{
	static const char names[] = "KMGTPE";
	const char *name = names;

	if (!(bytes >= 1024))
		return scaled(text, bytes, 1024, 1024, names);
	for (bytes /= 1024; bytes >= 1023.5 && name[1]; name++)
		bytes /= 1024;
	(void)snprintf(text, UNITS_BYTES, "%.*f%c", bytes < 99.95 ? 1 : 0, bytes, *name);
	return text;
}

const char *units_count(char text[UNITS_BYTES], double n)
{
	return scaled(text, n, 99999.5, 1000, "kMGTPE");
}

const char *units_rate(char text[UNITS_BYTES], double n)
{
	if (n < 0.05 || n >= 99.95)
		return units_count(text, n < 0.05 ? 0 : n);
	(void)snprintf(text, UNITS_BYTES, "%.1f", n);
	return text;
}

const char *units_ms(char text[UNITS_BYTES], double ms)
{
	if (isnan(ms))
		(void)snprintf(text, UNITS_BYTES, "-");
	else
		(void)snprintf(text, UNITS_BYTES, "%.*f", ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0, ms);
	return text;
}

const char *units_percent(char text[UNITS_BYTES], double share)
{
	(void)snprintf(text, UNITS_BYTES, "%.0f%%", share * 100);
	return text;
}

const char *units_grouped(char text[UNITS_BYTES], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *to = text;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}
