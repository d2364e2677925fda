/* An HTTP/1.1 answer out of a connection's bytes, and whether it is what it must be. */
#ifndef QUERN_TESTS_FAULTS_ANSWER_H
#define QUERN_TESTS_FAULTS_ANSWER_H

#include "tests/faults/targets.h"

#include <stdbool.h>
#include <stddef.h>

struct answer {
	unsigned status;
	bool close;	     /* the server will send no more on this connection */
	bool retry_after;    /* there was such a field */
	int slot;	     /* the worker by Server-Timing; -1: none is named */
	long content_length; /* -1: none */
	char type[TARGET_FIELD_BYTES];
	char etag[TARGET_FIELD_BYTES];
	size_t head_bytes, body_bytes;
};

enum answer_parsed { ANSWER_MORE, ANSWER_WHOLE, ANSWER_MALFORMED };

/*
 * Reads the answer at the beginning of in[n]; head: to a HEAD request. Only Content-Length delimits bodies, since nothing
 * else is sent by the fleet; an answer that has a body without it is malformed. `ret` is written when it is whole.
 */
enum answer_parsed answer_parse(const char *in, size_t n, bool head, struct answer *ret);

/* What differs from what the target must give: "status", "type", "etag", "length" or "body"; NULL: nothing. in as above. */
const char *answer_differs(const struct answer *a, const char *in, const struct target *t);

/* Whether it says that the fleet is overloaded, in the way that clients can act on: 503 and Retry-After. */
bool answer_is_shed(const struct answer *a);

#endif
