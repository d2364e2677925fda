#include "lib/number.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A fraction is read this far; whatever follows is below anything that a unit here can show. */
#define FRACTION_DIGITS 9

struct unit {
	const char *name;
	int64_t factor;
};

/* Reads the digits at text[*at], moving *at past them. -EINVAL: there are none. -ERANGE: too big
 * for an int64_t. */
static int parse_digits(int64_t *ret, const char *text, size_t len, size_t *at)
{
	const size_t start = *at;
	bool overflow = false;
	int64_t value = 0;

	for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; (*at)++)
		overflow |= __builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, text[*at] - '0', &value);
	if (*at == start)
		return -EINVAL;
	*ret = value;
	return overflow ? -ERANGE : 0;
}

/* Reads ".25" at text[*at] as round(0.25 * factor), moving *at past it; 0 when no '.' stands there.
 */
static int parse_fraction(
	int64_t *ret, const char *text, size_t len, size_t *at, size_t *ret_digits)
{
	int64_t value = 0;
	size_t digits = 0;

	*ret = 0;
	*ret_digits = 0;
	if (*at == len || text[*at] != '.')
		return 0;
	const size_t start = ++*at;
	for (; *at < len && text[*at] >= '0' && text[*at] <= '9'; (*at)++) {
		if (digits == FRACTION_DIGITS)
			continue;
		value = value * 10 + (text[*at] - '0');
		digits++;
	}
	if (*at == start)
		return -EINVAL;
	*ret = value;
	*ret_digits = digits;
	return 0;
}

/* The factor of the unit that is all of text[0..len), or 0. */
static int64_t find_unit(const struct unit *units, const char *text, size_t len)
{
	for (; units->name; units++)
		if (strlen(units->name) == len && memcmp(units->name, text, len) == 0)
			return units->factor;
	return 0;
}

static int store_in_range(int64_t *ret, int64_t value, int64_t low, int64_t high)
{
	if (value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

int number_parse_int(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
{
	const bool negative = len > 0 && text[0] == '-';
	size_t at = negative;
	bool overflow = false;
	int64_t value = 0;

	if (at == len)
		return -EINVAL;
	/* Grown towards its own sign, so that INT64_MIN can be read. */
	for (; at < len; at++) {
		if (text[at] < '0' || text[at] > '9')
			return -EINVAL;
		const int digit = text[at] - '0';
		overflow |= __builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, negative ? -digit : digit, &value);
	}
	return overflow ? -ERANGE : store_in_range(ret, value, low, high);
}

int number_parse_duration_us(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
{
	static const struct unit units[] = {
		{"us", 1},
		{"ms", 1000},
		{"s", 1000000},
		{"m", INT64_C(60) * 1000000},
		{"h", INT64_C(3600) * 1000000},
		{NULL, 0},
	};
	int64_t whole = 0;
	int64_t fraction;
	size_t fraction_digits;
	size_t at = 0;

	const int digits = parse_digits(&whole, text, len, &at);
	if (digits == -EINVAL || parse_fraction(&fraction, text, len, &at, &fraction_digits) < 0)
		return -EINVAL;
	const int64_t factor = find_unit(units, text + at, len - at);
	if (factor == 0)
		return -EINVAL;
	if (digits < 0)
		return -ERANGE;

	/* At most 10^9 * 3.6 * 10^9, which fits. */
	int64_t scale = 1;
	for (size_t i = 0; i < fraction_digits; i++)
		scale *= 10;
	fraction = (fraction * factor + scale / 2) / scale;

	int64_t value;
	if (__builtin_mul_overflow(whole, factor, &value) ||
		__builtin_add_overflow(value, fraction, &value))
		return -ERANGE;
	return store_in_range(ret, value, low, high);
}

int number_parse_real(double *ret, const char *text, size_t len, double low, double high)
{
	const bool negative = len > 0 && text[0] == '-';
	int64_t whole = 0;
	int64_t fraction;
	size_t fraction_digits;
	size_t at = negative;

	const int digits = parse_digits(&whole, text, len, &at);
	if (digits == -EINVAL || parse_fraction(&fraction, text, len, &at, &fraction_digits) < 0 ||
		at != len)
		return -EINVAL;
	if (digits < 0)
		return -ERANGE;
	double scale = 1;
	for (size_t i = 0; i < fraction_digits; i++)
		scale *= 10;
	double value = (double)whole + (double)fraction / scale;
	if (negative)
		value = -value;
	if (value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

int number_parse_size(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high)
{
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"KiB", INT64_C(1) << 10},
		{"MiB", INT64_C(1) << 20},
		{"GiB", INT64_C(1) << 30},
		{NULL, 0},
	};
	int64_t whole = 0;
	size_t at = 0;

	const int digits = parse_digits(&whole, text, len, &at);
	if (digits == -EINVAL)
		return -EINVAL;
	const int64_t factor = find_unit(units, text + at, len - at);
	if (factor == 0)
		return -EINVAL;

	int64_t value;
	if (digits < 0 || __builtin_mul_overflow(whole, factor, &value))
		return -ERANGE;
	return store_in_range(ret, value, low, high);
}
