#include "server/admin.h"

#include "config/live.h"
#include "lib/log.h"
#include "server/admin_trace.h"
#include "server/descriptors.h"
#include "server/http/conn.h"
#include "server/http/server.h"
#include "server/signals.h"
#include "server/stats/fleet.h"
#include "server/stats/metrics.h"
#include "server/stats/sample.h"
#include "server/stats/statsd.h"
#include "server/stats/status_json.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#define HEADER_BYTES 8192
#define CONNECTIONS 256
#define TRACES_AT_ONCE 8u
#define KEPT_BYTES ((size_t)1 << 20)
#define CLIENT_US 5000000u
#define IDLE_US 60000000u
#define STATSD_FINISH_US 500000u /* the master waits a second for the end of this process */

struct admin {
	struct config *config; /* this process's own copy */
	const char *config_path;
	struct stats_region *stats;
	struct event_base *base;
	struct event *tick;
	struct sampler *sampler;
	struct statsd *statsd;	  /* NULL: metrics.statsd is empty */
	struct stats_region *own; /* the HTTP layer's counters need a place; nobody reads these */
	struct http_server server;
	struct signals signals;
	bool ended;
};

/* 200 while at least one worker takes work; the body tells whether that is all of them. */
static void answer_health(struct admin *a, const struct http_conn *c)
{
	enum fleet_state state = fleet_state_of(a->stats);
	bool serves = state == FLEET_OK || state == FLEET_DEGRADED;
	(void)c;

	http_reply_json(&a->server.reply, serves ? 200 : 503, "");
	buffer_printf(&a->server.reply.body,
		"{\"status\":\"%s\",\"ready\":%u,\"workers\":%u,\"parked\":%u}\n",
		fleet_state_name(state), fleet_count(a->stats, SLOT_READY),
		atomic_load(&a->stats->wanted), fleet_count(a->stats, SLOT_PARKED));
}

static void answer_status(struct admin *a, const struct http_conn *c)
{
	(void)c;
	http_reply_json(&a->server.reply, 200, "");
	if (status_json_write(a->sampler, a->config, a->config_path, &a->server.reply.body) != 0)
		a->server.reply.body.failed = true;
}

static void answer_metrics(struct admin *a, const struct http_conn *c)
{
	(void)c;
	http_reply_reset(&a->server.reply);
	a->server.reply.content_type = METRICS_CONTENT_TYPE;
	if (metrics_write(a->sampler, &a->server.reply.body) != 0)
		a->server.reply.body.failed = true;
}

/* An answer of tens of megabytes, which its connection keeps until its client has taken it: not for everybody at once. */
static void answer_trace(struct admin *a, const struct http_conn *c)
{
	const struct http_span query = c->request.query;

	if (a->server.busy > TRACES_AT_ONCE)
		http_reply_error(&a->server.reply, 503, "overloaded",
			"too many others are being answered; try again");
	else
		admin_trace_answer(a->stats, http_conn_text(c, query), query.len, &a->server.reply);
}

static const struct {
	const char *path;
	void (*answer)(struct admin *a, const struct http_conn *c);
} pages[] = {
	{"/status.json", answer_status},
	{"/metrics", answer_metrics},
	{"/trace.json", answer_trace},
	{"/healthz", answer_health},
};

static void refuse_method(struct http_reply *reply)
{
	http_reply_error(
		reply, 405, "method_not_allowed", "the admin address only reads: GET and HEAD");
	reply->allow = "GET, HEAD";
}

static void fill_reply(struct admin *a, const struct http_conn *c)
{
	struct http_reply *reply = &a->server.reply;
	const struct http_request *q = &c->request;
	const char *path = http_conn_text(c, q->path);

	if (q->method == HTTP_UNKNOWN) {
		http_reply_error(reply, 501, "not_implemented",
			"this server does not know the request's method");
		return;
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strlen(pages[i].path) != q->path.len ||
			memcmp(pages[i].path, path, q->path.len) != 0)
			continue;
		if (q->method == HTTP_GET || q->method == HTTP_HEAD)
			pages[i].answer(a, c);
		else
			refuse_method(reply);
		return;
	}
	http_reply_error(reply, 404, "not_found",
		"there are /status.json, /metrics, /trace.json and /healthz");
}

static void end_if_idle(struct admin *a)
{
	if (a->ended && a->server.busy == 0)
		(void)event_base_loopbreak(a->base);
}

static void on_request(struct http_conn *c, void *arg)
{
	struct admin *a = arg;
	struct http_reply_timing timing = {.work = "admin"};

	if (c->request.refusal.status != 0)
		http_reply_refuse(&a->server.reply, &c->request.refusal);
	else
		fill_reply(a, c);
	http_server_wake(&a->server);
	timing.work_us = a->server.now_us - c->complete_us;
	http_conn_answer(c, &timing);
	/* A trace is asked for once in a while: the next answer need not find room for one. */
	if (a->server.reply.body.cap > KEPT_BYTES)
		buffer_done(&a->server.reply.body);
	end_if_idle(a);
}

