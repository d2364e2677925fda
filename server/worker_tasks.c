/* The worker's work that is not done in one go: slices, threads, calls of the backend (server/task.h). */
#include "server/backend/backend.h"
#include "server/http/conn.h"
#include "server/route.h"
#include "server/worker_internal.h"

#include <stddef.h>

static bool has_strategy(const struct worker *w, enum config_strategy strategy)
{
	return w->config->execution_strategy == (int)strategy;
}

bool worker_is_task(const struct worker *w, const struct route *route)
{
	return route->class && (!route->handle || has_strategy(w, STRATEGY_OFFLOAD));
}

bool worker_must_hold(const struct worker *w, const struct route *route)
{
	if (!w->pool || !route->class || !route->class->step)
		return false;
	/* Where some wait already, room that a thread has made meanwhile is theirs. */
	return w->held.len > 0 || !pool_has_room(w->pool);
}

bool worker_has_room_for_held(const struct worker *w)
{
	return w->held.len > 0 && pool_has_room(w->pool);
}

void worker_publish_pool(struct worker *w)
{
	struct pool_load load;

	if (!w->pool)
		return;
	load = pool_load_of(w->pool);
	stats_set(&w->stats->pool_queue, load.queued);
	stats_set(&w->stats->pool_active, load.active);
	stats_set(&w->stats->pool_since_us, load.oldest_us);
	stats_set(&w->stats->pool_us, w->pool_before_us + load.spent_us);
}

void worker_publish_pool_cpu(struct worker *w)
{
	if (w->pool)
		stats_set(&w->stats->pool_cpu_us, w->pool_cpu_before_us + pool_cpu_us(w->pool));
}

/* --- the timeline */

static void note_piece(struct worker *w, struct task *t, enum trace_kind kind, unsigned lane,
	uint64_t start_us, uint64_t end_us)
{
	const struct trace_entry e = {
		.kind = kind,
		.route = t->route->id,
		.lane = lane,
		.job = t->number,
		.start_us = start_us,
		.end_us = end_us,
	};

	t->pieces++;
	trace_put(w->trace, &e);
}

/* What the loop does for a task between its pieces elsewhere. */
static void note_loop(struct worker *w, struct task *t, uint64_t start_us)
{
	note_piece(w, t, TRACE_SLICE, 0, start_us, w->server.now_us);
}

static void note_end(struct worker *w, const struct task *t, int status)
{
	const struct trace_entry e = {
		.kind = TRACE_JOB,
		.route = t->route->id,
		.status = status,
		.pieces = t->pieces,
		.job = t->number,
		.from_us = t->arrived_us,
		.start_us = t->began_us,
		.end_us = w->server.now_us,
	};

	trace_put(w->trace, &e);
}

/* --- the end of a task */

/* With what is in the server's reply. */
static void answer(struct worker *w, struct task *t)
{
	struct http_conn *c = t->conn;
	const uint64_t whole_us = w->server.now_us - t->arrived_us;
	struct http_reply_timing timing = {.queue_us = t->began_us - t->arrived_us,
		.work_us = t->work_us,
		.work = t->route->work};

	if (whole_us > timing.queue_us + timing.work_us)
		timing.wait_us = whole_us - timing.queue_us - timing.work_us;
	/* Before the client can know of it. */
	stats_add(&w->stats->jobs, 1);
	note_end(w, t, w->server.reply.status);
	const enum stats_route route = t->route->id;
	const uint64_t arrived_us = t->arrived_us;
	task_free(t);
	worker_answer(w, c, route, &timing);
	http_server_wake(&w->server);
	worker_count_job(w, timing.queue_us, timing.work_us, w->server.now_us - arrived_us);
}

static void finish(struct worker *w, struct task *t)
{
	const uint64_t start_us = w->server.now_us;
	struct exchange x = worker_exchange(w, t->conn);

	t->work->class->finish(t->work, &x);
	http_server_wake(&w->server);
	t->work_us += w->server.now_us - start_us;
	if (t->pieces > 0)
		note_loop(w, t, start_us);
	answer(w, t);
}

