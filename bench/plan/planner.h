/*
 * How many workers a rate and an objective need. For every number of workers a prediction
 * (bench/plan/predict.h); more workers are never slower, so that the smallest sufficient number is
 * found by bisection.
 *
 * Simulated utilizations end at PLANNER_UTILIZATION_MOST, and for very unequal services where a
 * prediction is no longer within reach: beyond, queues take so long to settle that neither a
 * simulation nor a day of a real fleet tells their percentiles, and a little more load than planned
 * overturns them. Such a number of workers counts as not meeting the objective. Exact formulas have
 * no such bound.
 */
#ifndef QUERN_BENCH_PLAN_PLANNER_H
#define QUERN_BENCH_PLAN_PLANNER_H

#include "bench/plan/objective.h"
#include "bench/plan/predict.h"
#include "lib/buffer.h"

#define PLANNER_UTILIZATION_MOST 0.98
#define PLANNER_WORKERS_MOST 10000
#define PLANNER_ROWS_MOST 9
#define PLANNER_POLICIES_MOST 8

struct planner_options {
	struct policy policy;
	double rate_rps;
	struct arrival *arrival;
	const struct service *service; /* all of a request's time in a worker */
	struct objective objective;
	double precision; /* of the objective's figure, see predict_options; 0: 0.02 */
	uint64_t seed;
	unsigned workers_most; /* up to PLANNER_WORKERS_MOST */
	const volatile sig_atomic_t *stop;
	void (*note)(void *own, const char *doing); /* what is being computed; NULL: not told */
	void *own;
};

struct planner_row {
	unsigned workers;
	double utilization;
	/*
	 * false: too near saturation; the rest has no meaning then, and verdict is OBJECTIVE_UNMET.
	 */
	bool predicted;
	struct prediction prediction;
	enum objective_verdict verdict;
};

/*
 * How hot so many workers may run: the highest utilization at which the objective is still met (all
 * of its interval).
 */
struct planner_heat {
	unsigned workers;
	double utilization, rate_rps; /* 0: not even an idle fleet meets it */
	double at_us;		      /* the objective's figure there */
};

struct planner_need {
	struct policy policy;
	unsigned workers; /* 0: more than workers_most */
};

struct plan {
	unsigned workers; /* the smallest number that meets the objective; 0: none */
	unsigned least;	  /* the smallest number with a utilization below 1 */
	double erlangs;
	struct planner_row row[PLANNER_ROWS_MOST]; /* in order of workers */
	struct planner_heat heat[PLANNER_ROWS_MOST];
	size_t rows;
	struct planner_need need[PLANNER_POLICIES_MOST]; /* of the other policies */
	size_t needs;
};

/*
 * 0, also where nothing meets the objective: then ret->workers is 0 and reason has a sentence that
 * says why. -EINVAL with a sentence in reason; -ENOMEM; -EINTR by stop.
 */
int planner_run(const struct planner_options *o, struct plan *ret, struct buffer *reason)
	__attribute__((warn_unused_result));

#endif
