#include "bench/load/response_field.h"

#include <string.h>
#include <strings.h>

struct field {
	const char *name;
	bool (*take)(struct response *r, const char *value, size_t len);
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **at, size_t *len)
{
	while (*len && is_blank((*at)[0])) {
		++*at;
		--*len;
	}
	while (*len && is_blank((*at)[*len - 1]))
		--*len;
}

/* The next element of a list divided by commas, blanks around it removed; false when the list has ended. */
static bool next_element(const char **list, size_t *left, const char **ret, size_t *ret_len)
{
	if (!*left)
		return false;

	const char *comma = memchr(*list, ',', *left);
	size_t whole = comma ? (size_t)(comma - *list) + 1 : *left;

	*ret = *list;
	*ret_len = comma ? whole - 1 : whole;
	*list += whole;
	*left -= whole;
	trim(ret, ret_len);
	return true;
}

static bool is(const char *at, size_t len, const char *text)
{
	return len == strlen(text) && !strncasecmp(at, text, len);
}

static bool parse_length(const char *at, size_t len, uint64_t *ret)
{
	uint64_t n = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (at[i] < '0' || at[i] > '9' || n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(at[i] - '0');
	}
	*ret = n;
	return true;
}

/* "5", and "5, 5" as a proxy may have merged it (RFC 9110 8.6); two that differ are no answer. */
static bool take_length(struct response *r, const char *value, size_t len)
{
	const char *at;
	size_t n;

	if (!len || value[len - 1] == ',')
		return false;
	while (next_element(&value, &len, &at, &n)) {
		uint64_t length;

		if (!parse_length(at, n, &length) || (r->has_length && r->length != length))
			return false;
		r->has_length = true;
		r->length = length;
	}
	return true;
}

/* Only a last coding "chunked" says where the body ends (RFC 9112 6.3). */
static bool take_coding(struct response *r, const char *value, size_t len)
{
	const char *at;
	size_t n;

	while (next_element(&value, &len, &at, &n)) {
		if (!n)
			continue;
		if (r->chunked && is(at, n, "chunked"))
			return false;
		r->has_coding = true;
		r->chunked = is(at, n, "chunked");
	}
	return true;
}

static bool take_connection(struct response *r, const char *value, size_t len)
{
	const char *at;
	size_t n;

	while (next_element(&value, &len, &at, &n)) {
		r->says_close = r->says_close || is(at, n, "close");
		r->says_keep_alive = r->says_keep_alive || is(at, n, "keep-alive");
	}
	return true;
}

static bool take_timing(struct response *r, const char *value, size_t len)
{
	timing_parse(&r->timing, value, len);
	return true;
}

static const struct field fields[] = {
	{"Content-Length", take_length},
	{"Transfer-Encoding", take_coding},
	{"Connection", take_connection},
	{"Server-Timing", take_timing},
};

bool response_field(struct response *r, const char *line, size_t len)
{
	/* obs-fold (RFC 9112 5.2): none of our fields is ever that long, and to guess would be to misread. */
	if (is_blank(line[0]))
		return r->may_fold;

	const char *colon = memchr(line, ':', len);

	if (!colon || colon == line || is_blank(colon[-1]))
		return false;

	size_t name_len = (size_t)(colon - line);
	const char *value = colon + 1;
	size_t value_len = len - name_len - 1;

	trim(&value, &value_len);
	r->may_fold = false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (is(line, name_len, fields[i].name))
			return fields[i].take(r, value, value_len);
	r->may_fold = true;
	return true;
}
