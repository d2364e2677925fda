#include "server/stats/status_json.h"

#include "config/option.h"
#include "lib/clock.h"
#include "server/stats/counters.h"
#include "server/stats/fleet.h"
#include "server/stats/memory.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * jansson's setters take what they are given even when it is NULL, and then return -1, so a builder
 * can go on after a failure; `failed` is looked at once, at the end.
 */
struct writer {
	const struct sampler *sampler;
	const struct stats_region *region;
	uint64_t now_us;
	bool failed;

	/* Sums over the workers. */
	struct slot_view sum;
	uint64_t memory_bytes;
	uint32_t living;
	uint64_t counters[COUNTERS];
	uint64_t answers[ROUTE_COUNT][STATS_STATUSES];
	struct sample_window window; /* of the fleet */
	struct sample_window one;    /* of the worker at hand */
};

static void put(struct writer *w, json_t *to, const char *name, json_t *value)
{
	if (json_object_set_new(to, name, value) != 0)
		w->failed = true;
}

static void put_u64(struct writer *w, json_t *to, const char *name, uint64_t value)
{
	put(w, to, name, json_integer((json_int_t)value));
}

/* Three decimals: microseconds of a millisecond, milliseconds of a second. */
static json_t *rounded(double value)
{
	return json_real(round(value * 1000) / 1000);
}

static void put_real(struct writer *w, json_t *to, const char *name, double value)
{
	put(w, to, name, rounded(value));
}

static void put_text(struct writer *w, json_t *to, const char *name, const char *text)
{
	/* A path may be any bytes; one that is no UTF-8 becomes null. */
	json_t *value = text ? json_string(text) : NULL;

	put(w, to, name, value ? value : json_null());
}

static void put_ms(
	struct writer *w, json_t *to, const char *name, const struct histogram_copy *h, double us)
{
	put(w, to, name, h->count ? rounded(us / 1000) : json_null());
}

static void put_quantile(
	struct writer *w, json_t *to, const char *name, const struct histogram_copy *h, double q)
{
	put_ms(w, to, name, h, histogram_quantile_us(h, q));
}

static json_t *distribution(struct writer *w, const struct histogram_copy *h)
{
	json_t *o = json_object();

	put_u64(w, o, "count", h->count);
	put_ms(w, o, "mean", h, histogram_mean_us(h));
	put_quantile(w, o, "p50", h, 0.5);
	put_quantile(w, o, "p90", h, 0.9);
	put_quantile(w, o, "p95", h, 0.95);
	put_quantile(w, o, "p99", h, 0.99);
	put_quantile(w, o, "p999", h, 0.999);
	put_ms(w, o, "max", h, histogram_max_us(h));
	return o;
}

static json_t *lag(struct writer *w, const struct histogram_copy *h, uint64_t now_us)
{
	json_t *o = json_object();

	put_real(w, o, "now", (double)now_us / 1000);
	put_quantile(w, o, "p50", h, 0.5);
	put_quantile(w, o, "p95", h, 0.95);
	put_quantile(w, o, "p99", h, 0.99);
	put_ms(w, o, "max", h, histogram_max_us(h));
	/* By the rule that a loop is too full where its timer is late by more than a fifth of its period. */
	const uint64_t in_time = histogram_count_below(h, LAG_FULL_US);
	put(w, o, "full", h->count ? rounded(1 - (double)in_time / (double)h->count) : json_null());
	return o;
}

static void put_window(
	struct writer *w, json_t *to, const struct sample_window *from, uint64_t lag_us)
{
	put(w, to, "loop_lag_ms", lag(w, &from->lag, lag_us));
	put(w, to, "latency_ms", distribution(w, &from->response));
	put(w, to, "queue_ms", distribution(w, &from->queue));
	put(w, to, "service_ms", distribution(w, &from->service));
}

/* {"/qr": {"200": 7, "400": 1}}, without zeros. */
static json_t *answers(struct writer *w, uint64_t (*count)[STATS_STATUSES])
{
	json_t *all = json_object();
	char status[8];

	for (int route = 0; route < ROUTE_COUNT; route++) {
		json_t *o = json_object();

		for (int i = 0; i < STATS_STATUSES; i++) {
			(void)snprintf(status, sizeof(status), "%d", stats_status[i]);
			if (count[route][i])
				put_u64(w, o, status, count[route][i]);
		}
		if (json_object_size(o) > 0)
			put(w, all, stats_route_name((enum stats_route)route), o);
		else
			json_decref(o);
	}
	return all;
}

static void put_gauges(struct writer *w, json_t *o, const struct slot_view *v, double busy)
{
	put_u64(w, o, "connections", v->connections);
	put_u64(w, o, "active", v->active);
	put_u64(w, o, "queue", v->queue);
	put_u64(w, o, "pool_queue", v->pool_queue);
	put_u64(w, o, "pool_active", v->pool_active);
	put_u64(w, o, "calls", v->calls);
	put_u64(w, o, "requests", v->requests);
	put_real(w, o, "requests_per_s", v->requests_per_s);
	put_real(w, o, "busy", busy);
	put_real(w, o, "cpu", v->cpu);
	put_real(w, o, "cpu_s", (double)v->cpu_us / 1e6);
	put_u64(w, o, "restarts", v->restarts);
	put_u64(w, o, "hung", v->hung);
	put_u64(w, o, "recycled", v->recycled);
	put_u64(w, o, "parked", v->parked);
}

