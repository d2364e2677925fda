/*
 * Where a load goes: http://HOST[:PORT][/PATH] or https://. HOST is a name, an IPv4 address or an
 * IPv6 address in brackets. Resolved once, with getaddrinfo(), before the run.
 */
#ifndef QUERN_BENCH_LOAD_TARGET_H
#define QUERN_BENCH_LOAD_TARGET_H

#include "lib/address.h"
#include "lib/buffer.h"

#include <stdbool.h>

struct target {
	bool tls;
	char *host; /* for SNI and certificates; without brackets; owned */
	char *authority; /* for the Host field: HOST[:PORT], port left out where it is the scheme's own; owned */
	char *path;		/* path and query, at least "/"; owned */
	struct address address; /* the first one that getaddrinfo() gave */
};

/*
 * 0; -EINVAL (URL) or -ENOENT (no such host) with a sentence in error. The caller frees with
 * target_done().
 */
int target_parse(struct target *ret, const char *url, struct buffer *error)
	__attribute__((warn_unused_result));
void target_done(struct target *t);

#endif
