/* Classes of bytes in HTTP (RFC 9110, 9112, 3986), and hexadecimal digits. */
#ifndef QUERN_SERVER_HTTP_CHARS_H
#define QUERN_SERVER_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May be or-ed: bytes of either class. */
enum http_char {
	CHAR_TOKEN = 1,	 /* methods, field names, list members */
	CHAR_TARGET = 2, /* request targets: 0x21 to 0x7e but '#' */
	CHAR_VALUE = 4,	 /* field values: TAB, blank, visible, 0x80 to 0xff */
	CHAR_HOST = 8,	 /* a host's name: unreserved and sub-delims, but ',' (a list of hosts?) and
			    '%' */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned classes)
{
	return http_chars[(unsigned char)c] & classes;
}

/* Index of the first byte in from..len that is of none of the classes; len if there is none. */
static inline size_t http_chars_skip(const char *data, size_t from, size_t len, unsigned classes)
{
	/* Four bytes with a class in common are all good; where they have none, it is seen one by one. */
	for (; from + 4 <= len; from += 4) {
		const unsigned char *at = (const unsigned char *)data + from;

		if (!(http_chars[at[0]] & http_chars[at[1]] & http_chars[at[2]] &
			    http_chars[at[3]] & classes))
			break;
	}
	while (from < len && http_char_is(data[from], classes))
		from++;
	return from;
}

/* 0 to 15, or -1. */
static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
