#include "bench/load/load.h"

#include "bench/load/engine.h"
#include "bench/load/exchange.h"
#include "bench/load/pacer.h"
#include "bench/load/thread.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 64
#define TICK_US 250000.0
#define CONTENTS_STREAM 0x636f6e74656e7473u /* arrival.c has streams of its own for the same seed */

/* CPU and wall time of the measured part. */
struct span {
	bool begun, over;
	double wall_us, cpu_us; /* when it began; when over: how much it took */
};

static bool stopped(const struct engine *e)
{
	return e->o->stop && *e->o->stop;
}

static int describe(struct engine *e, const struct connection *c, enum transport_status status,
	struct buffer *error)
{
	char address[ADDRESS_TEXT_BYTES];

	buffer_printf(error, "no %sconnection to %s (%s): ", e->o->target->tls ? "TLS " : "",
		e->o->target->authority,
		address_format(&e->o->target->address, address, sizeof(address)));
	transport_explain(&c->transport, status, error);
	return c->transport.error ? -c->transport.error : -EPROTO;
}

static int wait_until_open(struct engine *e, struct connection *c, struct buffer *error)
{
	const double deadline_us = engine_now(e) + (double)e->o->timeout_us;

	for (;;) {
		struct epoll_event event;
		const enum transport_status status = transport_connect(&c->transport);
		const double left_us = deadline_us - engine_now(e);
		int n;

		if (status == TRANSPORT_OK)
			return 0;
		if (status != TRANSPORT_WANT_READ && status != TRANSPORT_WANT_WRITE)
			return describe(e, c, status, error);
		if (stopped(e)) {
			buffer_puts(error, "interrupted before the first connection");
			return -EINTR;
		}
		if (left_us <= 0) {
			c->transport.error = ETIMEDOUT;
			return describe(e, c, TRANSPORT_FAILED, error);
		}
		n = waiter_wait(&e->waiter, &event, 1, left_us < TICK_US ? left_us : TICK_US);
		if (n < 0) {
			buffer_printf(error, "epoll: %s", strerror(-n));
			return n;
		}
	}
}

/* The connection stays in the pool. */
static int connect_first(struct engine *e, struct buffer *error)
{
	struct connection *c;
	int r = pool_open(&e->pool, 0, NULL, &c);

	if (r) {
		struct connection none = {.transport = {.fd = -1, .error = -r}};

		return describe(e, &none, TRANSPORT_FAILED, error);
	}
	r = wait_until_open(e, c, error);
	if (r)
		pool_close(&e->pool, c);
	else
		pool_put(&e->pool, c);
	return r;
}

static void hand_over(struct engine *e)
{
	struct request *r;

	while ((r = links_first(&e->requests.ended, struct request, links))) {
		if (r->measured)
			e->o->sink(e->o->own, &r->sample);
		requests_spare(&e->requests, r);
	}
}

static void watch_span(struct engine *e, struct span *s, double now_us)
{
	const bool sent_all = e->arrivals_over && !e->requests.prepared_count;

	if (!s->begun && now_us >= (double)e->o->warmup_us) {
		s->begun = true;
		s->wall_us = now_us;
		s->cpu_us = thread_cpu_us();
	}
	if (s->begun && !s->over && sent_all) {
		s->over = true;
		s->wall_us = now_us - s->wall_us;
		s->cpu_us = thread_cpu_us() - s->cpu_us;
	}
}

static void tick(struct engine *e, double now_us, double *next_us)
{
	if (now_us < *next_us)
		return;
	*next_us = now_us + TICK_US;
	if (!e->o->tick || !e->o->tick(e->o->own, now_us) || e->totals.ended_early)
		return;
	e->totals.ended_early = true;
	pacer_stop(e, now_us);
}

static void break_off(struct engine *e)
{
	const double now_us = engine_now(e);

	e->totals.interrupted = true;
	pacer_break_off(e, now_us);
	exchange_break_off(e, now_us);
}

/* How long nothing will have to be done, unless the server does something. */
static double idle_us(const struct engine *e, double tick_us)
{
	const struct request *oldest = links_first(&e->requests.live, struct request, links);
	const struct connection *opening = links_first(&e->pool.opening, struct connection, links);
	const double timeout_us = (double)e->o->timeout_us;
	double until_us = fmin(tick_us, pacer_next_us(e));

	if (oldest)
		until_us = fmin(until_us, oldest->sample.intended_us + timeout_us);
	if (opening)
		until_us = fmin(until_us, opening->opened_us + timeout_us);
	return until_us - engine_now(e);
}

