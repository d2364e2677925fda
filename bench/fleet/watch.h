/*
 * How busy things are, from outside: differences between two looks. A fleet of Quern's tells the
 * busy time by its admin address (/metrics: quern_worker_idle_seconds_total), others by their
 * processes' CPU time; /proc/PID/stat's 10 ms are too coarse, so CPU time comes from the process's
 * CPU clock.
 */
#ifndef QUERN_BENCH_FLEET_WATCH_H
#define QUERN_BENCH_FLEET_WATCH_H

#include "bench/fleet/awake.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCH_WORKERS_MOST 256

struct watch_worker {
	int slot;  /* 0 where there is no admin address */
	pid_t pid; /* 0 where there is one */
	uint64_t cpu_us;
	uint64_t idle_us; /* 0 where nobody tells */
	uint64_t jobs;
	uint64_t restarts;
};

struct watch_look {
	uint64_t at_us;	  /* clock_us() */
	bool told_idle;	  /* idle_us and jobs are known */
	unsigned workers; /* that are ready */
	struct watch_worker worker[WATCH_WORKERS_MOST];
	uint64_t balancer_cpu_us;
	uint64_t own_cpu_us;
	uint64_t awake_cpu_us;
	uint64_t
		machine_idle_us; /* sum over CPUs, /proc/stat (10 ms steps; over seconds that is enough) */
	uint64_t machine_steal_us;
};

struct watch {
	const char *admin; /* HOST:PORT; NULL: none */
	const pid_t *pids; /* of the workers, where there is no admin address */
	unsigned pid_count;
	pid_t balancer;		   /* 0: none */
	const struct awake *awake; /* counts as idle; NULL: none */
};

/* One look. 0, or -errno with a sentence. */
int watch_look(const struct watch *w, struct watch_look *ret, struct buffer *error)
	__attribute__((warn_unused_result));

struct watch_shares {
	unsigned workers;
	double busy[WATCH_WORKERS_MOST]; /* 1 - idle / wall; without an admin address: cpu */
	double cpu[WATCH_WORKERS_MOST];
	double busy_mean, busy_most;
	double jobs;	      /* in between, all workers */
	double balancer, own; /* CPU / wall */
	double awake;	      /* CPU / wall of what kept CPUs awake; part of machine_idle */
	double machine_idle;  /* share of all CPUs */
	double machine_steal; /* likewise */
	double others;	      /* CPU used by anything else on the machine, in CPUs; >= 0 */
	int restarted;	      /* some worker died in between */
};

void watch_between(
	const struct watch_look *a, const struct watch_look *b, struct watch_shares *ret);

#endif
