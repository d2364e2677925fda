#include "server/http/chars.h"
#include "server/http/parse_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool ipv6_valid(const char *text, size_t len)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return inet_pton(AF_INET6, copy, &address) == 1;
}

/* Length of the name or IPv4 address that text starts with, at most 255; 0 if it starts with none.
 */
static size_t name_length(const char *text, size_t len)
{
	size_t n = 0;

	for (;;) {
		n = http_chars_skip(text, n, len, CHAR_HOST);
		if (n + 2 >= len || text[n] != '%')
			break;
		if (hex_value(text[n + 1]) < 0 || hex_value(text[n + 2]) < 0)
			return 0;
		n += 3;
	}
	return n <= 255 ? n : 0;
}

static bool port_valid(const char *text, size_t len)
{
	unsigned port = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

bool parse_host_valid(const char *text, size_t len, bool need_port)
{
	size_t host;

	if (len && text[0] == '[') {
		const char *end = memchr(text, ']', len);

		if (!end || !ipv6_valid(text + 1, (size_t)(end - text) - 1))
			return false;
		host = (size_t)(end - text) + 1;
	} else {
		host = name_length(text, len);
	}
	if (!host)
		return false;
	if (host == len)
		return !need_port;
	if (need_port && host + 1 == len)
		return false;
	return text[host] == ':' && port_valid(text + host + 1, len - host - 1);
}

/* Splits what is from `at` to the target's end, and not empty, into path and query. */
static enum step origin_form(struct http_request *r, const char *data, size_t at)
{
	size_t end = r->target.at + r->target.len;
	const char *mark = memchr(data + at, '?', end - at);

	r->path = (struct http_span){at, end - at};
	if (mark) {
		size_t behind = (size_t)(mark - data) + 1;

		r->path.len = behind - 1 - at;
		r->query = (struct http_span){behind, end - behind};
	}
	return STEP_NEXT;
}

static enum step absolute_form(struct http_request *r, const char *data, size_t authority)
{
	size_t end = r->target.at + r->target.len, at = authority;

	while (at < end && data[at] != '/' && data[at] != '?')
		at++;
	if (!parse_host_valid(data + authority, at - authority, false))
		return parse_bad(r, "the request target names no valid host");
	if (at < end)
		origin_form(r, data, at);
	if (at == end || data[at] == '?')
		r->path =
			(struct http_span){authority - 1, 1}; /* no path means "/": that of "//" */
	return STEP_NEXT;
}

static bool target_starts(
	const struct http_request *r, const char *data, const char *scheme, size_t len)
{
	return r->target.len > len && !strncasecmp(data + r->target.at, scheme, len);
}

enum step parse_target_form(struct http_request *r, const char *data)
{
	const char *text = data + r->target.at;

	if (r->method_name.len == 7 && !memcmp(data + r->method_name.at, "CONNECT", 7)) {
		if (!parse_host_valid(text, r->target.len, true))
			return parse_bad(r, "the request target of CONNECT is not host:port");
		r->path = r->target;
		r->at.close = true; /* what follows may be something else than HTTP */
		return STEP_NEXT;
	}
	if (r->target.len && text[0] == '/')
		return origin_form(r, data, r->target.at);
	if (r->target.len == 1 && text[0] == '*' && r->method == HTTP_OPTIONS) {
		r->path = r->target;
		return STEP_NEXT;
	}
	if (target_starts(r, data, "http://", 7))
		return absolute_form(r, data, r->target.at + 7);
	if (target_starts(r, data, "https://", 8))
		return absolute_form(r, data, r->target.at + 8);
	return parse_bad(r, "the request target is neither a path nor an http URL");
}
