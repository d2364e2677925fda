/* How hot a number of workers may run: the highest utilization at which an objective is met. */
#ifndef QUERN_BENCH_PLAN_HEAT_H
#define QUERN_BENCH_PLAN_HEAT_H

#include "bench/plan/planner.h"

/*
 * `row` is the plan's own prediction for this number of workers, where the search begins. Like
 * planner_run().
 */
int heat_find(const struct planner_options *o, const struct planner_row *row,
	struct planner_heat *ret, struct buffer *reason) __attribute__((warn_unused_result));

#endif
