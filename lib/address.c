#include "lib/address.h"

#include "lib/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* sockaddr_storage is made to be read as any of these. */
static const struct sockaddr_in *as_v4(const struct address *a)
{
	return (const void *)&a->storage;
}

static const struct sockaddr_in6 *as_v6(const struct address *a)
{
	return (const void *)&a->storage;
}

int address_from_host(struct address *ret, const char *host, uint16_t port)
{
	struct address a = {0};
	struct sockaddr_in *v4 = (void *)&a.storage;
	struct sockaddr_in6 *v6 = (void *)&a.storage;

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		a.len = sizeof *v4;
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		a.len = sizeof *v6;
	} else {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

int address_parse(struct address *ret, const char *text, bool allow_zero_port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDRESS_TEXT_BYTES];
	struct address a;
	int64_t port;

	if (!colon)
		return -EINVAL;
	if (number_parse_int(
		    &port, colon + 1, strlen(colon + 1), allow_zero_port ? 0 : 1, UINT16_MAX) < 0)
		return -EINVAL;

	/* Brackets if and only if it is IPv6, or "::1:80" would have two readings. */
	size_t len = (size_t)(colon - text);
	const bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof host)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (address_from_host(&a, host, (uint16_t)port) < 0)
		return -EINVAL;
	if (bracketed != (a.storage.ss_family == AF_INET6))
		return -EINVAL;
	*ret = a;
	return 0;
}

uint16_t address_port(const struct address *a)
{
	return ntohs(a->storage.ss_family == AF_INET6 ? as_v6(a)->sin6_port : as_v4(a)->sin_port);
}

bool address_is_loopback(const struct address *a)
{
	if (a->storage.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&as_v6(a)->sin6_addr);
	return ntohl(as_v4(a)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool address_is_any(const struct address *a)
{
	if (a->storage.ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&as_v6(a)->sin6_addr);
	return as_v4(a)->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* The family and the bytes of the host, in host[16]; an IPv4 address in IPv6's clothes counts as
 * IPv4. */
static sa_family_t plain_host(const struct address *a, unsigned char *host)
{
	const struct in6_addr *v6 = &as_v6(a)->sin6_addr;

	memset(host, 0, sizeof *v6);
	if (a->storage.ss_family == AF_INET) {
		memcpy(host, &as_v4(a)->sin_addr, sizeof as_v4(a)->sin_addr);
		return AF_INET;
	}
	if (IN6_IS_ADDR_V4MAPPED(v6)) {
		memcpy(host, &v6->s6_addr[12], sizeof as_v4(a)->sin_addr);
		return AF_INET;
	}
	memcpy(host, v6, sizeof *v6);
	return AF_INET6;
}

bool address_hosts_overlap(const struct address *a, const struct address *b)
{
	static const unsigned char any[sizeof(struct in6_addr)];
	unsigned char host_a[sizeof any];
	unsigned char host_b[sizeof any];
	const sa_family_t family_a = plain_host(a, host_a);
	const sa_family_t family_b = plain_host(b, host_b);
	const bool any_a = memcmp(host_a, any, sizeof any) == 0;
	const bool any_b = memcmp(host_b, any, sizeof any) == 0;

	if ((any_a && family_a == AF_INET6) || (any_b && family_b == AF_INET6))
		return true;
	return family_a == family_b && (any_a || any_b || memcmp(host_a, host_b, sizeof any) == 0);
}

const char *address_format(const struct address *a, char *text, size_t n)
{
	const bool is_v6 = a->storage.ss_family == AF_INET6;
	const void *bytes = is_v6 ? (const void *)&as_v6(a)->sin6_addr : &as_v4(a)->sin_addr;
	char host[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->storage.ss_family, bytes, host, sizeof host);
	snprintf(text, n, is_v6 ? "[%s]:%u" : "%s:%u", host, address_port(a));
	return text;
}
