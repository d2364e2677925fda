/*
 * One process that the master keeps alive: the worker of a slot, or the admin process. Its life as
 * the master sees it: when to start it, how it died, and when to try again.
 */
#ifndef QUERN_SERVER_CHILD_H
#define QUERN_SERVER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_ADMIN (-1)

struct child {
	int slot;	     /* CHILD_ADMIN: the admin process */
	pid_t pid;	     /* 0: not running */
	uint64_t spawned_us; /* when the last one was forked */
	uint64_t start_us;   /* when the next one is due, while none runs */
	uint64_t backoff_us; /* the last delay of a row of quick deaths; 0 when the last death was
				none */
	uint64_t spawned;    /* how many there were */
	uint64_t requests;   /* the slot's counter when the last one was forked */
};

/*
 * A death counts as quick when it came before the process was ready (ready_us 0), or by its own
 * fault (a signal such as SIGSEGV or SIGABRT, a non-zero exit) within a second of that.
 */
bool child_died_quickly(int wait_status, uint64_t ready_us, uint64_t now_us);

/*
 * Sets start_us after a death at now_us: quick ones back off from 50 ms to 5 s, doubling; after any
 * other the next one starts at once, but not sooner than 50 ms after the last start.
 */
void child_schedule(struct child *c, bool quick, uint64_t now_us);

/* "killed by signal 9 (SIGKILL)", "exited with code 1". */
const char *child_cause(int wait_status, char *text, size_t n);

#endif
