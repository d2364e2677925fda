/* The worker's work: requests as they come, jobs as their turn comes, answers. */
#include "lib/clock.h"
#include "server/access.h"
#include "server/arrival.h"
#include "server/http/conn.h"
#include "server/route.h"
#include "server/worker_internal.h"

#include <stddef.h>

/* Requests that waited too long are refused without a turn of their own, but not without bound in
 * one turn. */
#define LATE_PER_TURN 64
/* Jobs share a turn as long as together they are over sooner. */
#define TURN_US 50u
/* One poll of the loop tells of more connections than this, if there are as many; libevent begins with 32 events. */
#define TOLD_AT_ONCE 16
/* A client is taken to stay for this long after it has sent a request. */
#define STAYS_US 1000u

static struct http_conn *conn_of(struct job *job)
{
	return (struct http_conn *)((char *)job - offsetof(struct http_conn, job));
}

static void publish_queue(struct worker *w)
{
	stats_set(&w->stats->queue, w->queue.len);
}

/* Counts, logs and sends what is in the server's reply. */
static void answer(struct worker *w, struct http_conn *c, enum stats_route route,
	const struct http_reply_timing *timing)
{
	const struct http_reply *r = &w->server.reply;

	stats_count_answer(w->stats, route, r->status);
	/* Health checks come twice a second from each HAProxy, and would be most of the lines. */
	if (w->config->http_access_log && route != ROUTE_HEALTHZ) {
		struct access_entry entry = {
			.worker = w->slot,
			.route = route,
			.status = r->status,
			.body_bytes = r->body.len,
			.queue_us = timing->queue_us,
			.work_us = timing->work_us,
			.response_us = timing->queue_us + timing->work_us,
		};
		access_log(c, &entry, w->config, &w->scratch);
	}
	http_conn_answer(c, timing);
}

/* 503 before any work was spent on it. */
static void shed(struct worker *w, struct http_conn *c, enum stats_route route, uint64_t queue_us,
	const char *message)
{
	struct http_reply_timing timing = {.queue_us = queue_us, .work = "none"};

	http_reply_error(&w->server.reply, 503, "overloaded", message);
	answer(w, c, route, &timing);
}

/* HAProxy asks for the worker's health without the stamp that it gives to the requests of clients: those ask for the
 * health of the whole, of which a worker that leaves says nothing. */
static bool is_check(const struct http_conn *c, const struct route *route)
{
	return route->id == ROUTE_HEALTHZ && c->request.request_start.len == 0;
}

/* Without HAProxy, whoever asks means the whole service, and others may go on serving it on the same address. */
static bool tells_leaving(const struct worker *w)
{
	bool alone = w->config->balancer_kind == BALANCER_HAPROXY ||
		     atomic_load_explicit(&w->region->stopping, memory_order_relaxed);

	return alone && drain_refuses_checks(&w->leave.drain);
}

static void fill_reply(struct worker *w, struct http_conn *c, const struct route *route)
{
	struct exchange x = {
		.request = &c->request,
		.data = http_conn_data(c),
		.reply = &w->server.reply,
		.config = w->config,
		.draining = is_check(c, route) && tells_leaving(w),
		.params = &w->params,
		.scratch = &w->scratch,
	};

	http_reply_reset(&w->server.reply);
	route->handle(&x);
}

static void answer_at_once(struct worker *w, struct http_conn *c, const struct route *route)
{
	struct http_reply_timing timing = {.work = route->work};
	bool check = is_check(c, route);

	fill_reply(w, c, route);
	timing.work_us = clock_us() - c->complete_us;
	answer(w, c, route->id, &timing);
	if (check)
		drain_note_check(&w->leave.drain, w->server.now_us);
}

/* A whole request has come, or one that could not be read. Refusals and health checks never wait.
 */
void worker_on_request(struct http_conn *c, void *arg)
{
	struct worker *w = arg;
	struct http_reply_timing nothing = {.work = "none"};
	enum stats_route id = ROUTE_NONE;

	if (c->request.refusal.status != 0) {
		http_reply_refuse(&w->server.reply, &c->request.refusal);
		answer(w, c, id, &nothing);
		return;
	}
	const struct route *route =
		route_find(&c->request, http_conn_data(c), w->config, &w->server.reply, &id);
	if (!route) {
		answer(w, c, id, &nothing);
		return;
	}
	if (route->at_once) {
		answer_at_once(w, c, route);
		return;
	}
	c->job.route = route;
	if (!job_push(&w->queue, &c->job)) {
		stats_add(&w->stats->shed_full, 1);
		shed(w, c, route->id, 0, "the queue is full");
	}
	publish_queue(w);
}

