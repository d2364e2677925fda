/* What a server can do, and the rate at which it is so busy: found by short loads on the stage's own stand and mix. */
#ifndef QUERN_BENCH_CHAPTER_RATES_H
#define QUERN_BENCH_CHAPTER_RATES_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/stand.h"

#include <signal.h>

struct rates_options {
	const struct chapter_stage *stage;
	struct stand *stand;
	const char *rest_cpus;
	bool full; /* longer */
	const volatile sig_atomic_t *stop;
};

/*
 * Requests answered a second in a closed loop: so many connections, each of which has its next request as soon as it has
 * an answer. 0; -EINTR; -EIO when more requests failed than the load allows; -errno; each with a sentence.
 */
int rates_capacity(const struct rates_options *o, double *ret_rps, struct buffer *error)
	__attribute__((warn_unused_result));

/* The rate at which the workers are busy for that share of the time, and the share that was seen at it. Likewise. */
int rates_busy(const struct rates_options *o, double busy, double *ret_rps, double *ret_seen,
	struct buffer *error) __attribute__((warn_unused_result));

#endif
