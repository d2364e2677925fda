/*
 * A plan held against a real fleet: quernd and HAProxy are brought up with as many workers as the
 * plan says, their work is emulated (each request sleeps in the worker for a time drawn from the
 * plan's service), the load is the plan's, and what was predicted stands beside what was measured.
 *
 * Three figures are compared with the measured one. `planned` is the plan as it was printed: its
 * error is what whoever follows the plan gets. A real worker needs time for each request beyond its
 * work; how much is measured first, by a short load (busy time per request less the work asked
 * for), and `calibrated` is the prediction with that in place of the plan's --overhead. What
 * remains between it and the measurement is what no worker's busy time shows: HAProxy, the way
 * there and back, the generator, and chance. `replayed` takes chance out: a perfect fleet (without
 * overhead, as in a sweep's cells) with the arrivals and the work of the very run that was
 * measured.
 */
#ifndef QUERN_BENCH_PLAN_VERIFY_H
#define QUERN_BENCH_PLAN_VERIFY_H

#include "bench/plan/predict.h"

#include <jansson.h>

#define VERIFY_FIGURES 4 /* mean, p50, p95, p99 */

struct verify_options {
	struct policy policy;
	unsigned workers;
	double rate_rps;
	const struct service *service;	  /* the work alone */
	const struct prediction *planned; /* for these workers */
	double duration_s;
	uint64_t seed;
	const volatile sig_atomic_t *stop;
	void (*note)(void *own, const char *doing); /* NULL: not told */
	void *own;
};

struct verify_figure {
	const char *name;
	double planned_us, calibrated_us, replayed_us, measured_us; /* NAN: not known */
	struct interval measured;
};

struct verify_result {
	struct verify_figure figure[VERIFY_FIGURES];
	double overhead_us;					  /* measured */
	double planned_utilization, calibrated_utilization, busy; /* busy: measured */
	/* false: with the overhead the workers would be saturated, and nothing is predicted. */
	bool calibrated;
	uint64_t requests, errors;
	double seconds, offered_rps, achieved_rps;
	struct buffer void_reason; /* empty: the run counts */
};

/* -EINVAL with a sentence where that fleet or work cannot be emulated. 0 otherwise. */
int verify_check(const struct policy *p, const struct service *s, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * 0, also for a run that is void; -EINTR by stop before anything was measured; -errno; each with a
 * sentence. Free with verify_done().
 */
int verify_run(const struct verify_options *o, struct verify_result *ret, struct buffer *error)
	__attribute__((warn_unused_result));
void verify_done(struct verify_result *r);

void verify_table(const struct verify_result *r, struct buffer *out);

/*
 * {"emulated": true, "overhead_ms", "seconds", "requests", "errors", "offered_rps", "achieved_rps",
 * "busy", "utilization", "planned", "calibrated", "replayed", "measured" ({"mean", "p50", "p95",
 * "p99"} in ms each; measured with intervals), "error", "calibrated_error", "replayed_error" (of
 * these figures: (predicted - measured) / measured), "void"}. A new reference; NULL without memory.
 */
json_t *verify_json(const struct verify_result *r);

#endif