/* The client closed while its request waited. */
void worker_on_gone(struct http_conn *c, void *arg)
{
	struct worker *w = arg;

	if (!c->job.queued)
		return;
	job_remove(&w->queue, &c->job);
	publish_queue(w);
	stats_add(&w->stats->abandoned, 1);
}

/* How long it took, to the answer's last byte. */
static uint64_t run(struct worker *w, struct http_conn *c, uint64_t queue_us, uint64_t began_us)
{
	const struct route *route = c->job.route;
	struct http_reply_timing timing = {.queue_us = queue_us, .work = route->work};

	fill_reply(w, c, route);
	http_server_wake(&w->server);
	timing.work_us = w->server.now_us - began_us;
	/* Before the client can know of it. */
	stats_add(&w->stats->jobs, 1);
	answer(w, c, route->id, &timing);
	histogram_record(&w->stats->queue_time, queue_us);
	histogram_record(&w->stats->service_time, timing.work_us);
	http_server_wake(&w->server);
	uint64_t job_us = w->server.now_us - began_us;
	histogram_record(&w->stats->response_time, queue_us + job_us);
	return job_us;
}

/* This turn's poll had room for all that there was to tell. */
static bool is_all_told(const struct worker *w)
{
	return w->server.heard < TOLD_AT_ONCE;
}

/*
 * Whether the client has left, which costs a system call to find out. A connection is watched all the time, and one
 * whose client has left is closed when the turn's input is read; so its socket is asked only where the poll may not
 * have told: nothing is read from it, there was more to tell than fits, or its request was read in this very turn and
 * may have lain there for long; then the end can be right behind it. A connection that has just been accepted is always
 * asked, as nobody knows how long it waited for that.
 */
static bool is_gone(const struct worker *w, const struct http_conn *c)
{
	bool fresh = c->turn == w->server.turn, is_new = c->first_turn == w->server.turn;

	if (c->reading && is_all_told(w) && !is_new && !(fresh && w->unread_us > STAYS_US))
		return false;
	return http_conn_is_gone(c);
}

/* Takes jobs off the queue until one was run, and returns how long it took; the others were too late, or nobody waits
 * for them any more. 0: none was run. The clock has just been read. */
static uint64_t run_one_job(struct worker *w)
{
	uint64_t limit_us = (uint64_t)w->config->limits_queue_ms * 1000u;
	bool stamped = w->config->balancer_kind == BALANCER_HAPROXY;

	for (int i = 0; i < LATE_PER_TURN; i++) {
		struct job *job = job_pop(&w->queue);
		if (!job)
			return 0;
		/* The one before was answered or closed meanwhile. */
		if (i > 0)
			http_server_wake(&w->server);
		struct http_conn *c = conn_of(job);
		uint64_t began_us = w->server.now_us;
		uint64_t queue_us = arrival_waited_us(c, began_us, stamped, w->stats);
		publish_queue(w);
		if (is_gone(w, c)) {
			stats_add(&w->stats->abandoned, 1);
			http_conn_close(c);
			continue;
		}
		if (queue_us > limit_us) {
			stats_add(&w->stats->shed_late, 1);
			shed(w, c, job->route->id, queue_us,
				"the request waited too long for its turn");
			continue;
		}
		return run(w, c, queue_us, began_us);
	}
	return 0;
}

/*
 * One job a turn; but jobs that are over sooner than input is looked for share one, as long as they keep the loop from
 * its input no longer than TURN_US together.
 */
void worker_run_jobs(struct worker *w)
{
	uint64_t deaf_us = 0;

	http_server_wake(&w->server);
	uint64_t began_us = w->server.now_us;
	do {
		deaf_us += run_one_job(w);
		http_server_settle(&w->server);
	} while (w->queue.len > 0 && w->server.now_us - began_us < TURN_US);
	w->unread_us = deaf_us + (is_all_told(w) ? 0 : w->unread_us);
}
