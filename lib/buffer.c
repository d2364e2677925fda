#include "lib/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_CAP 64u

void buffer_init(struct buffer *b)
{
	*b = (struct buffer){0};
}

void buffer_done(struct buffer *b)
{
	free(b->data);
	buffer_init(b);
}

void buffer_reset(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

void buffer_consume(struct buffer *b, size_t n)
{
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}

char *buffer_reserve(struct buffer *b, size_t n)
{
	if (b->failed || n > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		return NULL;
	}
	if (b->cap - b->len < n || !b->data) {
		size_t cap = b->cap ? b->cap : SMALLEST_CAP;

		while (cap - b->len < n)
			cap *= 2;
		char *data = realloc(b->data, cap);
		if (!data) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

void buffer_append_anyhow(struct buffer *b, const void *data, size_t n)
{
	if (n == 0)
		return;
	char *to = buffer_reserve(b, n);

	if (!to)
		return;
	memcpy(to, data, n);
	b->len += n;
}

void buffer_put_u64(struct buffer *b, unsigned long long value)
{
	char digits[20];
	size_t at = sizeof(digits);

	if (value < 10) {
		buffer_putc(b, (char)('0' + value));
		return;
	}
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buffer_append(b, digits + at, sizeof(digits) - at);
}

void buffer_put_ms(struct buffer *b, unsigned long long us)
{
	unsigned rest = (unsigned)(us % 1000u);
	char decimals[4] = {'.', (char)('0' + rest / 100u), (char)('0' + rest / 10u % 10u),
		(char)('0' + rest % 10u)};

	buffer_put_u64(b, us / 1000u);
	buffer_append(b, decimals, sizeof(decimals));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	/* The NUL that vsnprintf writes needs room as well, though it is not counted in len. */
	char *to = n < 0 ? NULL : buffer_reserve(b, (size_t)n + 1);
	if (to) {
		(void)vsnprintf(to, (size_t)n + 1, format, again);
		b->len += (size_t)n;
	} else {
		b->failed = true;
	}
	va_end(again);
}

const char *buffer_cstring(struct buffer *b)
{
	char *end = buffer_reserve(b, 1);

	if (!end)
		return NULL;
	*end = '\0';
	return b->data;
}
