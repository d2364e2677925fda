/*
 * All that one worker does after fork, in order: its loop, its jobs, its drain. It owns the loop,
 * because only so can it answer one job before it begins the next (docs/design.md).
 */
#ifndef QUERN_SERVER_WORKER_H
#define QUERN_SERVER_WORKER_H

#include "config/config.h"
#include "server/stats/stats.h"

/*
 * Serves on `listener`, counting in seat `seat` of the slot, until a signal ends it. The signals, which must be blocked, as
 * the master left them:
 *
 *   SIGTERM   leaves, and nobody takes its place: DRAIN_RETIRE of server/drain.h
 *   SIGQUIT   leaves, while a successor accepts on the same socket: DRAIN_HAND_OVER
 *   SIGHUP    takes the live options from stats->live
 *   SIGUSR1   opens the log again
 *
 * The listener is the worker's from now on, and closed in the end. Everything else is borrowed; the config is this
 * process's own, and is written to. Returns the process's exit code: 0
 * after a drain, 1 when it could not begin.
 */
int worker_run(
	struct config *config, struct stats_region *stats, int slot, unsigned seat, int listener);

#endif
