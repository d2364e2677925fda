/* An experiment's file: see bench/experiments/README.md. */
#ifndef QUERN_BENCH_SWEEP_EXPERIMENT_H
#define QUERN_BENCH_SWEEP_EXPERIMENT_H

#include "bench/model/policy.h"
#include "bench/model/service.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum experiment_service { EXPERIMENT_EMULATED, EXPERIMENT_REAL, EXPERIMENT_FOREIGN };

struct experiment_group {
	enum experiment_service service;
	char *distribution; /* NULL: not known */
	char *mix;	    /* text of a mix file */
	struct policy *policy;
	size_t policies;
	unsigned *workers; /* 0: spare */
	size_t worker_counts;
	double *utilization;
	size_t utilizations;
};

struct experiment_cell_limits {
	double seconds, least_seconds, warmup_s, precision;
};

struct experiment {
	char *name, *title, *claim;
	bool derived;
	struct experiment_group *group;
	size_t groups;
	struct experiment_cell_limits cell;
};

/*
 * quick: with the values of "quick" in place of the others. Every mistake is told: 0, -EINVAL with
 * lines in errors ("FILE: groups[1].workers: ..."), -errno of the file. Unknown names are mistakes.
 * Free with experiment_done().
 */
int experiment_read(struct experiment *ret, const char *path, bool quick, struct buffer *errors)
	__attribute__((warn_unused_result));
void experiment_done(struct experiment *e);

#endif
