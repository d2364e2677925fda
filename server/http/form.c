#include "server/http/form.h"

#include "server/http/chars.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* What stands before the separator, which is taken off as well, or everything. */
static struct form_text take_until(const char **data, size_t *len, char separator)
{
	const char *end = *len ? memchr(*data, separator, *len) : NULL;
	struct form_text part = {*data, end ? (size_t)(end - *data) : *len};
	size_t taken = part.len + (end != NULL);

	if (taken) {
		*data += taken;
		*len -= taken;
	}
	return part;
}

static bool decode(struct form_text *ret, struct form_text encoded, char *store)
{
	size_t n = 0;

	for (size_t i = 0; i < encoded.len; i++) {
		char c = encoded.at[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < encoded.len ? hex_value(encoded.at[i + 1]) : -1;
			int low = high >= 0 ? hex_value(encoded.at[i + 2]) : -1;

			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		store[n++] = c;
	}
	*ret = (struct form_text){store, n};
	return true;
}

int form_next(const char **data, size_t *len, char *store, struct form_text *ret_name,
	struct form_text *ret_value)
{
	struct form_text pair, name;

	do {
		if (!*len)
			return 0;
		pair = take_until(data, len, '&');
	} while (!pair.len);
	name = take_until(&pair.at, &pair.len, '=');
	*ret_name = (struct form_text){store, 0};
	if (!decode(ret_name, name, store))
		return -EINVAL;
	return decode(ret_value, pair, store + ret_name->len) ? 1 : -EINVAL;
}
