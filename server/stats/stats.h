/*
 * Statistics in shared memory: one anonymous MAP_SHARED region, made by the master before any fork
 * and inherited by workers and the admin process. One slot per possible worker; it outlives its
 * workers, so counters carry on.
 *
 * Every field has exactly one writer at a time, named below; everybody may read. All are relaxed
 * atomics: a reader sees each field whole, and fields may be of slightly different moments. Times
 * are clock_us() (CLOCK_MONOTONIC).
 */
#ifndef QUERN_SERVER_STATS_STATS_H
#define QUERN_SERVER_STATS_STATS_H

#include "lib/histogram.h"
#include "server/stats/change.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define STATS_LINE 64 /* bytes of a cache line */

/* Period of the timer that measures how late a loop is (server/lag.h); late by more than a fifth of it, the loop is too full. */
#define LAG_PERIOD_US 100000u
#define LAG_FULL_US (LAG_PERIOD_US / 5)

typedef _Atomic uint64_t stats_counter; /* the one typedef: an atomic is no struct */

/* Routes that are counted apart; the order is that of stats_route_name(). */
enum stats_route {
	ROUTE_ROOT,
	ROUTE_QR,
	ROUTE_HEALTHZ,
	ROUTE_LAB_SLEEP,
	ROUTE_LAB_BURN,
	ROUTE_LAB_CONSTANT,
	ROUTE_LAB_HASH,
	ROUTE_LAB_LOOKUP,
	ROUTE_LAB_HISTORY,
	ROUTE_LAB_LATENCY,
	ROUTE_NONE, /* no route was found, or the request could not be read */
	ROUTE_COUNT,
};
const char *stats_route_name(enum stats_route route);

/* Statuses that a worker answers with, ascending; anything else is a bug and asserted against. */
#define STATS_STATUSES 15
extern const int stats_status
	[STATS_STATUSES]; /* 200 204 304 400 404 405 408 413 415 431 500 501 502 503 504 */

/*
 * Values of options that running processes take without being replaced (TAKES_LIVE in config/options.def), by their
 * index in the table. Written by the master, which then sends SIGHUP.
 */
#define STATS_LIVE_VALUES 96 /* asserted to hold all options */
struct stats_live {
	_Atomic int64_t value[STATS_LIVE_VALUES];
};

enum slot_state {
	SLOT_UNUSED,   /* no worker, none wanted */
	SLOT_STARTING, /* forked, not ready yet */
	SLOT_READY,    /* takes work */
	SLOT_DRAINING, /* finishes what it has */
	SLOT_WAITING,  /* died; will be started again */
	SLOT_PARKED,   /* died again and again right after its start; left alone for a while */
};
const char *slot_state_name(enum slot_state state);

/*
 * A slot has two seats, because two workers live in it while one takes over from the other. Each seat has one worker at
 * a time, the writer of its counters; a slot's figures are the sums of both seats.
 */
struct stats_seat {
	/* Written by the master, while no worker lives or just before it forks. */

	_Alignas(STATS_LINE) _Atomic int32_t pid; /* 0: none */
	stats_counter spawned_us;		  /* when the living worker was forked */
	stats_counter dead_cpu_us;		  /* CPU time of workers that are gone */

	/* SLOT_READY and SLOT_DRAINING by the worker, the others by the master. */

	_Atomic uint32_t state;
	stats_counter ready_us; /* when the living worker became ready; cleared by the master */

	/* Written by the worker. Gauges are cleared by the master when it dies. */

	/* Time spent waiting for events with nothing queued; and, nonzero, since when it is waiting
	 * now, which is not in idle_us yet. */
	_Alignas(STATS_LINE) stats_counter idle_us;
	stats_counter idle_since_us;
	stats_counter connections;  /* gauge: open */
	stats_counter active;	    /* gauge: requests begun (first byte) and not yet answered */
	stats_counter queue;	    /* gauge: requests waiting for their turn */
	stats_counter lag_us;	    /* gauge: how late the loop's timer last fired */
	stats_counter lag_due_us;   /* gauge: when it is due next; past due, the loop is late now */
	stats_counter calls;	    /* gauge: requests that wait for the backend's answer */
	stats_counter pool_threads; /* gauge: threads for jobs */
	stats_counter pool_queue;   /* gauge: jobs that wait for a thread */
	stats_counter pool_active;  /* gauge: jobs in a thread */
	stats_counter pool_since_us; /* gauge: since when the oldest of them is; 0: there is none */

