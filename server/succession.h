/*
 * Both ends of an upgrade, as the masters see it: the old one that starts a new one and hands over to it, and the new one
 * that takes over. server/upgrade.h carries their messages.
 */
#ifndef QUERN_SERVER_SUCCESSION_H
#define QUERN_SERVER_SUCCESSION_H

#include "server/fleet.h"
#include "server/stats/change.h"
#include "server/upgrade.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the environment of a new master: how many workers the old one has, and " scaled" if an operator said so. */
#define WORKERS_VARIABLE "QUERND_WORKERS"

struct succession {
	struct fleet *fleet; /* borrowed, as the next two */
	struct legacy *legacy;
	char *const *argv;
	char program[PATH_MAX];
	pid_t guardian;	   /* 0: we are the first master, and become it */
	pid_t predecessor; /* the master before us, 0: none */

	/* Ours is the old end. */
	struct change change;
	struct upgrade upgrade;
	pid_t leaving; /* a new master that was given up, while it finishes what its workers have; 0: none */
	uint64_t leaving_until_us;
	bool pending;	  /* it begins when no slot is being left any more */
	bool asked;	  /* the new master is ready and waits for us */
	uint32_t workers; /* that it has */

	/* Ours is the new end. */
	struct heir heir;
	uint32_t old_workers; /* that the old master wanted; 0: unknown */
	bool scaled;	      /* because quernctl scale had said so */
};

/* Reads what an old master left in the environment, if there is one. 0 or -errno, logged. */
int succession_init(struct succession *s, struct fleet *f, struct legacy *l, char *const *argv)
	__attribute__((warn_unused_result));
void succession_done(struct succession *s);

/* --- the old master's end */

/* Starts a new master, unless one is starting already; the change record tells. */
void succession_begin(struct succession *s, uint64_t now_us);

/* Whether a new master is on its way. */
bool succession_runs(const struct succession *s);

/* Reads what the new master says, and ends a change that takes too long. Afterwards s->asked tells whether it is ready. */
void succession_step(struct succession *s, uint64_t now_us);

/* Our admin process has gone: lets the new master take over. False: it has died meanwhile, and we carry on. */
bool succession_yield(struct succession *s, uint64_t now_us);

/* It must not take over, whatever it says: the upgrade has failed, and we carry on. */
void succession_refuse(struct succession *s, const char *why, uint64_t now_us);

/* Some child has died; true: it was the new master. */
bool succession_bury(struct succession *s, pid_t pid, int wait_status, uint64_t now_us);

/* The fleet is being stopped: whichever end is ours, the upgrade is off. */
void succession_abandon(struct succession *s, const char *why, uint64_t now_us);

/* SIGKILL to a new master that was given up and takes too long to leave. */
void succession_enforce(struct succession *s, uint64_t now_us);

/* --- the new master's end */

/* For a program that ends before it has become a master: tells the old one why, if there is one. */
void succession_tell(const char *why);

/*
 * How many workers to start: as many as the old master has, so that it can hand over every slot, else what the
 * configuration says. And how many it shall be once we have taken over.
 */
uint32_t succession_workers(const struct succession *s);
uint32_t succession_workers_then(const struct succession *s);

/* Whether an old master still serves, and waits for us. */
bool succession_is_heir(const struct succession *s);

/*
 * Tells how far we are. True when we have just taken over, and the change is recorded. When our workers do not come up,
 * says so and returns false with *ret_failed set: this process must end.
 */
bool succession_try(struct succession *s, bool *ret_failed, uint64_t now_us);

#endif
