/* A small HTTP client for the admin address: one GET, one connection, one deadline for all of it.
 */
#ifndef QUERN_SERVER_CTL_FETCH_H
#define QUERN_SERVER_CTL_FETCH_H

#include "lib/buffer.h"

#include <stddef.h>

#define FETCH_BODY_BYTES (64u << 20) /* a longer answer is refused */
#define FETCH_WHY_BYTES 256

/*
 * Appends the body of a 200 answer to *body. 0; or -errno, and then why is one line for people that
 * names the address, what went wrong and, where it helps, what to look at. -EINVAL: address is not
 * HOST:PORT; -EPROTO: what answers there does not speak HTTP as quernd does, or not with 200;
 * -ETIMEDOUT; or what connecting or reading gave.
 */
int fetch_get(const char *address, const char *path, int timeout_ms, struct buffer *body,
	char why[FETCH_WHY_BYTES]) __attribute__((warn_unused_result));

#endif