	stats_counter accepted;		   /* connections ever */
	stats_counter accept_paused;	   /* times: no descriptors, or all connections busy */
	stats_counter bytes_in, bytes_out; /* on the wire, above TCP */
	/* requests whose client left before their turn, or between the pieces of their work */
	stats_counter abandoned;
	stats_counter timeouts_client; /* requests or answers not through in limits.client_ms */
	stats_counter shed_full;       /* 503: queue full */
	stats_counter shed_late;       /* 503: waited longer than limits.queue_ms */
	stats_counter bad_start;       /* X-Request-Start below zero or above a minute old */
	stats_counter log_lost;	       /* log lines that could not be written */
	stats_counter jobs;	       /* jobs run */
	stats_counter
		slices; /* pieces that jobs were run in on the loop, beyond the first of each */
	stats_counter offloaded;   /* jobs that threads have run */
	stats_counter pool_us;	   /* wall time that threads were in jobs */
	stats_counter pool_cpu_us; /* CPU time of threads, ten times a second */
	stats_counter
		loop_full; /* times that the loop's timer was late by over a fifth of its period */
	stats_counter calls_made;   /* calls of the backend */
	stats_counter calls_failed; /* of them: not reached, broken off, or not understood */
	stats_counter calls_late;   /* of them: no answer in time */
	stats_counter requests[ROUTE_COUNT][STATS_STATUSES];

	struct histogram queue_time;	/* from arrival (server/arrival.h) to start */
	struct histogram service_time;	/* the job's own work */
	struct histogram response_time; /* both, and writing the answer */
	struct histogram loop_lag;	/* of the loop's timer */
};

#define STATS_SEATS 2
struct stats_slot {
	/* Written by the master. */

	_Alignas(STATS_LINE) _Atomic uint32_t current; /* the seat of the slot's state, pid, age */
	stats_counter start_us; /* waiting or parked: when the next worker is due */
	stats_counter restarts; /* workers started here after the first one */
	stats_counter hung;	/* of them, after one that the watchdog killed */
	stats_counter recycled; /* after one that reached workers.max_requests or .max_rss_mb */
	stats_counter parked;	/* times */

	struct stats_seat seat[STATS_SEATS];
};

struct stats_region {
	uint64_t started_us;	  /* clock_us() of the master's start */
	uint64_t started_wall_us; /* clock_wall_us() of the same moment */
	uint64_t start_ticks;	  /* start time of the master as in /proc/PID/stat, field 22 */
	uint64_t guardian_ticks;  /* of the first process, which watches over this master */
	int32_t master_pid;
	int32_t guardian_pid;	   /* 0: the master is the first process itself */
	uint32_t slots;		   /* workers.max */
	_Atomic uint32_t wanted;   /* workers that the fleet shall have; written by the master */
	_Atomic uint32_t stopping; /* the master is shutting down */
	stats_counter admin_restarts;
	stats_counter log_lost;	    /* log lines that the master could not write */
	stats_counter admin_starts; /* admin processes begun; by themselves, as are the next two */
	stats_counter statsd_payloads; /* for metrics.statsd */
	stats_counter statsd_lost; /* of them: not taken by the system, or by the receiver's host */
	struct stats_live live;	   /* options that running processes take: config/live.h */
	struct stats_changes changes; /* server/stats/change.h */
	_Alignas(STATS_LINE) struct stats_slot slot[];
};

static inline struct stats_seat *stats_current(struct stats_slot *s)
{
	return &s->seat[atomic_load_explicit(&s->current, memory_order_relaxed)];
}
static inline const struct stats_seat *stats_current_of(const struct stats_slot *s)
{
	return &s->seat[atomic_load_explicit(&s->current, memory_order_relaxed)];
}

/* Adds to, sets or reads a counter that this process is the only writer of. */
static inline void stats_add(stats_counter *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void stats_set(stats_counter *c, uint64_t n)
{
	atomic_store_explicit(c, n, memory_order_relaxed);
}
static inline uint64_t stats_get(const stats_counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* A zeroed region for `slots` workers, or NULL with errno set. Pages that no slot touches cost
 * nothing. */
struct stats_region *stats_region_new(uint32_t slots);
void stats_region_free(struct stats_region *r);

/* Requests answered in the seat so far, health checks left out. */
uint64_t stats_seat_requests(const struct stats_seat *s);

/* Counts one answer. */
void stats_count_answer(struct stats_seat *s, enum stats_route route, int status);

#endif
