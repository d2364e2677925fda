/* For worker.c, worker_jobs.c and worker_tasks.c only: one worker, and the calls between its parts. */
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
#include "server/stats/trace.h"
#include "server/task.h"

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
	struct job_queue queue; /* jobs not begun yet */
	struct job_queue begun; /* those that have more to do on the loop: a further slice */
	uint64_t
		fresh_us; /* what jobs of `queue` have had of the loop since one of `begun` had a slice */
	struct job_queue
		held; /* jobs for threads that found no room in the pool; they count for limits.queue */
	struct pool *pool; /* NULL unless execution.strategy is offload */
	uint64_t pool_before_us,
		pool_cpu_before_us; /* of the threads of earlier workers in the seat */
	struct backend *backend;
	struct trace_ring *trace;
	uint64_t requests;  /* ever, in this worker's life */
	size_t calling;	    /* tasks that wait for the backend; they count for limits.queue too */
	bool over;	    /* nothing is answered any more */
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

/* Whether anything could be done between two looks at the input. */
bool worker_has_jobs(const struct worker *w);

/* What is done between two looks at the input: one job, or several quick ones. */
void worker_run_jobs(struct worker *w);

/* What a handler, or a piece of work, may look at and fill. */
struct exchange worker_exchange(struct worker *w, struct http_conn *c);

/* Counts, logs and sends what is in the server's reply. */
void worker_answer(struct worker *w, struct http_conn *c, enum stats_route route,
	const struct http_reply_timing *timing);

/* 503 before any work was spent on it. */
void worker_shed(struct worker *w, struct http_conn *c, enum stats_route route, uint64_t queue_us,
	const char *message);

/* The time that a job took, into the histograms. */
void worker_count_job(struct worker *w, uint64_t queue_us, uint64_t work_us, uint64_t response_us);

void worker_publish_queue(struct worker *w);

/* Begins a job that has left its queue, unless its client has left or it waited too long. How long it kept the loop; 0: it was
 * not begun. The clock has just been read. */
uint64_t worker_begin_job(struct worker *w, struct job *job);

/* --- worker_tasks.c */

/* Makes ready what tasks need: the pool and the backend. 0 or -errno; worker_tasks_done() takes either. */
int worker_tasks_init(struct worker *w) __attribute__((warn_unused_result));
void worker_tasks_done(struct worker *w);

/* Publishes what there is in the pool at the moment. */
void worker_publish_pool(struct worker *w);

/* Publishes the CPU time of its threads. A system call for each. */
void worker_publish_pool_cpu(struct worker *w);

/* Whether such a job is a task, or is done at once by its handler. */
bool worker_is_task(const struct worker *w, const struct route *route);

/* Whether it has to wait until the pool has room. */
bool worker_must_hold(const struct worker *w, const struct route *route);

/* Whether jobs are held and the pool has room for one. */
bool worker_has_room_for_held(const struct worker *w);

/* Begins the work of the request in hand, whose turn it is, and goes on as far as it can. */
void worker_begin_task(struct worker *w, struct http_conn *c, uint64_t queue_us, uint64_t began_us);

/* The next piece of a task whose turn it is again. */
void worker_continue_task(struct worker *w, struct task *t);

/* Its client has left. */
void worker_abandon_task(struct worker *w, struct task *t);

#endif
