/* The command line of `quern-bench sweep`. */
#ifndef QUERN_BENCH_SWEEP_COMMAND_SWEEP_OPTIONS_H
#define QUERN_BENCH_SWEEP_COMMAND_SWEEP_OPTIONS_H

#include "bench/cli.h"
#include "bench/fleet/watch.h"

struct sweep_options {
	const char *file;
	const char *output; /* NULL: results/NAME */
	bool quick;
	const char *pattern; /* NULL: all cells */
	uint64_t seed;
	const char *url, *admin; /* NULL: none */
	pid_t pids[WATCH_WORKERS_MOST];
	unsigned pid_count;
	pid_t haproxy; /* 0: none */
};

/* BENCH_GO_ON, or what to exit with (said). Begins c as well, for messages later on. */
int sweep_options_read(struct sweep_options *ret, struct cli *c, int argc, char **argv);

#endif
