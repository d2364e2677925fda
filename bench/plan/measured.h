/*
 * Service times of a fleet that is running, from two looks at its /metrics.
 *
 * What of it is exact: the mean of the work (quern_service_seconds_sum), and the busy time per
 * request (quern_worker_idle_seconds_total), whose difference is the overhead. The shape comes from
 * quern_service_seconds' buckets, each twice as wide as the one before; within a bucket the share
 * that lasts longer is taken to fall exponentially, and the whole is stretched to the exact mean.
 * Exponential service comes out within 2 % of its p99. The worst case are equal services: all that
 * is known is their bucket, so that they come out spread over it, with a p99 up to 40 % too high.
 * Where it matters, a histogram of `quern-bench load --service-hist` is finer.
 */
#ifndef QUERN_BENCH_PLAN_MEASURED_H
#define QUERN_BENCH_PLAN_MEASURED_H

#include "bench/model/service.h"
#include "lib/buffer.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURED_BUCKETS_MOST 40
#define MEASURED_REQUESTS_LEAST 1000 /* fewer say nothing about a p99 */

/* quern_service_seconds of all slots together. */
struct measured_page {
	size_t buckets;
	double bound_us[MEASURED_BUCKETS_MOST]; /* upper ones, ascending; the last one INFINITY */
	double below[MEASURED_BUCKETS_MOST];	/* requests that were shorter */
	double sum_us;
};

/* From Prometheus' text format. 0, or -EPROTO when it has no such histogram. */
int measured_read(struct measured_page *ret, const char *text, size_t len)
	__attribute__((warn_unused_result));

/*
 * What the requests between two pages were like. 0; -EAGAIN with a sentence: fewer than
 * MEASURED_REQUESTS_LEAST; -EPROTO: counters that went back (a restart); -ENOMEM. The caller frees
 * ret with service_done().
 */
int measured_service(const struct measured_page *before, const struct measured_page *after,
	const char *spec, struct service *ret, struct buffer *error)
	__attribute__((warn_unused_result));

struct measured {
	struct service service; /* the work alone; owned */
	double overhead_us;	/* busy time per request - mean work; >= 0 */
	double requests, utilization;
};

/*
 * Looks at admin (HOST:PORT) twice, `seconds` apart. 0; -EINTR by stop; -errno; each with a
 * sentence.
 */
int measure_service(const char *admin, double seconds, const volatile sig_atomic_t *stop,
	struct measured *ret, struct buffer *error) __attribute__((warn_unused_result));

#endif
