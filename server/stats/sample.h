/*
 * What the admin process remembers of the statistics in shared memory, for figures over time: those
 * of the last second, and the distributions of the last SAMPLE_WINDOW_S seconds. It asks no worker
 * and waits for none.
 */
#ifndef QUERN_SERVER_STATS_SAMPLE_H
#define QUERN_SERVER_STATS_SAMPLE_H

#include "server/stats/stats.h"
#include "server/stats/window.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sampler;

/*
 * r is borrowed for the sampler's life. What the slots hold already is taken as the past, so a
 * sampler made after a restart of the admin process starts with empty windows. 0 or -ENOMEM.
 */
int sampler_new(struct sampler **ret, const struct stats_region *r)
	__attribute__((warn_unused_result));
void sampler_free(struct sampler *s);

/*
 * To be called once a second. A slot costs memory from the first tick that finds it used; where
 * there is none, the slot's figures over time stay as they are until a later tick gets it.
 */
void sampler_tick(struct sampler *s);

/* The same with the time given, which must not go back: for tests. */
void sampler_tick_at(struct sampler *s, uint64_t now_us);

const struct stats_region *sampler_region(const struct sampler *s);

/*
 * A slot at the moment of the call, and over the last second. What is said to be of the worker is of the one in the
 * slot's current seat; the rest is the sum over both seats, in which two workers may live.
 */
struct slot_view {
	uint32_t slot;
	pid_t pid;	    /* of the worker; 0: none lives there */
	pid_t draining_pid; /* of its predecessor, which still finishes what it has; 0: none */
	enum slot_state state;
	uint64_t spawned_us; /* of the worker, 0 where there is none */
	uint64_t age_us;     /* likewise */
	uint64_t lag_us; /* likewise: how late its loop is now, or was when its timer last fired */
	uint64_t next_start_us; /* how long until the next one starts; 0 unless waiting or parked */
	uint64_t cpu_us;	/* of all workers that the slot ever had */
	uint64_t idle_us;	/* likewise; with the waits that are under way */
	uint64_t pool_us;	/* likewise: what their threads were in jobs */
	uint64_t connections, active, queue; /* of those that live */
	uint64_t pool_queue, pool_active;    /* likewise: jobs before and in their threads */
	uint64_t calls;			     /* likewise: requests that wait for the backend */
	uint64_t requests;
	uint64_t restarts, hung, recycled, parked;
	double requests_per_s; /* between the last two ticks, as are the next two */
	double busy; /* 0..1: the loop was not waiting for work, or was on the CPU, or its threads were in jobs; the most of them */
	double cpu;  /* share of one CPU; two workers can have more than that */
};

/* False, and *ret untouched: the slot is not used and never was. */
bool sampler_view(const struct sampler *s, uint32_t slot, struct slot_view *ret);

/*
 * Adds what the slot has recorded since SAMPLE_WINDOW_S ticks ago (so within the last 10 to 11
 * seconds, the moment of the call included) to *sum.
 */
void sampler_window_add(const struct sampler *s, uint32_t slot, struct sample_window *sum);

#endif
