/* A cell while it runs: what its parts, cell.c and cell_conclude.c, have in common. */
#ifndef QUERN_BENCH_SWEEP_CELL_RUN_H
#define QUERN_BENCH_SWEEP_CELL_RUN_H

#include "bench/fleet/fleet.h"
#include "bench/sweep/cell.h"

#include <sched.h>

struct cell_run {
	const struct cell_options *o;
	struct fleet *fleet;
	struct target own_target;
	const struct target *target;
	struct mix *mix;
	struct watch watch;
	struct service service; /* as the distribution says */
	bool service_known;
	cpu_set_t before; /* where this thread ran */
	bool moved;
};

/*
 * What is made of the measurement: why it does not count, the load as JSON, the replays, the
 * prediction, the intervals. 0 or -errno, with a sentence. The fleet need not run any more.
 */
int cell_conclude(struct cell_run *run, struct cell_result *r, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
