#include "server/stats/statsd_counts.h"

#include <stdio.h>

/* --- reading */

static void read_answers(struct statsd_counts *ret, const struct stats_slot *s)
{
	ret->requests = 0;
	for (size_t i = 0; i < STATS_STATUSES; i++) {
		ret->answers[i] = 0;
		for (int route = 0; route < ROUTE_COUNT; route++)
			if (route != ROUTE_HEALTHZ)
				ret->answers[i] += counter_answers(s, (enum stats_route)route, i);
		ret->requests += ret->answers[i];
	}
}

void statsd_counts_read(struct statsd_counts *ret, const struct stats_slot *s)
{
	for (size_t i = 0; i < COUNTERS; i++)
		ret->plain[i] = counter_get(s, &counters[i]);
	read_answers(ret, s);
	ret->restarts = stats_get(&s->restarts);
	ret->hung = stats_get(&s->hung);
	ret->recycled = stats_get(&s->recycled);
	ret->parked = stats_get(&s->parked);
	counter_histogram(s, offsetof(struct stats_seat, queue_time), &ret->times.queue);
	counter_histogram(s, offsetof(struct stats_seat, service_time), &ret->times.service);
	counter_histogram(s, offsetof(struct stats_seat, response_time), &ret->times.response);
	counter_histogram(s, offsetof(struct stats_seat, loop_lag), &ret->times.lag);
}

/* --- between two moments */

/* *delta, read as the present, becomes what came since *past; *past becomes the present. */
static void step(uint64_t *delta, uint64_t *past)
{
	uint64_t now = *delta;

	*delta = now > *past ? now - *past : 0;
	if (now > *past)
		*past = now;
}

static void step_histogram(struct histogram_copy *delta, struct histogram_copy *past)
{
	step(&delta->sum_us, &past->sum_us);
	delta->count = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		step(&delta->bucket[i], &past->bucket[i]);
		delta->count += delta->bucket[i];
	}
	past->count += delta->count;
}

void statsd_counts_step(
	struct statsd_counts *delta, struct statsd_counts *past, const struct stats_slot *s)
{
	statsd_counts_read(delta, s);
	for (size_t i = 0; i < COUNTERS; i++)
		step(&delta->plain[i], &past->plain[i]);
	for (size_t i = 0; i < STATS_STATUSES; i++)
		step(&delta->answers[i], &past->answers[i]);
	step(&delta->requests, &past->requests);
	step(&delta->restarts, &past->restarts);
	step(&delta->hung, &past->hung);
	step(&delta->recycled, &past->recycled);
	step(&delta->parked, &past->parked);
	step_histogram(&delta->times.queue, &past->times.queue);
	step_histogram(&delta->times.service, &past->times.service);
	step_histogram(&delta->times.response, &past->times.response);
	step_histogram(&delta->times.lag, &past->times.lag);
}

void statsd_counts_add(struct statsd_counts *sum, const struct statsd_counts *delta)
{
	for (size_t i = 0; i < COUNTERS; i++)
		sum->plain[i] += delta->plain[i];
	for (size_t i = 0; i < STATS_STATUSES; i++)
		sum->answers[i] += delta->answers[i];
	sum->requests += delta->requests;
	sum->restarts += delta->restarts;
	sum->hung += delta->hung;
	sum->recycled += delta->recycled;
	sum->parked += delta->parked;
	histogram_add(&sum->times.queue, &delta->times.queue);
	histogram_add(&sum->times.service, &delta->times.service);
	histogram_add(&sum->times.response, &delta->times.response);
	histogram_add(&sum->times.lag, &delta->times.lag);
}

/* --- lines */

/* A status that is answered once a year needs no series of zeros beforehand; the other counters are always sent. */
static void put_answers(
	struct statsd_payloads *p, const char *scope, const struct statsd_counts *delta)
{
	char name[32];

	for (size_t i = 0; i < STATS_STATUSES; i++) {
		if (!delta->answers[i])
			continue;
		(void)snprintf(name, sizeof(name), "answers.%d", stats_status[i]);
		statsd_put_counter(p, scope, name, delta->answers[i]);
	}
}

void statsd_put_counts(
	struct statsd_payloads *p, const char *scope, const struct statsd_counts *delta)
{
	const struct sample_window *t = &delta->times;

	statsd_put_counter(p, scope, "requests", delta->requests);
	put_answers(p, scope, delta);
	for (size_t i = 0; i < COUNTERS; i++)
		statsd_put_counter(p, scope, counters[i].name, delta->plain[i]);
	statsd_put_counter(p, scope, "restarts", delta->restarts);
	statsd_put_counter(p, scope, "hung", delta->hung);
	statsd_put_counter(p, scope, "recycled", delta->recycled);
	statsd_put_counter(p, scope, "parked", delta->parked);
	statsd_put_timer(p, scope, "response", &t->response, STATSD_TIMER_VALUES);
	statsd_put_timer(p, scope, "queue", &t->queue, STATSD_TIMER_VALUES);
	statsd_put_timer(p, scope, "service", &t->service, STATSD_TIMER_VALUES);
	statsd_put_timer(p, scope, "loop_lag", &t->lag, STATSD_TIMER_VALUES);
}

void statsd_put_gauges(struct statsd_payloads *p, const char *scope, const struct slot_view *v)
{
	statsd_put_gauge(p, scope, "busy", v->busy);
	statsd_put_gauge(p, scope, "cpu", v->cpu);
	statsd_put_gauge(p, scope, "loop_lag_ms", (double)v->lag_us / 1000);
	statsd_put_gauge(p, scope, "connections", (double)v->connections);
	statsd_put_gauge(p, scope, "active", (double)v->active);
	statsd_put_gauge(p, scope, "queue_length", (double)v->queue);
}
