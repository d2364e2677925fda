/*
 * What the master is, for its three files: master_start.c makes and unmakes it, master_signals.c does what it is told,
 * master.c does what is due.
 */
#ifndef QUERN_SERVER_MASTER_STATE_H
#define QUERN_SERVER_MASTER_STATE_H

#include "server/child.h"
#include "server/fleet.h"
#include "server/guardian.h"
#include "server/master.h"
#include "server/operations.h"
#include "server/restart.h"
#include "server/succession.h"

#include <signal.h>
#include <stdint.h>

enum phase {
	PHASE_SERVING,
	PHASE_STOPPING, /* the workers retire */
	PHASE_YIELDED,	/* another master serves; our workers finish what they have */
};

struct master {
	const struct master_options *options;
	struct legacy legacy;
	struct fleet fleet;
	struct operations operations;
	struct succession succession;
	struct child admin;
	struct restart admin_restart;
	sigset_t signals;
	enum phase phase;
	int exit_code;
	struct guardian
		guardian; /* that we are, once another master has taken over from the first one */
	pid_t successor;  /* once we have yielded */
	bool interrupted; /* by a SIGINT, since then */
};

/* Blocks the signals, opens the sockets, fills the tables. 0 or -1, logged; master_end() takes either. */
int master_begin(struct master *m) __attribute__((warn_unused_result));
void master_end(struct master *m);

/* Does what the signals that have come ask for. */
void master_take_signals(struct master *m);

/* Master, workers and admin process open the log's file again. */
void master_reopen_logs(struct master *m);

/* The fleet retires, at most for workers.drain_ms; or it hands over, where it was to take over from an old master and has not. */
void master_stop(struct master *m, const char *why);

#endif