/* --- slices */

/* A piece on the loop, now: the whole of what is left, unless jobs have slices. */
static void run_slice(struct worker *w, struct task *t)
{
	const uint64_t start_us = w->server.now_us;
	struct work_slice slice = {.until_us = UINT64_MAX};

	if (has_strategy(w, STRATEGY_YIELD))
		slice.until_us = start_us + (uint64_t)w->config->execution_slice_us;
	const bool done = t->work->class->step(t->work, &slice);
	http_server_wake(&w->server);
	t->computed = true;
	t->work_us += w->server.now_us - start_us;
	/* One that was done in one go needs no other entry than that of the job. */
	if (!done || t->pieces > 0)
		note_loop(w, t, start_us);
	if (done) {
		finish(w, t);
		return;
	}
	stats_add(&w->stats->slices, 1);
	job_push_again(&w->begun, &t->conn->job);
	worker_publish_queue(w);
}

/* --- threads */

static struct task *task_of(struct pool_job *job)
{
	return (struct task *)((char *)job - offsetof(struct task, in_pool));
}

static bool is_abandoned(const struct task *t)
{
	return atomic_load_explicit(&t->abandoned, memory_order_relaxed);
}

static void run_in_thread(struct pool_job *job)
{
	struct task *t = task_of(job);
	const struct work_slice slice = {.until_us = UINT64_MAX, .abandoned = &t->abandoned};

	if (is_abandoned(t) || job->start_us > t->latest_us)
		return;
	t->ran = true;
	while (!is_abandoned(t) && !t->work->class->step(t->work, &slice))
		continue;
}

static void push_to_pool(struct worker *w, struct task *t)
{
	t->place = TASK_IN_POOL;
	t->ran = false;
	/* What has begun already may go on. */
	t->latest_us = UINT64_MAX;
	if (!t->computed && !t->called)
		t->latest_us = t->arrived_us + (uint64_t)w->config->limits_queue_ms * 1000u;
	t->in_pool.run = run_in_thread;
	pool_push(w->pool, &t->in_pool);
	worker_publish_pool(w);
}

static void compute(struct worker *w, struct task *t)
{
	if (!w->pool) {
		run_slice(w, t);
	} else if (pool_has_room(w->pool)) {
		push_to_pool(w, t);
	} else {
		job_push_again(&w->held, &t->conn->job);
		worker_publish_queue(w);
	}
}

/* It waited for a thread for too long. */
static void give_up(struct worker *w, struct task *t)
{
	struct http_conn *c = t->conn;
	const uint64_t waited_us = w->server.now_us - t->arrived_us;
	const enum stats_route route = t->route->id;

	stats_add(&w->stats->shed_late, 1);
	note_end(w, t, 503);
	task_free(t);
	worker_shed(w, c, route, waited_us, "the request waited too long for its turn");
}

static void count_thread(struct worker *w, struct task *t)
{
	const struct pool_job *j = &t->in_pool;

	stats_add(&w->stats->offloaded, 1);
	/* It waited for the thread too; what the loop had done for it by then is work. */
	if (!t->computed && !t->called)
		t->began_us = j->start_us - t->work_us;
	t->computed = true;
	t->work_us += j->end_us - j->start_us;
	note_piece(w, t, TRACE_THREAD, j->lane, j->start_us, j->end_us);
}

static void on_pool_done(struct pool_job *job, void *arg)
{
	struct worker *w = arg;
	struct task *t = task_of(job);

	http_server_wake(&w->server);
	t->place = TASK_ON_LOOP;
	if (t->ran)
		count_thread(w, t);
	if (!t->conn) {
		note_end(w, t, 0);
		task_free(t);
	} else if (t->ran) {
		finish(w, t);
	} else {
		give_up(w, t);
	}
	if (w->over)
		return;
	worker_publish_pool(w);
	http_server_settle(&w->server);
}

/* --- the backend */

static void advance(struct worker *w, struct task *t, enum work_next next);

