#include "bench/load/pacer.h"

#include "bench/load/exchange.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define DUE_IN_ONE_GO 32
#define PREPARED 64u

/* Whether the arrival at at_us still belongs to the run; sets why not. */
static bool belongs(struct engine *e, double at_us)
{
	const struct load_options *o = e->o;

	if (o->requests && e->measured_drawn >= o->requests)
		return false;
	if (o->duration_us && at_us >= (double)o->warmup_us + (double)o->duration_us) {
		e->by_duration = true;
		return false;
	}
	return true;
}

static bool starts_with(const struct buffer *text, const char *start)
{
	const size_t n = strlen(start);

	return text->len >= n && !memcmp(text->data, start, n);
}

static bool draw(struct engine *e, struct request *r)
{
	struct mix_request drawn;

	mix_draw(e->o->mix, &e->random, e->o->target->authority, &r->text, &drawn);
	r->head = drawn.head;
	r->repeatable = drawn.head || starts_with(&r->text, "GET ");
	r->sample.asked_us = drawn.asked_us;
	r->sample.template_index = (uint16_t)drawn.template_index;
	r->sample.sent_us = r->sample.queue_us = r->sample.service_us = -1;
	r->sample.worker = -1;
	return !r->text.failed;
}

static void prepare_one(struct engine *e)
{
	double at_us;

	if (!arrival_next(e->o->arrival, &at_us) || !belongs(e, at_us)) {
		e->arrivals_over = true;
		return;
	}

	struct request *r = requests_new(&e->requests);

	if (!r || !draw(e, r)) {
		if (r)
			requests_spare(&e->requests, r);
		e->failure = -ENOMEM;
		e->arrivals_over = true;
		return;
	}
	r->sample.intended_us = at_us;
	r->measured = at_us >= (double)e->o->warmup_us;
	e->measured_drawn += r->measured;
	links_append(&e->requests.prepared, &r->links);
	e->requests.prepared_count++;
}

static struct request *first_prepared(const struct engine *e)
{
	return links_first(&e->requests.prepared, struct request, links);
}

double pacer_next_us(const struct engine *e)
{
	const struct request *r = first_prepared(e);

	return r ? r->sample.intended_us : HUGE_VAL;
}

void pacer_prepare(struct engine *e)
{
	while (!e->arrivals_over && e->requests.prepared_count < PREPARED &&
		(!e->requests.prepared_count || pacer_next_us(e) > engine_now(e)))
		prepare_one(e);
}

static void count(struct engine *e, const struct request *r)
{
	if (!r->measured) {
		e->totals.warmup++;
		return;
	}
	if (!e->totals.intended++)
		e->first_us = r->sample.intended_us;
	e->last_us = r->sample.intended_us;
}

static struct request *take_prepared(struct engine *e, double now_us)
{
	struct request *r = first_prepared(e);

	links_remove(&r->links);
	e->requests.prepared_count--;
	links_append(&e->requests.live, &r->links);
	r->sample.due_us = now_us;
	count(e, r);
	return r;
}

void pacer_send_due(struct engine *e)
{
	for (unsigned i = 0; i < DUE_IN_ONE_GO; i++) {
		const double now_us = engine_now(e);

		if (!e->requests.prepared_count && !e->arrivals_over)
			prepare_one(e);
		if (pacer_next_us(e) > now_us)
			return;

		struct request *r = take_prepared(e, now_us);

		/* Hopelessly late, by our own fault: to send it would only make the next ones later. */
		if (now_us - r->sample.intended_us >= (double)e->o->timeout_us)
			exchange_end(e, r, SAMPLE_TIMEOUT, now_us);
		else
			exchange_submit(e, r, now_us);
	}
}

void pacer_stop(struct engine *e, double now_us)
{
	struct request *r;

	e->arrivals_over = true;
	while ((r = links_last(&e->requests.prepared, struct request, links)) &&
		r->sample.intended_us > now_us) {
		requests_spare(&e->requests, r);
		e->requests.prepared_count--;
	}
}

void pacer_break_off(struct engine *e, double now_us)
{
	pacer_stop(e, now_us);
	while (e->requests.prepared_count)
		take_prepared(e, now_us);
}