static void add_to_sum(struct writer *w, const struct slot_view *v)
{
	struct slot_view *sum = &w->sum;

	sum->connections += v->connections;
	sum->active += v->active;
	sum->queue += v->queue;
	sum->pool_queue += v->pool_queue;
	sum->pool_active += v->pool_active;
	sum->calls += v->calls;
	sum->requests += v->requests;
	sum->requests_per_s += v->requests_per_s;
	sum->busy += v->busy;
	sum->cpu += v->cpu;
	sum->cpu_us += v->cpu_us;
	sum->restarts += v->restarts;
	sum->hung += v->hung;
	sum->recycled += v->recycled;
	sum->parked += v->parked;
	if (v->lag_us > sum->lag_us)
		sum->lag_us = v->lag_us;
	w->living += v->pid > 0;
}

static void put_counters(struct writer *w, json_t *o, const struct stats_slot *s)
{
	uint64_t count[ROUTE_COUNT][STATS_STATUSES];

	for (size_t i = 0; i < COUNTERS; i++) {
		uint64_t value = counter_get(s, &counters[i]);

		put_u64(w, o, counters[i].name, value);
		w->counters[i] += value;
	}
	for (int route = 0; route < ROUTE_COUNT; route++) {
		for (int i = 0; i < STATS_STATUSES; i++) {
			count[route][i] = counter_answers(s, (enum stats_route)route, (size_t)i);
			w->answers[route][i] += count[route][i];
		}
	}
	put(w, o, "answers", answers(w, count));
}

static json_t *worker(struct writer *w, const struct slot_view *v)
{
	const struct stats_slot *slot = &w->region->slot[v->slot];
	uint64_t memory_bytes = memory_of_slot_bytes(slot);
	json_t *o = json_object();

	put_u64(w, o, "slot", v->slot);
	put_u64(w, o, "pid", (uint64_t)v->pid);
	put_u64(w, o, "draining_pid", (uint64_t)v->draining_pid);
	put_text(w, o, "state", slot_state_name(v->state));
	put_real(w, o, "next_start_s", (double)v->next_start_us / 1e6);
	put_real(w, o, "age_s", (double)v->age_us / 1e6);
	put_u64(w, o, "memory_bytes", memory_bytes);
	put_gauges(w, o, v, v->busy);
	w->one = (struct sample_window){0};
	sampler_window_add(w->sampler, v->slot, &w->one);
	put_window(w, o, &w->one, v->lag_us);
	put_counters(w, o, slot);

	add_to_sum(w, v);
	w->memory_bytes += memory_bytes;
	histogram_add(&w->window.queue, &w->one.queue);
	histogram_add(&w->window.service, &w->one.service);
	histogram_add(&w->window.response, &w->one.response);
	histogram_add(&w->window.lag, &w->one.lag);
	return o;
}

static json_t *workers(struct writer *w)
{
	json_t *list = json_array();
	struct slot_view v;

	for (uint32_t i = 0; i < w->region->slots; i++)
		if (sampler_view(w->sampler, i, &v) &&
			json_array_append_new(list, worker(w, &v)) != 0)
			w->failed = true;
	return list;
}

/* After workers(), which adds up. memory_bytes: that of all processes of quernd. */
static json_t *fleet(struct writer *w, uint64_t memory_bytes)
{
	const struct stats_region *r = w->region;
	json_t *o = json_object();

	put_u64(w, o, "workers", atomic_load_explicit(&r->wanted, memory_order_relaxed));
	put_u64(w, o, "ready", fleet_count(r, SLOT_READY));
	put_u64(w, o, "max", r->slots);
	put_text(w, o, "state", fleet_state_name(fleet_state_of(r)));
	put_u64(w, o, "memory_bytes", memory_bytes);
	put_gauges(w, o, &w->sum, w->living ? w->sum.busy / w->living : 0);
	put_window(w, o, &w->window, w->sum.lag_us);
	for (size_t i = 0; i < COUNTERS; i++)
		put_u64(w, o, counters[i].name, w->counters[i]);
	put(w, o, "answers", answers(w, w->answers));
	return o;
}

static json_t *process(struct writer *w, pid_t pid, uint64_t memory_bytes)
{
	json_t *o = json_object();

	put_u64(w, o, "pid", (uint64_t)pid);
	put_u64(w, o, "memory_bytes", memory_bytes);
	return o;
}

/* As the configuration file writes it. */
static void put_option(
	struct writer *w, json_t *to, const char *name, const struct config *c, enum config_id id)
{
	put(w, to, name, config_value_to_json(&config_options[id], c));
}

