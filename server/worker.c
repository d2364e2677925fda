#include "server/worker.h"

#include "config/live.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "server/backend/backend.h"
#include "server/descriptors.h"
#include "server/worker_internal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static struct http_server_options server_options(struct worker *w)
{
	const struct config *c = w->config;

	return (struct http_server_options){
		.limits = {.header_bytes = (size_t)c->limits_header_bytes,
			.body_bytes = (size_t)c->limits_body_bytes},
		.client_us = (uint64_t)c->limits_client_ms * 1000u,
		.idle_us = (uint64_t)c->limits_idle_ms * 1000u,
		.connections = (uint64_t)c->limits_connections,
		.style = {.cache_control = c->http_cache_control,
			.allow_origin = c->http_allow_origin,
			.worker = w->slot},
		.on_request = worker_on_request,
		.on_gone = worker_on_gone,
		.arg = w,
	};
}

/* --- signals */

static void leave(struct worker *w, enum drain_kind kind)
{
	if (w->leave.drain.kind != DRAIN_NONE)
		return;
	atomic_store(&w->stats->state, SLOT_DRAINING);
	log_debug("%s: %llu connections, %llu requests",
		kind == DRAIN_RETIRE ? "draining" : "handing over",
		(unsigned long long)w->server.open, (unsigned long long)w->server.busy);
	leave_begin(&w->leave, kind, w->config->balancer_kind == BALANCER_HAPROXY,
		(uint64_t)w->config->workers_drain_ms * 1000u);
}

static void raise_descriptors(const struct config *c)
{
	uint64_t limit = 0;
	int error = descriptors_raise(descriptors_needed(c), &limit);

	if (error)
		log_error("limits.connections = %lld needs more than the %llu open files allowed "
			  "here: %s",
			(long long)c->limits_connections, (unsigned long long)limit,
			strerror(-error));
}

/* Whatever is read from the configuration at the time it is needed is taken by this alone; the rest is told. */
static void take_live_options(struct worker *w)
{
	config_live_take(w->config, w->region->live.value);
	log_set_level((enum log_level)w->config->log_level);
	raise_descriptors(w->config);
	job_queue_limit(&w->queue, (size_t)w->config->limits_queue);
	backend_set_timeout(w->backend, (uint64_t)w->config->lab_redis_ms * 1000u);
	struct http_server_options options = server_options(w);
	http_server_change(&w->server, &options);
}

static void on_signal(int number, void *arg)
{
	struct worker *w = arg;

	http_server_wake(&w->server);
	switch (number) {
	case SIGTERM:
		leave(w, DRAIN_RETIRE);
		break;
	case SIGQUIT:
		leave(w, DRAIN_HAND_OVER);
		break;
	case SIGHUP:
		take_live_options(w);
		break;
	case SIGUSR1:
		log_rotate();
		break;
	default:
		break;
	}
	http_server_settle(&w->server);
}

static int take_signals(struct worker *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	return signals_init(&w->signals, w->base, &set, on_signal, w);
}

/* --- its life */

static void log_drain(const struct worker *w)
{
	const struct leave *l = &w->leave;

	log_debug("drained: door closed after %llu ms, %llu health checks told, over after %llu ms",
		(unsigned long long)((l->closed_us - l->drain.began_us) / 1000u),
		(unsigned long long)l->drain.refused,
		(unsigned long long)((w->server.now_us - l->drain.began_us) / 1000u));
}

static void close_listener(struct worker *w)
{
	if (w->listener >= 0)
		(void)close(w->listener);
	w->listener = -1;
}

static void serve(struct worker *w)
{
	http_server_wake(&w->server);
	while (!leave_is_over(&w->leave)) {
		bool idle = !worker_has_jobs(w);

		/* Others accept on it, or nobody will: whoever connects must be refused, and not wait for us in vain.
		 * HAProxy may have sent somebody just before it heard. */
		if (w->server.closed &&
			(w->leave.drain.kind == DRAIN_HAND_OVER || !w->leave.drain.balanced))
			close_listener(w);

		/* Each turn ends with a look at the clock. */
		if (idle)
			stats_set(&w->stats->idle_since_us, w->server.now_us);
		http_server_turn(&w->server);
		if (event_base_loop(w->base, EVLOOP_ONCE | (idle ? 0 : EVLOOP_NONBLOCK)) < 0) {
			log_error("the event loop failed");
			return;
		}
		worker_run_jobs(w);
	}
	log_drain(w);
}

static void on_tick(void *arg)
{
	worker_publish_pool(arg);
	worker_publish_pool_cpu(arg);
}

static void serve_on(struct worker *w)
{
	struct http_server_options options = server_options(w);
	int error = http_server_init(&w->server, w->base, w->listener, w->stats, &options);

	if (error) {
		log_error("cannot serve: %s", strerror(-error));
		return;
	}
	error = lag_init(&w->lag, w->base, &w->server);
	w->lag.on_tick = on_tick;
	w->lag.arg = w;
	if (!error)
		error = leave_init(&w->leave, w->base, &w->server);
	if (!error)
		error = worker_tasks_init(w);
	if (!error)
		error = take_signals(w);
	if (error) {
		log_error("cannot prepare the loop: %s", strerror(-error));
	} else {
		/* HAProxy checks slots, so it may have asked the one before for its health just now. */
		w->leave.drain.checked_us = clock_us();
		stats_set(&w->stats->ready_us, clock_us());
		atomic_store(&w->stats->state, SLOT_READY);
		log_info("ready after %llu ms",
			(unsigned long long)((clock_us() - stats_get(&w->stats->spawned_us)) /
					     1000u));
		serve(w);
	}
	signals_done(&w->signals);
	leave_done(&w->leave);
	lag_done(&w->lag);
	http_server_done(&w->server);
	/* No connection is left, so that nobody waits for what threads or the backend still do. */
	worker_tasks_done(w);
}

int worker_run(
	struct config *config, struct stats_region *stats, int slot, unsigned seat, int listener)
{
	struct worker w = {.config = config,
		.region = stats,
		.stats = &stats->slot[slot].seat[seat],
		.trace = trace_ring_of(stats, (uint32_t)slot, seat),
		.slot = slot,
		.listener = listener};

	job_queue_init(&w.queue, (size_t)config->limits_queue);
	job_queue_init(&w.begun, SIZE_MAX);
	job_queue_init(&w.held, SIZE_MAX);
	params_init(&w.params);
	buffer_init(&w.scratch);
	int shortage = descriptors_allow_loop();
	w.base = shortage ? NULL : event_base_new();
	if (w.base)
		serve_on(&w);
	else
		log_error("cannot make an event loop: %s", strerror(shortage ? -shortage : ENOMEM));
	if (w.base)
		event_base_free(w.base);
	close_listener(&w);
	params_done(&w.params);
	buffer_done(&w.scratch);
	return w.leave.drain.kind != DRAIN_NONE ? 0 : 1;
}