/* Requests are answered at once, so none can be left behind. */
static void on_gone(struct http_conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct admin *a = arg;
	(void)fd;
	(void)what;

	http_server_wake(&a->server);
	sampler_tick(a->sampler);
	http_server_settle(&a->server);
}

static uint64_t statsd_interval_us(const struct admin *a)
{
	return (uint64_t)a->config->metrics_interval_ms * 1000u;
}

static void on_statsd_state(int error, void *arg)
{
	const struct admin *a = arg;

	if (error)
		log_warn("figures for statsd at %s are lost: %s", a->config->metrics_statsd,
			strerror(-error));
	else
		log_info("figures for statsd at %s are taken again", a->config->metrics_statsd);
}

/* Status is served without statsd too, so whatever is wrong here is only told. */
static void begin_statsd(struct admin *a)
{
	struct statsd_options options = {
		.prefix = a->config->metrics_prefix,
		.interval_us = statsd_interval_us(a),
		/* Workers may have served before the first admin process was there; what a later one finds was told. */
		.from_zero = stats_get(&a->stats->admin_starts) == 0,
		.on_state = on_statsd_state,
		.arg = a,
	};
	int error;

	if (!*a->config->metrics_statsd)
		return;
	error = address_parse(&options.to, a->config->metrics_statsd, false);
	if (!error)
		error = statsd_new(&a->statsd, a->base, a->stats, a->sampler, &options);
	if (error)
		log_error("cannot send figures to statsd at %s: %s", a->config->metrics_statsd,
			strerror(-error));
}

static void on_signal(int number, void *arg)
{
	struct admin *a = arg;

	if (number == SIGUSR1) {
		log_rotate();
		return;
	}
	if (number == SIGHUP) {
		config_live_take(a->config, a->stats->live.value);
		log_set_level((enum log_level)a->config->log_level);
		if (a->statsd)
			statsd_set_interval(a->statsd, statsd_interval_us(a));
		return;
	}
	/* Who has begun to ask is answered. */
	a->ended = true;
	http_server_close(&a->server);
	end_if_idle(a);
}

static int take_signals(struct admin *a)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	return signals_init(&a->signals, a->base, &set, on_signal, a);
}

static int begin(struct admin *a, int listener)
{
	struct timeval second = {.tv_sec = 1};
	struct http_server_options options = {
		.limits = {.header_bytes = HEADER_BYTES, .body_bytes = 0},
		.client_us = CLIENT_US,
		.idle_us = IDLE_US,
		.connections = CONNECTIONS,
		.style = {.cache_control = "", .allow_origin = "", .worker = -1},
		.on_request = on_request,
		.on_gone = on_gone,
		.arg = a,
	};
	int error = sampler_new(&a->sampler, a->stats);

	if (error)
		return error;
	a->own = stats_region_new(1);
	a->tick = event_new(a->base, -1, EV_PERSIST, on_tick, a);
	if (!a->own || !a->tick || event_add(a->tick, &second) != 0)
		return -ENOMEM;
	error = http_server_init(&a->server, a->base, listener, a->own->slot[0].seat, &options);
	if (error)
		return error;
	sampler_tick(a->sampler);
	begin_statsd(a);
	stats_add(&a->stats->admin_starts, 1);
	error = take_signals(a);
	if (error)
		http_server_done(&a->server);
	return error;
}

static void end(struct admin *a)
{
	if (a->tick)
		event_free(a->tick);
	statsd_free(a->statsd);
	sampler_free(a->sampler);
	stats_region_free(a->own);
	event_base_free(a->base);
}

int admin_run(
	struct config *config, const char *config_path, struct stats_region *stats, int listener)
{
	struct admin a = {.config = config, .config_path = config_path, .stats = stats};

	int shortage = descriptors_allow_loop();
	a.base = shortage ? NULL : event_base_new();
	if (!a.base) {
		log_error("cannot make an event loop: %s", strerror(shortage ? -shortage : ENOMEM));
		return 1;
	}
	int error = begin(&a, listener);
	if (error) {
		log_error("cannot serve status: %s", strerror(-error));
	} else {
		if (event_base_dispatch(a.base) < 0)
			log_error("the event loop failed");
		if (a.statsd)
			statsd_finish(a.statsd, STATSD_FINISH_US);
		signals_done(&a.signals);
		http_server_done(&a.server);
	}
	end(&a);
	return a.ended ? 0 : 1;
}
