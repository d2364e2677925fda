/*
 * All that one worker does after fork, in order: its loop, its jobs, its drain. It owns the loop,
 * because only so can it answer one job before it begins the next (docs/design.md).
 */
#ifndef QUERN_SERVER_WORKER_H
#define QUERN_SERVER_WORKER_H

#include "config/config.h"
#include "server/stats/stats.h"

/*
 * Serves on `listener` until SIGTERM (which must be blocked, as the master left it), then finishes
 * what it has. Everything given is borrowed. Returns the process's exit code: 0 after a drain, 1
 * when it could not begin.
 */
int worker_run(const struct config *config, struct stats_slot *stats, int slot, int listener);

#endif
