#include "bench/load/target.h"

#include "lib/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_BYTES 253u /* a DNS name's longest (RFC 1035 2.3.4) */

/* The parts of an URL as they stand in it. */
struct parts {
	bool tls;
	bool bracketed; /* host is an IPv6 address, without its brackets */
	const char *host;
	size_t host_len;
	uint16_t port;
	const char *rest; /* "", "/...", or "?..." */
};

static int wrong(struct buffer *error, const char *url, const char *what)
{
	buffer_printf(error,
		"'%s' is no URL to load: %s; allowed is http://HOST[:PORT][/PATH] or https://..., "
		"HOST a name, an IPv4 address or an IPv6 address in brackets",
		url, what);
	return -EINVAL;
}

/* What is wrong with the URL's bytes, wherever they stand; NULL: nothing. */
static const char *bad_byte(const char *url)
{
	for (const char *c = url; *c; c++) {
		if (*c == '#')
			return "a fragment (#) is never sent to a server";
		if (*c <= ' ' || *c > '~')
			return "only printable ASCII may stand in it, anything else "
			       "percent-encoded";
	}
	return NULL;
}

static bool host_is_good(const struct parts *p)
{
	static const char of_a_name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	if (!p->host_len || p->host_len > HOST_BYTES)
		return false;
	if (!p->bracketed)
		return strspn(p->host, of_a_name) >= p->host_len;

	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (p->host_len >= sizeof(text))
		return false;
	memcpy(text, p->host, p->host_len);
	text[p->host_len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* Returns what is wrong, or NULL. */
static const char *split_authority(struct parts *p, const char *at, size_t len)
{
	const char *end = at + len;
	const char *colon;

	if (memchr(at, '@', len))
		return "user names and passwords are not sent";
	p->bracketed = len && *at == '[';
	if (p->bracketed) {
		const char *bracket = memchr(at, ']', len);

		if (!bracket)
			return "the bracket of the IPv6 address is not closed";
		p->host = at + 1;
		p->host_len = (size_t)(bracket - p->host);
		colon = bracket + 1;
	} else {
		colon = memchr(at, ':', len);
		p->host = at;
		p->host_len = (size_t)((colon ? colon : end) - at);
	}
	if (!p->host_len)
		return "there is no host";
	if (!host_is_good(p))
		return p->bracketed ? "what stands in brackets is no IPv6 address"
				    : "the host is neither a name nor an address";
	if (!colon || colon == end)
		return NULL;

	int64_t port;

	if (*colon != ':' ||
		number_parse_int(&port, colon + 1, (size_t)(end - colon - 1), 1, UINT16_MAX))
		return "the port must be a number from 1 to 65535";
	p->port = (uint16_t)port;
	return NULL;
}

static const char *split(struct parts *p, const char *url)
{
	const char *bad = bad_byte(url);
	const char *authority;

	if (bad)
		return bad;
	*p = (struct parts){.port = 80};
	if (!strncasecmp(url, "http://", 7)) {
		authority = url + 7;
	} else if (!strncasecmp(url, "https://", 8)) {
		authority = url + 8;
		p->tls = true;
		p->port = 443;
	} else {
		return "it does not begin with http:// or https://";
	}
	p->rest = authority + strcspn(authority, "/?");
	return split_authority(p, authority, (size_t)(p->rest - authority));
}

static char *authority_of(const struct parts *p)
{
	const uint16_t usual = p->tls ? 443 : 80;
	char *text = NULL;
	const char *open = p->bracketed ? "[" : "", *close = p->bracketed ? "]" : "";
	int n;

	if (p->port == usual)
		n = asprintf(&text, "%s%.*s%s", open, (int)p->host_len, p->host, close);
	else
		n = asprintf(&text, "%s%.*s%s:%u", open, (int)p->host_len, p->host, close,
			(unsigned)p->port);
	return n < 0 ? NULL : text;
}

static char *path_of(const struct parts *p)
{
	char *text = NULL;

	return asprintf(&text, "%s%s", *p->rest == '/' ? "" : "/", p->rest) < 0 ? NULL : text;
}

/* AI_ADDRCONFIG: on a host without IPv6, "localhost" is 127.0.0.1 even where /etc/hosts has ::1 as well. */
static int resolve(struct target *t, uint16_t port, struct buffer *error)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
	struct addrinfo *found;
	char service[8];
	int failed;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	failed = getaddrinfo(t->host, service, &hints, &found);
	if (failed) {
		buffer_printf(
			error, "the host '%s' has no address: %s", t->host, gai_strerror(failed));
		return -ENOENT;
	}
	memcpy(&t->address.storage, found->ai_addr, found->ai_addrlen);
	t->address.len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int target_parse(struct target *ret, const char *url, struct buffer *error)
{
	struct parts p;
	const char *what = split(&p, url);
	int r = 0;

	if (what)
		return wrong(error, url, what);

	struct target t = {
		.tls = p.tls,
		.host = strndup(p.host, p.host_len),
		.authority = authority_of(&p),
		.path = path_of(&p),
	};

	if (!t.host || !t.authority || !t.path) {
		buffer_puts(error, "no memory");
		r = -ENOMEM;
	} else {
		r = resolve(&t, p.port, error);
	}
	if (r) {
		target_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void target_done(struct target *t)
{
	free(t->host);
	free(t->authority);
	free(t->path);
	*t = (struct target){0};
}
