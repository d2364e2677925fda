#include "server/http/refusal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at s (RFC 3629; the NUL that ends s ends it too), or 0 if it is
 * none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
		return 0; /* overlong; surrogate */
	if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0; /* overlong; beyond U+10FFFF */
	return n;
}

/* Whatever is no UTF-8 becomes '?'; a character that was cut in two at the end goes. */
static void make_utf8(char *text, bool cut)
{
	unsigned char *s = (unsigned char *)text;

	while (*s) {
		size_t n = utf8_length(s);

		if (!n && cut && s[0] >= 0xc2 && strlen((char *)s) < 4) {
			*s = '\0';
			return;
		}
		if (!n)
			*s = '?';
		s += n ? n : 1;
	}
}

bool http_refuse(struct http_refusal *r, int status, const char *code, const char *parameter,
	const char *format, ...)
{
	va_list arguments;
	int n;

	r->status = status;
	r->code = code;
	r->parameter = parameter;
	va_start(arguments, format);
	n = vsnprintf(r->message, sizeof(r->message), format, arguments);
	va_end(arguments);
	if (n < 0)
		r->message[0] = '\0';
	make_utf8(r->message, n >= (int)sizeof(r->message));
	return false;
}

_Bool http_refuse_memory(struct http_refusal *r)
{
	return http_refuse(r, 503, "overloaded", NULL, "out of memory");
}
