/*
 * The master: opens the listening sockets, forks workers and the admin process, and keeps them
 * alive. It has no event loop; it blocks signals and waits for them, and for the next thing that is
 * due (docs/design.md).
 *
 *   SIGTERM, SIGINT, SIGHUP  drain: workers finish what they have, bounded by workers.drain_ms,
 *                            then SIGKILL
 *   second SIGINT            SIGKILL to all, at once
 *   SIGCHLD                  a child has died: obituary, and another one in its slot
 */
#ifndef QUERN_SERVER_MASTER_H
#define QUERN_SERVER_MASTER_H

#include "config/config.h"

/*
 * Runs the fleet until it is told to stop; the config and its path (absolute, or NULL) are
 * borrowed. Returns the exit code of the process: 0 after a drain, 1 when it could not begin or was
 * ended by a second SIGINT. In a child, which forks inside, it does not return.
 */
int master_run(const struct config *config, const char *config_path);

#endif
