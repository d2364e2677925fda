/*
 * An experiment's cells, in the order in which they are measured: every group's policies, workers
 * and utilizations.
 */
#ifndef QUERN_BENCH_SWEEP_SCHEDULE_H
#define QUERN_BENCH_SWEEP_SCHEDULE_H

#include "bench/sweep/experiment.h"

#include <stdint.h>

struct schedule_cell {
	const struct experiment_group *group; /* borrowed from the experiment */
	enum experiment_service service; /* foreign where the fleet is, whatever the group says */
	char *name;			 /* README.md in bench/experiments; owned */
	struct policy policy;
	unsigned workers;
	double utilization;
};

struct schedule {
	struct schedule_cell *cell;
	size_t cells;
	size_t unable; /* cells that were left out: this machine has too few CPUs for real work of so many workers */
};

struct schedule_options {
	unsigned spare_cpus;	  /* CPUs beyond the one that HAProxy and the generator get */
	unsigned foreign_workers; /* of a fleet that is not ours; 0: our own fleets */
	const char *pattern;	  /* shell pattern of names (* matches / too); NULL: all */
};

/* 0, or -ENOMEM. No cell appears twice. */
int schedule_init(struct schedule *ret, const struct experiment *e,
	const struct schedule_options *o) __attribute__((warn_unused_result));
void schedule_done(struct schedule *s);

/* The seed of a cell's load: other cells have other ones, and a cell always has the same one. */
uint64_t schedule_seed(const struct schedule_cell *c, uint64_t seed);

#endif
