/*
 * One process that the master keeps alive, the worker of a slot or the admin process: how it is born, and what is done
 * when it has died. The master decides when.
 */
#ifndef QUERN_SERVER_CHILD_H
#define QUERN_SERVER_CHILD_H

#include "config/config.h"
#include "server/restart.h"
#include "server/sockets.h"
#include "server/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#define CHILD_ADMIN (-1)

/* What children inherit from the master. */
struct legacy {
	const struct config *config; /* borrowed, as the path */
	const char *config_path;     /* NULL: there is no file */
	struct stats_region *stats;
	struct sockets sockets;
	pid_t master;
	bool stopping; /* the dead are not followed by others */
};

struct child {
	int slot;	   /* CHILD_ADMIN: the admin process */
	pid_t pid;	   /* 0: not running */
	uint64_t spawned;  /* how many there were */
	uint64_t requests; /* the slot's counter when the last one was forked */
	struct restart restart;
};

/*
 * Forks it. Where that fails it is scheduled for another try. Does not return in the child, which ends with exit():
 * it has its own copy of everything, keeps only its own listening socket, and dies with the master.
 */
void child_spawn(struct child *c, struct legacy *l);

/*
 * After wait4() has returned its status: schedules the next one, writes the obituary (slot, pid, cause, age, requests
 * served, what comes next), and settles the slot's statistics.
 */
void child_bury(struct child *c, struct legacy *l, int wait_status, const struct rusage *usage);

#endif
