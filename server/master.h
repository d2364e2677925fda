/*
 * The master: opens the listening sockets, forks workers and the admin process, keeps them alive, and changes the fleet
 * while it serves. It has no event loop; it blocks signals and waits for them, and for the next thing that is due
 * (docs/design.md).
 *
 *   SIGTERM, SIGINT  stop: workers finish what they have, bounded by workers.drain_ms, then SIGKILL
 *   second SIGINT    SIGKILL to all, at once
 *   SIGHUP           reads the configuration again (server/reload.h)
 *   SIGUSR1          all processes open the log's file again
 *   SIGUSR2          starts the program anew beside the running one, which hands over to it (server/upgrade.h)
 *   SIGTTIN, SIGTTOU one worker more, one less
 *   MASTER_SCALE     the number of workers that its value says: sigqueue(3)
 *   SIGCHLD          a child has died: obituary, and another one in its slot
 */
#ifndef QUERN_SERVER_MASTER_H
#define QUERN_SERVER_MASTER_H

#include "config/config.h"
#include "server/reload.h"

#include <signal.h>

#define MASTER_SCALE SIGRTMIN

/* Exit codes besides those of config/command.h. */
#define MASTER_LOST 3 /* every slot is parked: no worker lives long enough to serve */

struct master_options {
	struct config
		*config; /* the master's from now on; the caller frees what is there in the end */
	const char *config_path; /* absolute, for status; NULL: there is no file */
	struct reload_source source;
	char *const *argv; /* of this program, for the next one */
};

/*
 * Has signals that ask a master for something wait until there is one, instead of ending the process; SIGTERM and SIGINT
 * still do. To be called first.
 */
void master_hold_signals(void);

/*
 * Runs the fleet until it is told to stop, or another master has taken over. Returns the exit code of the process: 0 after
 * a drain, 1 when it could not begin or was ended by a second SIGINT, MASTER_LOST; as the guardian of a later master
 * (server/guardian.h) that one's. In a child, which forks inside, it does not return.
 */
int master_run(const struct master_options *options);

#endif
