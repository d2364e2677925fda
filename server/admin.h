/*
 * The admin process: status and metrics by HTTP, from shared memory alone. It asks no worker, so it
 * answers also when all of them are blocked; and it only reads, so its address may be given to a
 * monitoring network.
 */
#ifndef QUERN_SERVER_ADMIN_H
#define QUERN_SERVER_ADMIN_H

#include "config/config.h"
#include "server/stats/stats.h"

/*
 * Serves /status.json, /metrics and /healthz on `listener` until SIGTERM (which must be blocked).
 * Everything given is borrowed, and config is changed: SIGHUP takes the live options from shared memory. In stats it writes
 * what is its own (statsd_payloads, statsd_lost). SIGUSR1 opens the log's file again. config_path may be NULL. Returns the
 * process's exit code.
 */
int admin_run(
	struct config *config, const char *config_path, struct stats_region *stats, int listener);

#endif
