/*
 * What a load's samples add up to: percentiles with intervals, errors by kind, lateness, per
 * template, queue and service times as the server told them. Errors are part of the percentiles: a
 * timeout counts with the time that it took, and a request that was still under way when the run
 * was broken off with the time that it had waited by then.
 */
#ifndef QUERN_BENCH_LOAD_RECORDER_H
#define QUERN_BENCH_LOAD_RECORDER_H

#include "bench/load/load.h"
#include "bench/stat/batches.h"
#include "bench/stat/quantiles.h"

#include <stdio.h>

#define RECORDER_STATUSES 600

struct recorder {
	struct batches latency;		 /* done - intended */
	struct quantiles lateness;	 /* due - intended */
	struct quantiles blocked;	 /* sent - due: waiting for a connection */
	struct quantiles queue, service; /* as the server told, where it did */
	uint64_t errors;
	uint64_t status[RECORDER_STATUSES]; /* by status or enum sample_failure */
	struct quantiles *of_template;
	uint64_t *errors_of_template;
	size_t templates;

	/* All samples in order of ending, if kept; owned. */
	bool keep;
	struct sample *sample;
	size_t samples, capacity;

	FILE *record;	  /* borrowed; NULL: none */
	int record_errno; /* the first failure to write it: the record is incomplete from there on */
	bool no_memory;	  /* a sample could not be kept */
};

/* 0 or -ENOMEM. */
int recorder_init(struct recorder *r, size_t templates, bool keep, FILE *record)
	__attribute__((warn_unused_result));
void recorder_done(struct recorder *r);

/* As load_options.sink, own = the recorder. */
void recorder_take(void *own, const struct sample *s);

/* Limits of what a run may be and still count. */
struct recorder_limits {
	double lateness_p99_us; /* default 1000 */
	double shortfall; /* intended_rps may lie below offered by this share: default 0.01; plus 3 / sqrt(n) for chance */
	double generator_cpu; /* default 0.85 */

	/* What an interrupted run was to be, for the sentence about it; 0: not said. */
	double planned_us;
	uint64_t planned_requests;
};
extern const struct recorder_limits recorder_default_limits;

/*
 * Why the run does not count, as one sentence in reason; false, and nothing, if it does.
 * Interrupted runs are void, and so are those in which nothing was measured.
 */
bool recorder_is_void(const struct recorder *r, const struct load_totals *t,
	const struct recorder_limits *limits, struct buffer *reason);

#endif
