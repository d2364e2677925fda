/*
 * How requests are spread over workers. Names as in `balancer.policy`, with what the simulator
 * knows besides: roundrobin, random (= random(1)), random(d), leastconn, central (= central(1)),
 * central(m), shared.
 *
 *   random(d)    HAProxy's `balance random(d)`: of d workers drawn at random (with replacement) the
 *                one with fewest requests
 *   central(m)   `maxconn m` per worker: a worker is given at most m requests, the rest wait in
 *                HAProxy's one queue
 *   shared       no HAProxy: the workers accept from one listening socket
 */
#ifndef QUERN_BENCH_MODEL_POLICY_H
#define QUERN_BENCH_MODEL_POLICY_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum policy_kind { POLICY_RR, POLICY_RANDOM_OF, POLICY_LEAST, POLICY_CENTRAL_OF, POLICY_SHARED };

struct policy {
	enum policy_kind kind;
	unsigned parameter; /* d or m; 0 for the others */
};

#define POLICY_NAMES "roundrobin, random, random(d), leastconn, central, central(m) or shared"
#define POLICY_TEXT_BYTES 24

/* d and m from 1 to 64. 0, or -EINVAL with a sentence in error. */
int policy_parse(struct policy *ret, const char *text, struct buffer *error)
	__attribute__((warn_unused_result));

/* "random" for random(1), "central(1)" as "central". Returns text. */
const char *policy_format(const struct policy *p, char *text, size_t n);

bool policy_equal(const struct policy *a, const struct policy *b);

#endif
