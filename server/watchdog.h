/*
 * Which workers hang: decisions only. A worker's loop timer (server/lag.h) is its heartbeat; it publishes when it is due
 * next, and a loop that is blocked, stopped or spinning lets that time pass.
 *
 * A master that itself woke late (a suspended machine, a frozen cgroup, a stopped process group) has no right to judge:
 * the workers may have slept with it. Such a round, and those within a second after it, give no verdict.
 */
#ifndef QUERN_SERVER_WATCHDOG_H
#define QUERN_SERVER_WATCHDOG_H

#include "server/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>

/* After SIGABRT, which leaves a backtrace in the log, a worker has this long until SIGKILL. */
#define WATCHDOG_GRACE_US 500000u

struct watchdog {
	uint64_t limit_us; /* workers.watchdog_ms; 0: off */
	uint64_t due_us;   /* of the next round; UINT64_MAX: never */
	uint64_t trust_us; /* verdicts count from here on */
};

/* Sets or changes the limit; the next round is due within a fifth of it, 200 ms at most. */
void watchdog_set(struct watchdog *w, uint64_t limit_us, uint64_t now_us);

/* A round begins at now_us, due or not. True: verdicts count. Sets due_us anew. */
bool watchdog_round(struct watchdog *w, uint64_t now_us);

/*
 * How long the living worker in the seat has given no sign of life: since its loop timer was due, or, where the loop is well and a
 * thread of its pool is to blame, since that has been in one job; or, not ready yet, since it was forked. 0: it is well.
 *
 * A thread may take the limit times the number of threads for one job: where the worker has one CPU, which all threads share, that
 * is what a job of the limit's length takes.
 */
uint64_t watchdog_silence_us(const struct stats_seat *s, uint64_t now_us);

/* Of one that is silent: a thread is, and the loop is well. */
bool watchdog_blames_thread(const struct stats_seat *s, uint64_t now_us);

/* Whether that is beyond the limit. */
bool watchdog_is_hung(const struct watchdog *w, const struct stats_seat *s, uint64_t now_us);

#endif