static bool is_over(const struct engine *e)
{
	return e->arrivals_over && !e->requests.prepared_count && links_empty(&e->requests.live);
}

/* One turn: what is due goes out first, then everything else, then whatever the server has sent. */
static int turn(struct engine *e, struct span *measured, double *next_tick_us)
{
	struct epoll_event events[EVENTS];
	bool more;
	int n;

	pacer_send_due(e);
	more = exchange_unread(e);
	more |= exchange_top_up(e, engine_now(e));
	exchange_expire(e, engine_now(e));
	watch_span(e, measured, engine_now(e));
	hand_over(e);
	tick(e, engine_now(e), next_tick_us);
	pacer_prepare(e);
	if (is_over(e))
		return 0;
	n = waiter_wait(&e->waiter, events, EVENTS, more ? 0 : idle_us(e, *next_tick_us));
	for (int i = 0; i < n; i++)
		exchange_event(e, events[i].data.ptr, events[i].events);
	pool_sweep(&e->pool);
	return n < 0 ? n : e->failure;
}

static void sum_up(struct engine *e, const struct span *measured)
{
	const struct load_options *o = e->o;
	struct load_totals *t = &e->totals;
	const double answering_us = e->last_done_us - e->first_us;

	t->offered_rps = arrival_rate(o->arrival);
	t->elapsed_us = t->intended ? e->last_us - (double)o->warmup_us : 0;
	/* Where the time was what ended it, its end counts, not the last arrival before. */
	const double time_us = e->by_duration && !t->ended_early && !t->interrupted
				       ? (double)o->duration_us
				       : t->elapsed_us;

	if (time_us > 0)
		t->intended_rps = (double)t->intended / time_us * 1e6;
	if (e->answers && answering_us > 0)
		t->achieved_rps = (double)e->answers / answering_us * 1e6;
	if (measured->over && measured->wall_us > 0)
		t->cpu_share = measured->cpu_us / measured->wall_us;
	t->connects = e->pool.established;
	t->most_connections = e->pool.most;
}

static void start_clock(struct engine *e)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	e->start_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int run(struct engine *e, struct buffer *error)
{
	const struct load_options *o = e->o;
	struct span measured = {0};
	double next_tick_us = TICK_US;
	int r;

	start_clock(e);
	r = connect_first(e, error);
	if (r)
		return r;
	random_init(&e->random, o->seed, CONTENTS_STREAM);
	arrival_start(o->arrival, o->rate_rps, o->seed);
	start_clock(e);
	pacer_prepare(e);
	while (!r && !is_over(e) && !stopped(e))
		r = turn(e, &measured, &next_tick_us);
	if (r || e->failure) {
		r = r ? r : e->failure;
		buffer_printf(error, "the run broke down: %s", strerror(-r));
		return r;
	}
	if (!is_over(e))
		break_off(e);
	watch_span(e, &measured, engine_now(e));
	hand_over(e);
	sum_up(e, &measured);
	return 0;
}

/* With what the run needs of the system in place. */
static int run_equipped(
	const struct load_options *o, SSL_CTX *tls, struct load_totals *ret, struct buffer *error)
{
	struct engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		buffer_puts(error, "no memory");
		return -ENOMEM;
	}
	e->o = o;
	r = waiter_init(&e->waiter, false);
	if (r) {
		buffer_printf(error, "epoll: %s", strerror(-r));
		free(e);
		return r;
	}
	pool_init(&e->pool, o->target, tls, &e->waiter, o->connections);
	requests_init(&e->requests);
	r = run(e, error);
	if (!r)
		*ret = e->totals;
	requests_done(&e->requests);
	pool_done(&e->pool);
	waiter_done(&e->waiter);
	free(e);
	return r;
}

int load_run(const struct load_options *o, struct load_totals *ret, struct buffer *error)
{
	struct thread thread;
	SSL_CTX *tls = NULL;
	int r = thread_enter(&thread, o->realtime, error);

	if (r)
		return r;
	if (o->target->tls)
		r = transport_context_new(&tls, o->verify_tls, error);
	if (!r)
		r = run_equipped(o, tls, ret, error);
	transport_context_free(tls);
	thread_leave(&thread);
	return r;
}