/* What a reader of the figures needs of the configuration. */
static json_t *settings(struct writer *w, const struct config *c)
{
	bool none = c->balancer_kind == BALANCER_NONE;
	json_t *o = json_object();

	put_option(w, o, "listen", c, ID_balancer_listen);
	put_option(w, o, "balancer", c, ID_balancer_kind);
	if (none)
		put(w, o, "policy", json_null());
	else
		put_option(w, o, "policy", c, ID_balancer_policy);
	put(w, o, "tls", json_boolean(!none && c->balancer_certificate[0]));
	put_option(w, o, "drain_ms", c, ID_workers_drain_ms);
	put_option(w, o, "queue", c, ID_limits_queue);
	put_option(w, o, "queue_ms", c, ID_limits_queue_ms);
	put_option(w, o, "connections", c, ID_limits_connections);
	return o;
}

/* What came of a change is told even where a file's name, or a cut, has made its text no UTF-8. */
static void put_outcome(struct writer *w, json_t *to, struct change *c)
{
	json_t *value = json_string(c->text);

	if (!value) {
		for (char *at = c->text; *at; at++)
			if ((unsigned char)*at >= 0x80)
				*at = '?';
		value = json_string(c->text);
	}
	put(w, to, "text", value);
}

static json_t *change(struct writer *w, struct change *c)
{
	json_t *o = json_object();

	put_u64(w, o, "number", c->number);
	put_text(w, o, "kind", change_kind_name(c->kind));
	put_text(w, o, "state", change_state_name(c->state));
	put_u64(w, o, "begun_us", c->begun_us);
	put_u64(w, o, "ended_us", c->ended_us);
	put_real(w, o, "age_s",
		w->now_us > c->begun_us ? (double)(w->now_us - c->begun_us) / 1e6 : 0);
	put_u64(w, o, "target", c->target);
	put_u64(w, o, "done", c->done);
	put_u64(w, o, "total", c->total);
	put_outcome(w, o, c);
	return o;
}

/* Those that are kept, oldest first. */
static json_t *changes(struct writer *w)
{
	const struct stats_changes *all = &w->region->changes;
	uint64_t count = change_count(all);
	json_t *list = json_array();
	struct change c;

	for (uint64_t n = count > STATS_CHANGES ? count - STATS_CHANGES + 1 : 1; n <= count; n++)
		if (change_read(all, n, &c) && json_array_append_new(list, change(w, &c)) != 0)
			w->failed = true;
	return list;
}

static json_t *guardian(struct writer *w)
{
	const struct stats_region *r = w->region;
	json_t *o;

	if (r->guardian_pid == 0)
		return json_null();
	o = json_object();
	put_u64(w, o, "pid", (uint64_t)r->guardian_pid);
	put_u64(w, o, "start_ticks", r->guardian_ticks);
	return o;
}

static json_t *status(struct writer *w, const struct config *c, const char *config_path)
{
	const struct stats_region *r = w->region;
	uint64_t master_bytes = memory_of_bytes(r->master_pid);
	uint64_t admin_bytes = memory_of_bytes(getpid());
	uint64_t up_us = w->now_us > r->started_us ? w->now_us - r->started_us : 0;
	json_t *o = json_object(), *list = workers(w), *master, *admin;
	char started[CLOCK_UTC_BYTES];

	put_text(w, o, "version", QUERN_VERSION);
	put_u64(w, o, "pid", (uint64_t)r->master_pid);
	put_u64(w, o, "start_ticks", r->start_ticks);
	put(w, o, "guardian", guardian(w));
	put_text(w, o, "start_time",
		clock_format_utc(started, sizeof(started), r->started_wall_us, 3));
	put_real(w, o, "uptime_s", (double)up_us / 1e6);
	put_text(w, o, "config", config_path);
	put_u64(w, o, "window_s", SAMPLE_WINDOW_S);
	put(w, o, "settings", settings(w, c));
	put(w, o, "fleet", fleet(w, w->memory_bytes + master_bytes + admin_bytes));
	master = process(w, r->master_pid, master_bytes);
	put_u64(w, master, "log_lost", stats_get(&r->log_lost));
	put(w, o, "master", master);
	admin = process(w, getpid(), admin_bytes);
	put_u64(w, admin, "restarts", stats_get(&r->admin_restarts));
	put_u64(w, admin, "statsd_payloads", stats_get(&r->statsd_payloads));
	put_u64(w, admin, "statsd_lost", stats_get(&r->statsd_lost));
	put(w, o, "admin", admin);
	put(w, o, "workers", list);
	put(w, o, "changes", changes(w));
	return o;
}

static int append(const char *data, size_t n, void *out)
{
	buffer_append(out, data, n);
	return 0;
}

int status_json_write(const struct sampler *s, const struct config *c, const char *config_path,
	struct buffer *out)
{
	struct writer *w = calloc(1, sizeof(*w));
	size_t before = out->len;
	json_t *o;

	if (!w)
		return -ENOMEM;
	w->sampler = s;
	w->region = sampler_region(s);
	w->now_us = clock_us();
	o = status(w, c, config_path);
	if (!o || json_dump_callback(o, append, out, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0)
		w->failed = true;
	buffer_putc(out, '\n');
	if (w->failed || out->failed)
		out->len = before;
	int r = w->failed || out->failed ? -ENOMEM : 0;
	json_decref(o);
	free(w);
	return r;
}
