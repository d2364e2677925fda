/*
 * One process of the master, a worker in a seat of its slot or the admin process: how it is born, told to leave, accused
 * of hanging, and what is done when it has died. server/slot.h and the master decide when.
 */
#ifndef QUERN_SERVER_CHILD_H
#define QUERN_SERVER_CHILD_H

#include "config/config.h"
#include "server/sockets.h"
#include "server/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define CHILD_ADMIN (-1)

/* What children inherit from the master. */
struct legacy {
	struct config *config;	 /* in force; the master's, borrowed as the path */
	const char *config_path; /* NULL: there is no file */
	struct stats_region *stats;
	struct sockets sockets;
	pid_t master;
	int signals_fd; /* the master's own, which children close */
	int upgrade_fd; /* likewise; -1: none */
	int heir_fd;	/* likewise: a new master's end of the same */
};

/* workers.drain_ms, as it is in force. */
static inline uint64_t legacy_drain_us(const struct legacy *l)
{
	return (uint64_t)l->config->workers_drain_ms * 1000u;
}

enum child_leave { CHILD_STAYS, CHILD_RETIRES, CHILD_HANDS_OVER };

struct child {
	int slot;      /* CHILD_ADMIN: the admin process */
	unsigned seat; /* of a worker */
	pid_t pid;     /* 0: not running */
	uint64_t spawned_us;
	uint64_t generation;	/* of the configuration that it was born with */
	uint64_t requests;	/* the seat's counter when it was forked */
	uint64_t birth;		/* how many workers the slot had before it */
	enum child_leave leave; /* what it was told */
	uint64_t deadline_us;	/* when SIGKILL is due; UINT64_MAX: not at all */
	uint64_t silent_us;	/* nonzero: it hangs, and had given no sign of life for this long */
};

/* Where its figures are; NULL for the admin process. */
struct stats_seat *child_seat(const struct child *c, const struct legacy *l);

/*
 * Forks it. 0, or -errno, logged. Does not return in the child, which ends with exit(): it has its own copy of everything,
 * keeps only its own listening sockets, and dies with the master.
 */
int child_spawn(struct child *c, struct legacy *l) __attribute__((warn_unused_result));

/* A worker that lives and has said that it is ready. */
bool child_is_ready(const struct child *c, const struct legacy *l);

/* Nothing happens without a living process. */
void child_signal(const struct child *c, int number);

/* Tells a worker to leave, once; it is killed at deadline_us if it has not by then. */
void child_tell(struct child *c, enum child_leave leave, uint64_t deadline_us);

/* It hangs, its loop or a thread: SIGABRT, and SIGKILL a moment later. */
void child_accuse(struct child *c, uint64_t silent_us, bool in_thread, uint64_t now_us);

/* SIGKILL if its deadline has passed. */
void child_enforce(struct child *c, uint64_t now_us);

/* Requests that a worker has answered so far. */
uint64_t child_requests(const struct child *c, const struct legacy *l);

/*
 * After wait4() has returned its status: writes the obituary (slot, pid, cause, age, requests served, and `next`: what
 * comes after it), settles the seat's statistics and leaves the seat in `state`.
 */
void child_bury(struct child *c, struct legacy *l, int wait_status, const struct rusage *usage,
	enum slot_state state, const char *next);

#endif
