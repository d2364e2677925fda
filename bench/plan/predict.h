/*
 * p50, p95, p99 of a fleet that is not there: a closed form where it is exact, simulation
 * elsewhere.
 */
#ifndef QUERN_BENCH_PLAN_PREDICT_H
#define QUERN_BENCH_PLAN_PREDICT_H

#include "bench/model/arrival.h"
#include "bench/model/policy.h"
#include "bench/model/service.h"
#include "bench/plan/objective.h"
#include "bench/stat/interval.h"
#include "lib/buffer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct prediction {
	double utilization;
	/* us; intervals of closed forms are known with low == high */
	double mean_us, p50_us, p90_us, p95_us, p99_us, p999_us;
	struct interval mean, p50, p90, p95, p99, p999;
	char method[32];   /* "simulated", or the formula: "E_4/M/1" */
	uint64_t requests; /* simulated ones; 0 for a closed form */
};

struct predict_options {
	struct policy policy;
	unsigned workers;
	double rate_rps;
	struct arrival *arrival; /* NULL: Poisson */
	const struct service *service;
	/* Simulate until p99's interval is within this share (0: 0.02), or so many requests. */
	double precision;
	uint64_t requests_most; /* 0: 50 million */
	uint64_t seed;
	const volatile sig_atomic_t *stop; /* NULL: none */

	/*
	 * Whose quantile takes p99's place there; NULL: none. With decide the simulation ends as
	 * soon as it is clear whether it is met: the limit lies outside of an interval 1.5 times as
	 * wide, since looking again and again finds a chance.
	 */
	const struct objective *objective;
	bool decide;
};

/* 0; -EINVAL with a sentence (no workers, utilization 1 and more); -ENOMEM; -EINTR by stop. */
int predict(const struct predict_options *o, struct prediction *ret, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * Whether an answer is within reach: a closed form, or a simulation that forgets its empty
 * beginning (sim_warmup()) within PREDICT_WARMUP_MOST requests. Others would take minutes for each
 * figure: very unequal services near saturation, for which no fleet's percentiles settle within a
 * day either.
 */
#define PREDICT_WARMUP_MOST UINT64_C(100000000)
bool predict_is_within_reach(const struct predict_options *o);

/*
 * Quantile p (0.5, 0.9, 0.95, 0.99, 0.999) of a prediction, and its interval; p = 0: the mean. NAN
 * for another p.
 */
double prediction_at(const struct prediction *p, double quantile, struct interval *ret);

#endif