static void on_reply(struct backend_call *call, const struct backend_reply *reply, void *arg)
{
	struct task *t = arg;
	struct worker *w = t->worker;
	const struct trace_entry e = {
		.kind = TRACE_CALL,
		.route = t->route->id,
		.job = t->number,
		.from_us = reply->came_us,
		.start_us = reply->sent_us,
		.end_us = reply->seen_us,
	};

	(void)call;
	t->place = TASK_ON_LOOP;
	w->calling--;
	t->called = true;
	t->pieces++;
	trace_put(w->trace, &e);
	const uint64_t start_us = w->server.now_us;
	const enum work_next next = t->work->class->on_reply(t->work, reply);
	http_server_wake(&w->server);
	t->work_us += w->server.now_us - start_us;
	note_loop(w, t, start_us);
	advance(w, t, next);
}

static void call_backend(struct worker *w, struct task *t)
{
	t->place = TASK_CALLING;
	w->calling++;
	t->work->call.on_reply = on_reply;
	t->work->call.arg = t;
	backend_start(w->backend, &t->work->call);
}

/* --- from state to state */

static void advance(struct worker *w, struct task *t, enum work_next next)
{
	switch (next) {
	case WORK_ANSWERED:
		answer(w, t);
		break;
	case WORK_CALL:
		call_backend(w, t);
		break;
	case WORK_COMPUTE:
		if (t->called) {
			/* It has its turn as any other job that has not computed yet. */
			job_push_again(&w->queue, &t->conn->job);
			worker_publish_queue(w);
		} else {
			compute(w, t);
		}
		break;
	case WORK_FINISH:
		finish(w, t);
		break;
	}
}

void worker_begin_task(struct worker *w, struct http_conn *c, uint64_t queue_us, uint64_t began_us)
{
	struct task *t = task_new(w, c, began_us - queue_us, began_us);
	struct exchange x = worker_exchange(w, c);

	if (!t) {
		worker_shed(w, c, c->job.route->id, queue_us, "out of memory");
		return;
	}
	const enum work_next next = t->work->class->begin(t->work, &x);
	http_server_wake(&w->server);
	t->work_us = w->server.now_us - began_us;
	/* What is done in one go needs no other entry than that of the job. */
	if (next == WORK_CALL || (next == WORK_COMPUTE && w->pool))
		note_loop(w, t, began_us);
	advance(w, t, next);
}

void worker_continue_task(struct worker *w, struct task *t)
{
	compute(w, t);
}

void worker_abandon_task(struct worker *w, struct task *t)
{
	if (t->place == TASK_IN_POOL) {
		/* It comes back by on_pool_done(). */
		atomic_store_explicit(&t->abandoned, true, memory_order_relaxed);
		t->conn->job.task = NULL;
		t->conn = NULL;
		return;
	}
	if (t->place == TASK_CALLING) {
		w->calling--;
		backend_cancel(w->backend, &t->work->call);
	}
	note_end(w, t, 0);
	task_free(t);
}

int worker_tasks_init(struct worker *w)
{
	const struct config *c = w->config;
	const struct pool_options options = {.threads = (unsigned)c->execution_threads,
		.queue = (unsigned)c->execution_queue,
		.base = w->base,
		.on_done = on_pool_done,
		.arg = w};
	int error;

	w->pool_before_us = stats_get(&w->stats->pool_us);
	w->pool_cpu_before_us = stats_get(&w->stats->pool_cpu_us);
	error = backend_new(
		&w->backend, &w->server, c->lab_redis, (uint64_t)c->lab_redis_ms * 1000u);
	if (!error && has_strategy(w, STRATEGY_OFFLOAD))
		error = pool_new(&w->pool, &options);
	stats_set(&w->stats->pool_threads, w->pool ? options.threads : 0);
	return error;
}

void worker_tasks_done(struct worker *w)
{
	w->over = true;
	pool_free(w->pool);
	w->pool = NULL;
	backend_free(w->backend);
	w->backend = NULL;
}
