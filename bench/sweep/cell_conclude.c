/* What is made of a cell's measurement. */
#include "bench/latency.h"
#include "bench/load/load_report.h"
#include "bench/measure/measure_void.h"
#include "bench/measure/spread.h"
#include "bench/sweep/cell_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PREDICT_REQUESTS 10000000
#define PREDICT_QUICK_REQUESTS 3000000
#define PREDICT_PRECISION 0.02
#define BUSY_NEAR 0.05 /* relative; further from the wanted utilization is worth a note */

static int report_load(struct cell_run *run, struct cell_result *r)
{
	char url[256];
	const struct target *t = run->target;
	const struct load_report report = {.url = url,
		.arrivals = "poisson",
		.mix = run->mix,
		.seed = run->o->seed,
		.recorder = &r->measure.recorder,
		.totals = &r->measure.totals,
		.void_reason = r->void_reason.len > 0 ? buffer_cstring(&r->void_reason) : NULL};

	(void)snprintf(url, sizeof url, "http%s://%s", t->tls ? "s" : "", t->authority);
	r->load = load_report_json(&report);
	return r->load ? 0 : -ENOMEM;
}

static int split(const struct cell_run *run, struct cell_result *r)
{
	const struct calibration *c = &r->calibration;
	const struct split_options options = {.sample = r->measure.sample,
		.samples = r->measure.samples,
		.from_us = r->measure.warmup_us,
		.policy = run->o->cell->policy,
		.workers = run->o->cell->workers,
		.fixed_us = c->told_us >= 0 ? c->busy_us - c->told_us : c->overhead_us,
		.seed = run->o->seed};
	const int result = split_make(&r->split, &options);

	r->split_known = result == 0;
	return result == -ENODATA ? 0 : result;
}

/* The service times that the workers told, as a distribution. */
static int service_as_told(const struct quantiles *q, struct service *ret, struct buffer *error)
{
	struct service_range *range = calloc(QUANTILES_BUCKETS, sizeof *range);
	size_t n = 0;

	if (!range)
		return -ENOMEM;
	for (size_t i = 0; i < QUANTILES_BUCKETS; i++)
		if (q->bucket[i] > 0)
			range[n++] = (struct service_range){.low_us = quantiles_low_us(i),
				.high_us = quantiles_high_us(i),
				.weight = (double)q->bucket[i]};
	const int result = service_from_ranges(ret, "as told", range, n, error);
	free(range);
	return result;
}

/* Intervals by batch means alone would be too narrow near saturation: see spread.h. */
static int widen(const struct cell_run *run, const struct service *s, struct cell_result *r,
	struct buffer *error)
{
	const struct batches *b = &r->measure.recorder.latency;
	const struct spread_options options = {.policy = run->o->cell->policy,
		.workers = run->o->cell->workers,
		.rate_rps = r->rate_rps,
		.service = s,
		.requests = b->all.count,
		.warmup = (uint64_t)(r->rate_rps * run->o->experiment->cell.warmup_s),
		.seed = run->o->seed};
	json_t *latency = json_object_get(r->load, "latency_ms");
	struct spread spread;

	if (b->all.count == 0)
		return 0;
	const int result = spread_make(&options, &spread, error);
	if (result < 0)
		return result;
	static const char *const names[SPREAD_FIGURES] = {
		"mean_interval", "p50_interval", "p95_interval", "p99_interval"};
	int failed = 0;
	for (size_t f = 0; f < SPREAD_FIGURES; f++)
		failed |= json_object_set_new(latency, names[f],
			latency_interval_json(spread_interval(&spread, (enum spread_figure)f, b)));
	r->p99 = spread_interval(&spread, SPREAD_P99, b);
	return failed ? -ENOMEM : 0;
}

static int predict_with(const struct cell_run *run, struct service *s, double shift_us,
	struct cell_result *r, struct buffer *error)
{
	const struct cell_options *o = run->o;

	service_shift(s, shift_us > 0 ? shift_us : 0);
	const struct predict_options options = {.policy = o->cell->policy,
		.workers = o->cell->workers,
		.rate_rps = r->rate_rps,
		.service = s,
		.precision = PREDICT_PRECISION,
		.requests_most = o->quick ? PREDICT_QUICK_REQUESTS : PREDICT_REQUESTS,
		.seed = o->seed};
	const size_t before = error->len;
	/* Takes a second or two: not worth losing what was measured when somebody presses Ctrl-C meanwhile. */
	int result = predict(&options, &r->predicted, error);
	r->is_predicted = result == 0;
	if (result == 0)
		result = widen(run, s, r, error);
	service_done(s);
	if (result != -EINVAL)
		return result;
	/* Work that took longer than it did while calibrating: no fleet could carry it. */
	measure_say(
		&r->notes, "not predicted: %.*s", (int)(error->len - before), error->data + before);
	error->len = before;
	return 0;
}

static int predict_cell(const struct cell_run *run, struct cell_result *r, struct buffer *error)
{
	const struct calibration *c = &r->calibration;
	const struct quantiles *told = &r->measure.recorder.service;
	struct service s;
	int result;

	if (run->service_known) {
		result = service_copy(&s, &run->service);
		return result < 0 ? result : predict_with(run, &s, c->overhead_us, r, error);
	}
	if (told->count == 0 || c->told_us < 0)
		return 0;
	measure_say(&r->notes, "predicted from the service times that the workers told");
	result = service_as_told(told, &s, error);
	return result < 0 ? result : predict_with(run, &s, c->busy_us - c->told_us, r, error);
}

static void find_closed(const struct cell_run *run, struct cell_result *r)
{
	const struct schedule_cell *c = run->o->cell;

	if (run->service_known)
		closed_response(&c->policy, c->workers,
			c->utilization * c->workers / (run->service.mean_us / 1e6), &run->service,
			&r->closed);
}

/* Chance alone moves a short cell's utilization by some per cent, so it does not make one void. */
static void note_circumstances(const struct cell_run *run, struct cell_result *r)
{
	const double busy = r->measure.shares.busy_mean, wanted = run->o->cell->utilization;

	if (!run->o->foreign && r->measure.shares.awake <= 0)
		measure_say(&r->notes, "CPUs could not be kept awake, so that wakeups took longer");
	if (fabs(busy - wanted) > BUSY_NEAR * wanted)
		measure_say(&r->notes, "the workers were %.1f %% busy, wanted was %.1f %%",
			busy * 100, wanted * 100);
}

int cell_conclude(struct cell_run *run, struct cell_result *r, struct buffer *error)
{
	const struct measure_void_options options = {.foreign = run->o->foreign != NULL};

	(void)measure_is_void(&r->measure, &options, &r->void_reason);
	note_circumstances(run, r);
	int result = report_load(run, r);

	r->p99 = batches_interval(&r->measure.recorder.latency, 0.99);
	if (result == 0)
		result = split(run, r);
	if (result == 0)
		result = predict_cell(run, r, error);
	find_closed(run, r);
	return result;
}
