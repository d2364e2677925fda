#include "server/ctl/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double real_of(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static double real_or_0(const json_t *o, const char *name)
{
	double value = real_of(o, name);

	return isnan(value) ? 0 : value;
}

static uint64_t u64_of(const json_t *o, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(o, name));

	return value > 0 ? (uint64_t)value : 0;
}

static uint32_t u32_of(const json_t *o, const char *name)
{
	uint64_t value = u64_of(o, name);

	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static pid_t pid_of(const json_t *o, const char *name)
{
	uint64_t value = u64_of(o, name);

	return value > INT32_MAX ? 0 : (pid_t)value;
}

/* kept: a control character that may stay, or 0. */
static void make_printable(char *text, unsigned char kept)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if ((*c < 0x20 && *c != kept) || *c == 0x7f)
			*c = '?';
		/* C1 control characters are 0xc2 0x80 to 0xc2 0x9f in UTF-8. */
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

static void lines_of(char *ret, size_t n, const json_t *o, const char *name, unsigned char kept)
{
	const char *text = json_string_value(json_object_get(o, name));

	ret[0] = '\0';
	if (text)
		strncat(ret, text, n - 1);
	make_printable(ret, kept);
}

static void text_of(char *ret, size_t n, const json_t *o, const char *name)
{
	lines_of(ret, n, o, name, 0);
}

static void read_latency(struct report_latency *ret, const json_t *o)
{
	ret->mean = real_of(o, "mean");
	ret->p50 = real_of(o, "p50");
	ret->p95 = real_of(o, "p95");
	ret->p99 = real_of(o, "p99");
}

/* A worker, or the fleet, which has the same figures. */
static void read_row(struct report_row *ret, const json_t *o)
{
	const json_t *lag = json_object_get(o, "loop_lag_ms");

	ret->slot = u32_of(o, "slot");
	ret->pid = pid_of(o, "pid");
	ret->draining_pid = pid_of(o, "draining_pid");
	text_of(ret->state, sizeof(ret->state), o, "state");
	ret->next_start_s = real_or_0(o, "next_start_s");
	ret->age_s = real_or_0(o, "age_s");
	ret->memory_bytes = u64_of(o, "memory_bytes");
	ret->connections = u64_of(o, "connections");
	ret->active = u64_of(o, "active");
	ret->queue = u64_of(o, "queue");
	ret->requests = u64_of(o, "requests");
	ret->restarts = u64_of(o, "restarts");
	ret->hung = u64_of(o, "hung");
	ret->recycled = u64_of(o, "recycled");
	ret->parked = u64_of(o, "parked");
	ret->requests_per_s = real_or_0(o, "requests_per_s");
	ret->busy = real_or_0(o, "busy");
	ret->cpu = real_or_0(o, "cpu");
	ret->lag_ms.now = real_of(lag, "now");
	ret->lag_ms.p95 = real_of(lag, "p95");
	ret->lag_ms.max = real_of(lag, "max");
	read_latency(&ret->response_ms, json_object_get(o, "latency_ms"));
	read_latency(&ret->queue_ms, json_object_get(o, "queue_ms"));
	read_latency(&ret->service_ms, json_object_get(o, "service_ms"));
	ret->shed_full = u64_of(o, "shed_full");
	ret->shed_late = u64_of(o, "shed_late");
	ret->abandoned = u64_of(o, "abandoned");
	ret->timeouts = u64_of(o, "timeouts_client");
	ret->bytes_in = u64_of(o, "bytes_in");
	ret->bytes_out = u64_of(o, "bytes_out");
}

static void read_change(struct report_change *ret, const json_t *o)
{
	text_of(ret->kind, sizeof(ret->kind), o, "kind");
	text_of(ret->state, sizeof(ret->state), o, "state");
	ret->number = u64_of(o, "number");
	ret->begun_us = u64_of(o, "begun_us");
	ret->ended_us = u64_of(o, "ended_us");
	ret->age_s = real_or_0(o, "age_s");
	ret->target = u32_of(o, "target");
	ret->done = u32_of(o, "done");
	ret->total = u32_of(o, "total");
	lines_of(ret->text, sizeof(ret->text), o, "text", '\n');
	for (size_t n = strlen(ret->text); n > 0 && ret->text[n - 1] == '\n'; n--)
		ret->text[n - 1] = '\0';
}

/* The last ones, if there are more than there is room for. */
static void read_changes(struct report *r, const json_t *list)
{
	size_t n = json_array_size(list), first = n > REPORT_CHANGES ? n - REPORT_CHANGES : 0;

	r->tells_changes = json_is_array(list);
	r->changes = n - first;
	for (size_t i = first; i < n; i++)
		read_change(&r->change[i - first], json_array_get(list, i));
}

static int read_report(struct report *r, const json_t *o)
{
	const json_t *fleet = json_object_get(o, "fleet"), *workers = json_object_get(o, "workers");
	const json_t *settings = json_object_get(o, "settings");
	const json_t *guardian = json_object_get(o, "guardian");
	const char *config = json_string_value(json_object_get(o, "config"));

	if (!json_is_object(fleet) || !json_is_array(workers) || pid_of(o, "pid") == 0 ||
		!json_is_string(json_object_get(o, "version")))
		return -EINVAL;
	text_of(r->version, sizeof(r->version), o, "version");
	r->pid = pid_of(o, "pid");
	r->start_ticks = u64_of(o, "start_ticks");
	r->guardian_pid = pid_of(guardian, "pid");
	r->guardian_ticks = u64_of(guardian, "start_ticks");
	r->uptime_s = real_or_0(o, "uptime_s");
	text_of(r->listen, sizeof(r->listen), settings, "listen");
	text_of(r->balancer, sizeof(r->balancer), settings, "balancer");
	text_of(r->policy, sizeof(r->policy), settings, "policy");
	r->tls = json_is_true(json_object_get(settings, "tls"));
	r->drain_ms = u64_of(settings, "drain_ms");
	r->wanted = u32_of(fleet, "workers");
	r->ready = u32_of(fleet, "ready");
	r->max = u32_of(fleet, "max");
	r->master_bytes = u64_of(json_object_get(o, "master"), "memory_bytes");
	r->admin_bytes = u64_of(json_object_get(o, "admin"), "memory_bytes");
	read_row(&r->fleet, fleet);
	r->fleet.memory_bytes = 0; /* there that of all processes, here that of the workers */

	read_changes(r, json_object_get(o, "changes"));
	r->workers = json_array_size(workers);
	r->worker = calloc(r->workers ? r->workers : 1, sizeof(*r->worker));
	r->config = config ? strdup(config) : NULL;
	if (!r->worker || (config && !r->config))
		return -ENOMEM;
	if (r->config)
		make_printable(r->config, 0);
	for (size_t i = 0; i < r->workers; i++) {
		read_row(&r->worker[i], json_array_get(workers, i));
		r->fleet.memory_bytes += r->worker[i].memory_bytes;
	}
	return 0;
}

int report_read(struct report *ret, const char *json, size_t len)
{
	json_t *o = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
	struct report r = {0};
	int result;

	if (!o)
		return -EINVAL;
	result = read_report(&r, o);
	json_decref(o);
	if (result < 0) {
		report_done(&r);
		return result;
	}
	*ret = r;
	return 0;
}

void report_done(struct report *r)
{
	free(r->config);
	free(r->worker);
	*r = (struct report){0};
}
