#include "bench/measure/split.h"

#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const double figure_p[SPLIT_FIGURES] = {0, 0.5, 0.95, 0.99};
static const char *const figure_names[SPLIT_FIGURES] = {"mean", "p50", "p95", "p99"};

struct request {
	const struct sample *sample;
};

/* The requests as columns, in order of their actual send: that is how they came to the proxy. */
struct columns {
	size_t n;
	struct request *request;
	double *arrival_us, *asked_us, *told_us, *service_us, *response_us, *sorted_us;
	int *worker;
	bool worker_known;
};

static void free_columns(struct columns *c)
{
	free(c->request);
	free(c->arrival_us);
	free(c->asked_us);
	free(c->told_us);
	free(c->service_us);
	free(c->response_us);
	free(c->sorted_us);
	free(c->worker);
}

static int allocate_columns(struct columns *c, size_t n)
{
	c->request = calloc(n, sizeof *c->request);
	c->arrival_us = calloc(n, sizeof *c->arrival_us);
	c->asked_us = calloc(n, sizeof *c->asked_us);
	c->told_us = calloc(n, sizeof *c->told_us);
	c->service_us = calloc(n, sizeof *c->service_us);
	c->response_us = calloc(n, sizeof *c->response_us);
	c->sorted_us = calloc(n, sizeof *c->sorted_us);
	c->worker = calloc(n, sizeof *c->worker);
	return c->request && c->arrival_us && c->asked_us && c->told_us && c->service_us &&
			       c->response_us && c->sorted_us && c->worker
		       ? 0
		       : -ENOMEM;
}

static int by_sending(const void *a, const void *b)
{
	const struct request *x = a, *y = b;

	return (x->sample->sent_us > y->sample->sent_us) -
	       (x->sample->sent_us < y->sample->sent_us);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* 0, or -ENODATA. */
static int fill_columns(struct columns *c, const struct split_options *o)
{
	for (size_t i = 0; i < o->samples; i++)
		if (o->sample[i].sent_us >= 0 && !sample_is_error(&o->sample[i]))
			c->request[c->n++].sample = &o->sample[i];
	if (c->n == 0)
		return -ENODATA;
	qsort(c->request, c->n, sizeof *c->request, by_sending);
	c->worker_known = true;
	for (size_t i = 0; i < c->n; i++) {
		const struct sample *s = c->request[i].sample;

		if (s->service_us < 0 && s->asked_us < 0)
			return -ENODATA;
		c->arrival_us[i] = s->sent_us;
		c->told_us[i] = s->service_us >= 0 ? s->service_us : s->asked_us;
		c->asked_us[i] = s->asked_us >= 0 ? s->asked_us : c->told_us[i];
		c->worker[i] = s->worker;
		if (s->worker < 0 || (unsigned)s->worker >= o->workers)
			c->worker_known = false;
	}
	return 0;
}

/* Of the requests that count: all figures of c->response_us. */
static int take_figures(struct split *s, struct columns *c, enum split_stage stage, double from_us)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->request[i].sample->intended_us < from_us)
			continue;
		c->sorted_us[n++] = c->response_us[i];
		sum += c->response_us[i];
		if (stage == SPLIT_REPLAY)
			quantiles_record(&s->replay, c->response_us[i]);
	}
	if (n == 0)
		return -ENODATA;
	qsort(c->sorted_us, n, sizeof *c->sorted_us, by_value);
	s->us[SPLIT_MEAN][stage] = sum / (double)n;
	for (int f = SPLIT_P50; f < SPLIT_FIGURES; f++)
		s->us[f][stage] = c->sorted_us[(size_t)ceil(figure_p[f] * (double)n) - 1];
	s->requests = n;
	return 0;
}

static int replay(struct split *s, struct columns *c, const struct split_options *o,
	enum split_stage stage, const double *service_us, bool assigned)
{
	const int result = sim_replay(&o->policy, o->workers, c->n, c->arrival_us, service_us,
		assigned ? c->worker : NULL, o->seed, c->response_us);

	return result < 0 ? result : take_figures(s, c, stage, o->from_us);
}

static int replay_stages(struct split *s, struct columns *c, const struct split_options *o)
{
	int result = replay(s, c, o, SPLIT_REPLAY, c->asked_us, false);

	if (result == 0)
		result = replay(s, c, o, SPLIT_TIMER, c->told_us, false);
	/* Where nobody tells the worker, dispatch adds nothing and the policy chooses on. */
	if (result == 0)
		result = replay(s, c, o, SPLIT_DISPATCH, c->told_us, c->worker_known);
	for (size_t i = 0; i < c->n; i++)
		c->service_us[i] = c->told_us[i] + (o->fixed_us > 0 ? o->fixed_us : 0);
	if (result == 0)
		result = replay(s, c, o, SPLIT_LOOP, c->service_us, c->worker_known);
	return result;
}

static int measured_stages(struct split *s, struct columns *c, double from_us)
{
	for (size_t i = 0; i < c->n; i++)
		c->response_us[i] = c->request[i].sample->done_us - c->request[i].sample->sent_us;
	const int result = take_figures(s, c, SPLIT_PROXY, from_us);
	if (result < 0)
		return result;
	for (size_t i = 0; i < c->n; i++)
		c->response_us[i] =
			c->request[i].sample->done_us - c->request[i].sample->intended_us;
	return take_figures(s, c, SPLIT_MEASURED, from_us);
}

int split_make(struct split *ret, const struct split_options *o)
{
	struct split s = {.requests = 0};
	struct columns c = {.n = 0};

	if (o->samples == 0)
		return -ENODATA;
	int result = quantiles_init(&s.replay);
	if (result < 0)
		return result;
	result = allocate_columns(&c, o->samples);
	if (result == 0)
		result = fill_columns(&c, o);
	if (result == 0)
		result = replay_stages(&s, &c, o);
	if (result == 0)
		result = measured_stages(&s, &c, o->from_us);
	free_columns(&c);
	if (result < 0)
		split_done(&s);
	else
		*ret = s;
	return result;
}

void split_done(struct split *s)
{
	quantiles_done(&s->replay);
}

static json_t *figure_json(const double us[SPLIT_STAGES])
{
	static const char *const added[SPLIT_STAGES] = {
		NULL, "timer", "dispatch", "loop", "proxy", "generator"};
	json_t *object = json_pack("{s:f, s:f}", "replay", us[SPLIT_REPLAY] / 1e3, "measured",
		us[SPLIT_MEASURED] / 1e3);

	for (int i = SPLIT_TIMER; object && i < SPLIT_STAGES; i++) {
		if (json_object_set_new(object, added[i], json_real((us[i] - us[i - 1]) / 1e3)) !=
			0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *split_json(const struct split *s)
{
	json_t *object = json_object();

	for (int f = 0; object && f < SPLIT_FIGURES; f++) {
		if (json_object_set_new(object, figure_names[f], figure_json(s->us[f])) != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
