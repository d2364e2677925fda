/*
 * What lies between a perfect fleet and the measured one: a chain of replays of the very requests
 * that were measured, each with one more of the real fleet's imperfections
 * (bench/experiments/README.md). The differences between neighbours sum up, exactly, to measured -
 * replay.
 */
#ifndef QUERN_BENCH_MEASURE_SPLIT_H
#define QUERN_BENCH_MEASURE_SPLIT_H

#include "bench/load/sample.h"
#include "bench/model/policy.h"
#include "bench/stat/quantiles.h"

#include <jansson.h>
#include <stddef.h>

enum split_stage {
	SPLIT_REPLAY,	/* service as asked for, the policy's own choice of worker */
	SPLIT_TIMER,	/* service as measured */
	SPLIT_DISPATCH, /* the worker that each request really went to */
	SPLIT_LOOP,	/* a request's fixed cost in the worker */
	SPLIT_PROXY,	/* measured from the actual send */
	SPLIT_MEASURED, /* measured from the intended send */
	SPLIT_STAGES
};

enum split_figure { SPLIT_MEAN, SPLIT_P50, SPLIT_P95, SPLIT_P99, SPLIT_FIGURES };

struct split {
	double us[SPLIT_FIGURES][SPLIT_STAGES];
	struct quantiles replay; /* of the first stage; owned */
	size_t requests;
};

struct split_options {
	const struct sample *sample; /* in any order; those that failed are left out */
	size_t samples;
	double from_us; /* what was intended before is replayed, but counts in no figure */
	struct policy policy;
	unsigned workers;
	double fixed_us; /* a request's cost in its worker beyond the service that the worker told */
	uint64_t seed;	 /* for random(d)'s draws */
};

/*
 * 0; -ENODATA where service times are neither told nor asked for, or nothing was measured; -EINVAL;
 * -ENOMEM.
 */
int split_make(struct split *ret, const struct split_options *o)
	__attribute__((warn_unused_result));
void split_done(struct split *s);

/*
 * {"p99": {"replay", "timer", ..., "measured"}, ...} in ms; what each stage adds. NULL without
 * memory.
 */
json_t *split_json(const struct split *s);

#endif
