/* Numeric socket addresses: "127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "[::]:80". No names, no
 * resolver. */
#ifndef QUERN_LIB_ADDRESS_H
#define QUERN_LIB_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_BYTES 64 /* enough for any address_format(), NUL included */

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* HOST:PORT, port 1 to 65535 (0 allowed where allow_zero_port: the kernel chooses). 0 or -EINVAL.
 */
int address_parse(struct address *ret, const char *text, bool allow_zero_port)
	__attribute__((warn_unused_result));

/* HOST alone, with the port given apart. 0 or -EINVAL. */
int address_from_host(struct address *ret, const char *host, uint16_t port)
	__attribute__((warn_unused_result));

uint16_t address_port(const struct address *a);

/* 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *a);

/* 0.0.0.0 or ::. */
bool address_is_any(const struct address *a);

/*
 * Whether both hosts name a common local address, ports aside: the same one, or one of them is any
 * address and takes the other one's family (:: takes both). ::ffff:127.0.0.1 counts as 127.0.0.1.
 */
bool address_hosts_overlap(const struct address *a, const struct address *b);

/* "host:port", IPv6 in brackets. Writes at most n bytes, NUL included, and returns text. */
const char *address_format(const struct address *a, char *text, size_t n);

#endif
