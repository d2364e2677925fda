/* When a dead process is followed by the next one: decisions only, no processes. Times are clock_us(). */
#ifndef QUERN_SERVER_RESTART_H
#define QUERN_SERVER_RESTART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many quick deaths in a row park a slot: the next one is due after RESTART_PARK_MIN_US, doubling up to
 * RESTART_PARK_MAX_US as long as quick deaths follow. */
#define RESTART_QUICK_DEATHS 6
#define RESTART_PARK_MIN_US UINT64_C(10000000)
#define RESTART_PARK_MAX_US UINT64_C(300000000)

struct restart {
	uint64_t spawned_us; /* when the last one was forked */
	uint64_t start_us;   /* when the next one is due, while none runs */
	uint64_t
		backoff_us; /* the last delay of a row of quick deaths; 0 when the last death was none */
	unsigned quick; /* deaths in that row */
	bool parked; /* the last death parked the slot; so it stays while the next process is tried */
};

/*
 * A death counts as quick when it came before the process was ready (ready_us 0), or by its own fault (a signal such
 * as SIGSEGV or SIGABRT, a non-zero exit) within a second of that.
 */
bool restart_was_quick(int wait_status, uint64_t ready_us, uint64_t now_us);

/*
 * Sets start_us after a death at now_us: quick ones back off from 50 ms, doubling, and then park the slot. After any other
 * the row is over, the slot is parked no more, and the next one starts at once, but not sooner than 50 ms after the last
 * start.
 */
void restart_schedule(struct restart *r, bool quick, uint64_t now_us);

/* A fork that failed is no death: tried again soon, and the row of quick deaths is left as it is. */
void restart_after_fork(struct restart *r, uint64_t now_us);

/* "killed by signal 9 (SIGKILL)", "exited with code 1"; returns text. */
const char *restart_cause(int wait_status, char *text, size_t n);

#endif
