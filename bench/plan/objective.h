/* What a plan shall achieve: "p99=20ms", "mean=5ms". */
#ifndef QUERN_BENCH_PLAN_OBJECTIVE_H
#define QUERN_BENCH_PLAN_OBJECTIVE_H

#include "bench/stat/interval.h"
#include "lib/buffer.h"

struct objective {
	const char *name; /* "p50", "p90", "p95", "p99", "p99.9", "mean"; static */
	double quantile;  /* 0: the mean */
	double limit_us;
};

enum objective_verdict {
	OBJECTIVE_MET,	 /* all of the interval is within the limit */
	OBJECTIVE_UNMET, /* all of it is beyond */
	OBJECTIVE_UNSURE /* the limit lies within the interval, or there is none */
};

/* 0, or -EINVAL with a sentence in error. Limits from 1 us to 1 h. */
int objective_parse(struct objective *ret, const char *text, struct buffer *error)
	__attribute__((warn_unused_result));

/* Intervals of exact figures are points. */
enum objective_verdict objective_judge(const struct objective *o, struct interval i);

#endif
