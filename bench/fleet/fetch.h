/*
 * One GET, blocking, with one deadline for all of it: what the lab asks admin and statistics pages.
 */
#ifndef QUERN_BENCH_FLEET_FETCH_H
#define QUERN_BENCH_FLEET_FETCH_H

#include "lib/buffer.h"

#define FETCH_BYTES_MOST (16u << 20)

/*
 * Appends the body of a 200 answer to body. address: HOST:PORT, numeric. 0, or -errno with a
 * sentence in error that names the address: -EINVAL (not an address), -EPROTO (no HTTP, or another
 * status), -ETIMEDOUT, or what connecting gave.
 */
int fetch_page(const char *address, const char *path, int timeout_ms, struct buffer *body,
	struct buffer *error) __attribute__((warn_unused_result));

#endif
