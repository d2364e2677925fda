/* For worker.c and worker_jobs.c only: one worker, and the calls between its two halves. */
#ifndef QUERN_SERVER_WORKER_INTERNAL_H
#define QUERN_SERVER_WORKER_INTERNAL_H

#include "config/config.h"
#include "lib/buffer.h"
#include "server/http/server.h"
#include "server/job.h"
#include "server/lag.h"
#include "server/leave.h"
#include "server/routes/params.h"
#include "server/signals.h"
#include "server/stats/stats.h"

#include <event2/event.h>
#include <stdint.h>

struct worker {
	struct config *config;
	const struct stats_region *region;
	struct stats_seat *stats;
	int slot;
	int listener; /* -1: closed */
	struct event_base *base;
	struct http_server server;
	struct job_queue queue;
	uint64_t unread_us; /* how long before the turn's poll what it told may have come */
	struct lag lag;
	struct signals signals;
	struct leave leave;
	struct params params;
	struct buffer scratch;
};

/* The callbacks of struct http_server_options; arg is the worker. */
void worker_on_request(struct http_conn *c, void *arg);
void worker_on_gone(struct http_conn *c, void *arg);

/* What is done between two looks at the input: one job, or several quick ones. */
void worker_run_jobs(struct worker *w);

#endif
