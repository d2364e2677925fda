/*
 * How far runs of one length scatter: the same cell, simulated many times over with as many requests as were measured. Batch
 * means need batches that are long against the queue's memory; near saturation a run of some seconds has none,
 * and its intervals would be far too narrow. A cell's intervals are at least as wide as its model's runs scatter
 * (a parametric bootstrap: Efron, Tibshirani, An Introduction to the Bootstrap, ch. 6).
 */
#ifndef QUERN_BENCH_MEASURE_SPREAD_H
#define QUERN_BENCH_MEASURE_SPREAD_H

#include "bench/model/policy.h"
#include "bench/model/service.h"
#include "bench/stat/batches.h"
#include "lib/buffer.h"

#include <signal.h>
#include <stdint.h>

struct spread_options {
	struct policy policy;
	unsigned workers;
	double rate_rps; /* Poisson arrivals */
	const struct service *service;
	uint64_t requests, warmup; /* of a run; requests > 0 */
	uint64_t seed;
	const volatile sig_atomic_t *stop; /* NULL: none */
};

/* What a run of that length finds, divided by the true value: 95 % of runs lie between low and high. */
enum spread_figure { SPREAD_MEAN, SPREAD_P50, SPREAD_P95, SPREAD_P99, SPREAD_FIGURES };
struct spread {
	struct interval of[SPREAD_FIGURES];
};

/* 0; -EINVAL with a sentence (utilization of 1 and more); -EINTR by stop; -ENOMEM. */
int spread_make(const struct spread_options *o, struct spread *ret, struct buffer *error)
	__attribute__((warn_unused_result));

/* What the true value may be when a run found `value`: `measured` (from batch means), widened. */
struct interval spread_widen(struct interval ratio, double value, struct interval measured);

/* The same for a figure of a measured run. */
struct interval spread_interval(
	const struct spread *s, enum spread_figure f, const struct batches *measured);

/* A figure's value in a measured run, us. */
double spread_value(const struct batches *measured, enum spread_figure f);

/* Half of the interval's width, as a share of the value. */
double spread_relative(struct interval ratio);

#endif
