/*
 * application/x-www-form-urlencoded, as in query strings and form bodies (WHATWG URL, section 5.1):
 * name=value pairs joined by '&', '+' is a blank, %XX a byte. Pure.
 */
#ifndef QUERN_SERVER_HTTP_FORM_H
#define QUERN_SERVER_HTTP_FORM_H

#include <stddef.h>

/* Bytes with no NUL behind them; NULs possible within. */
struct form_text {
	const char *at;
	size_t len;
};

/*
 * Takes the next pair off the front of the *len bytes at *data and decodes it into `store`, which
 * the caller gives, apart from the data and with room for *len bytes; name and value point into it.
 * The value of "name" alone is empty, empty pairs ("&&") are skipped. 1: a pair. 0: no more.
 * -EINVAL: a '%' without two hexadecimal digits behind it; the pair is taken off all the same, and
 * *ret_name is its name, for the message, if that could be decoded (else empty).
 */
int form_next(const char **data, size_t *len, char *store, struct form_text *ret_name,
	struct form_text *ret_value) __attribute__((warn_unused_result));

#endif
