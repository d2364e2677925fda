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
/* Where jobs that have not begun wait beside long ones, they have the loop for so many slices before a long one has one. */
#define FRESH_SLICES 3u
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

void worker_publish_queue(struct worker *w)
{
	stats_set(&w->stats->queue, w->queue.len + w->begun.len + w->held.len);
}

void worker_answer(struct worker *w, struct http_conn *c, enum stats_route route,
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
			.response_us = timing->queue_us + timing->work_us + timing->wait_us,
		};
		access_log(c, &entry, w->config, &w->scratch);
	}
	http_conn_answer(c, timing);
}

void worker_shed(struct worker *w, struct http_conn *c, enum stats_route route, uint64_t queue_us,
	const char *message)
{
	struct http_reply_timing timing = {.queue_us = queue_us, .work = "none"};

	http_reply_error(&w->server.reply, 503, "overloaded", message);
	worker_answer(w, c, route, &timing);
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

struct exchange worker_exchange(struct worker *w, struct http_conn *c)
{
	http_reply_reset(&w->server.reply);
	return (struct exchange){
		.request = &c->request,
		.data = http_conn_data(c),
		.reply = &w->server.reply,
		.config = w->config,
		.params = &w->params,
		.scratch = &w->scratch,
	};
}

static void fill_reply(struct worker *w, struct http_conn *c, const struct route *route)
{
	struct exchange x = worker_exchange(w, c);

	x.draining = is_check(c, route) && tells_leaving(w);
	route->handle(&x);
}

/* What is done in one go is one entry of the timeline. */
static void note_job(struct worker *w, const struct http_conn *c, enum stats_route route,
	uint64_t arrived_us, uint64_t start_us)
{
	const struct trace_entry e = {
		.kind = TRACE_JOB,
		.route = route,
		.status = w->server.reply.status,
		.job = c->job.number,
		.from_us = arrived_us,
		.start_us = start_us,
		.end_us = w->server.now_us,
	};

	trace_put(w->trace, &e);
}

static void answer_at_once(struct worker *w, struct http_conn *c, const struct route *route)
{
	struct http_reply_timing timing = {.work = route->work};
	bool check = is_check(c, route);

	fill_reply(w, c, route);
	timing.work_us = clock_us() - c->complete_us;
	note_job(w, c, route->id, c->complete_us, c->complete_us);
	worker_answer(w, c, route->id, &timing);
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

	c->job = (struct job){.number = ++w->requests};
	if (c->request.refusal.status != 0) {
		http_reply_refuse(&w->server.reply, &c->request.refusal);
		worker_answer(w, c, id, &nothing);
		return;
	}
	const struct route *route =
		route_find(&c->request, http_conn_data(c), w->config, &w->server.reply, &id);
	if (!route) {
		worker_answer(w, c, id, &nothing);
		return;
	}
	if (route->at_once) {
		answer_at_once(w, c, route);
		return;
	}
	c->job.route = route;
	if (w->queue.len + w->begun.len + w->held.len + w->calling >= w->queue.limit ||
		!job_push(&w->queue, &c->job)) {
		stats_add(&w->stats->shed_full, 1);
		worker_shed(w, c, route->id, 0, "the queue is full");
	}
	worker_publish_queue(w);
}

/* The client closed while its request waited. */
void worker_on_gone(struct http_conn *c, void *arg)
{
	struct worker *w = arg;

	if (!c->job.in && !c->job.task)
		return;
	job_remove(&c->job);
	worker_publish_queue(w);
	if (c->job.task)
		worker_abandon_task(w, c->job.task);
	stats_add(&w->stats->abandoned, 1);
}

void worker_count_job(struct worker *w, uint64_t queue_us, uint64_t work_us, uint64_t response_us)
{
	histogram_record(&w->stats->queue_time, queue_us);
	histogram_record(&w->stats->service_time, work_us);
	histogram_record(&w->stats->response_time, response_us);
}

static void run(struct worker *w, struct http_conn *c, uint64_t queue_us, uint64_t began_us)
{
	const struct route *route = c->job.route;
	struct http_reply_timing timing = {.queue_us = queue_us, .work = route->work};

	fill_reply(w, c, route);
	http_server_wake(&w->server);
	timing.work_us = w->server.now_us - began_us;
	/* Before the client can know of it. */
	stats_add(&w->stats->jobs, 1);
	note_job(w, c, route->id, began_us - queue_us, began_us);
	worker_answer(w, c, route->id, &timing);
	http_server_wake(&w->server);
	worker_count_job(w, queue_us, timing.work_us, queue_us + w->server.now_us - began_us);
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

uint64_t worker_begin_job(struct worker *w, struct job *job)
{
	struct http_conn *c = conn_of(job);
	const bool stamped = w->config->balancer_kind == BALANCER_HAPROXY;
	const uint64_t began_us = w->server.now_us;
	const uint64_t queue_us = arrival_waited_us(c, began_us, stamped, w->stats);

	if (is_gone(w, c)) {
		stats_add(&w->stats->abandoned, 1);
		http_conn_close(c);
		return 0;
	}
	if (queue_us > (uint64_t)w->config->limits_queue_ms * 1000u) {
		stats_add(&w->stats->shed_late, 1);
		worker_shed(
			w, c, job->route->id, queue_us, "the request waited too long for its turn");
		return 0;
	}
	if (worker_is_task(w, job->route))
		worker_begin_task(w, c, queue_us, began_us);
	else
		run(w, c, queue_us, began_us);
	return w->server.now_us - began_us;
}

static uint64_t continue_job(struct worker *w, struct job *job)
{
	const uint64_t began_us = w->server.now_us;

	worker_continue_task(w, job->task);
	return w->server.now_us - began_us;
}

/* How long it kept the loop; 0: it was not begun. One that has its task already comes from the backend. */
static uint64_t take_fresh(struct worker *w, struct job *job)
{
	if (job->task)
		return continue_job(w, job);
	if (worker_must_hold(w, job->route)) {
		job_push_again(&w->held, job);
		worker_publish_queue(w);
		return 0;
	}
	return worker_begin_job(w, job);
}

/* The pool has room for it. */
static uint64_t take_held(struct worker *w, struct job *job)
{
	worker_publish_queue(w);
	return job->task ? continue_job(w, job) : worker_begin_job(w, job);
}

/*
 * Who waited for a thread goes before all, as one is free now. Then who has not begun, as most jobs are short and are over
 * before the next slice of a long one; but where both wait, the long ones have a quarter of the loop.
 */
static uint64_t run_next(struct worker *w)
{
	if (worker_has_room_for_held(w))
		return take_held(w, job_pop(&w->held));
	const bool due = w->fresh_us >= FRESH_SLICES * (uint64_t)w->config->execution_slice_us;
	struct job *job =
		w->begun.len > 0 && (due || w->queue.len == 0) ? job_pop(&w->begun) : NULL;
	uint64_t took_us;

	if (job) {
		worker_publish_queue(w);
		w->fresh_us = 0;
		return continue_job(w, job);
	}
	job = job_pop(&w->queue);
	worker_publish_queue(w);
	took_us = take_fresh(w, job);
	w->fresh_us += w->begun.len > 0 ? took_us : 0;
	return took_us;
}

bool worker_has_jobs(const struct worker *w)
{
	return w->queue.len + w->begun.len > 0 || worker_has_room_for_held(w);
}

/* Takes jobs off the queues until one was run, and returns how long it took; the others were too late, or nobody waits
 * for them any more. 0: none was run. The clock has just been read. */
static uint64_t run_one_job(struct worker *w)
{
	uint64_t took_us = 0;

	for (int i = 0; i < LATE_PER_TURN && took_us == 0 && worker_has_jobs(w); i++) {
		/* The one before was answered or closed meanwhile. */
		if (i > 0)
			http_server_wake(&w->server);
		took_us = run_next(w);
	}
	return took_us;
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
	} while (worker_has_jobs(w) && w->server.now_us - began_us < TURN_US);
	w->unread_us = deaf_us + (is_all_told(w) ? 0 : w->unread_us);
}
