#include "bench/sweep/cell.h"

#include "bench/fleet/fleet.h"
#include "bench/latency.h"
#include "bench/load/load_report.h"
#include "bench/measure/measure_void.h"
#include "bench/measure/spread.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALIBRATE_S 2.0
#define CALIBRATE_QUICK_S 1.0
#define PREDICT_REQUESTS 10000000
#define PREDICT_QUICK_REQUESTS 3000000
#define PREDICT_PRECISION 0.02
#define BUSY_NEAR 0.05 /* relative; further from the wanted utilization is worth a note */
/* Start, stop and prediction of a cell. */
#define OTHER_S 2.5
#define OTHER_QUICK_S 1.0

/* What a cell needs while it runs. */
struct run {
	const struct cell_options *o;
	struct fleet *fleet;
	struct target own_target;
	const struct target *target;
	struct mix *mix;
	struct watch watch;
	struct service service; /* as the distribution says */
	bool service_known;
	cpu_set_t before; /* where this thread ran */
	bool moved;
};

static double calibrate_seconds(bool quick)
{
	return quick ? CALIBRATE_QUICK_S : CALIBRATE_S;
}

double cell_seconds_most(const struct experiment *e, bool quick)
{
	return calibrate_seconds(quick) + e->cell.warmup_s + e->cell.seconds +
	       (quick ? OTHER_QUICK_S : OTHER_S);
}

double cell_seconds_least(const struct experiment *e, bool quick)
{
	return calibrate_seconds(quick) + e->cell.warmup_s + e->cell.least_seconds;
}

/* --- before ---------------------------------------------------------------------------------------------------- */

/* The generator shares its CPU with HAProxy, so that real workers have theirs to themselves. */
static int move_to(struct run *run, const char *cpus, struct buffer *error)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)strtoul(cpus, NULL, 10), &set);
	if (sched_getaffinity(0, sizeof run->before, &run->before) == 0 &&
		sched_setaffinity(0, sizeof set, &set) == 0) {
		run->moved = true;
		return 0;
	}
	const int why = errno;
	buffer_printf(error, "cannot run on CPU %s: %s", cpus, strerror(why));
	return -why;
}

static int bring_up(struct run *run, struct buffer *error)
{
	const struct schedule_cell *c = run->o->cell;
	const bool real = c->service == EXPERIMENT_REAL;
	const struct fleet_options options = {.policy = c->policy,
		.workers = c->workers,
		.cpus_workers = real ? run->o->cpus_workers : NULL,
		.cpus_balancer = real ? run->o->cpus_rest : NULL,
		.stop = run->o->stop};

	if (run->o->foreign) {
		run->target = &run->o->foreign->target;
		run->watch = run->o->foreign->watch;
		return 0;
	}
	int result = fleet_start(&run->fleet, &options, error);
	if (result == 0)
		result = target_parse(&run->own_target, fleet_url(run->fleet), error);
	if (result < 0)
		return result;
	run->target = &run->own_target;
	fleet_watch(run->fleet, &run->watch);
	return real && run->o->cpus_rest ? move_to(run, run->o->cpus_rest, error) : 0;
}

static int make_mix(struct run *run, struct buffer *error)
{
	const struct experiment_group *g = run->o->cell->group;
	struct buffer text;

	if (g->mix)
		return mix_parse(&run->mix, "mix", g->mix, strlen(g->mix), error);
	/* Elsewhere the distribution only says how the times of what the URL asks for are spread. */
	if (g->service != EXPERIMENT_EMULATED)
		return mix_single(&run->mix, run->target->path);
	buffer_init(&text);
	buffer_printf(&text, "1 GET /lab/sleep?us={us:%s}\n", g->distribution);
	const char *line = buffer_cstring(&text);
	const int result =
		line ? mix_parse(&run->mix, "distribution", line, text.len, error) : -ENOMEM;
	buffer_done(&text);
	return result;
}

static int prepare(struct run *run, struct buffer *error)
{
	const char *spec = run->o->cell->group->distribution;
	int result = spec ? service_parse(&run->service, spec, error) : 0;

	if (result < 0)
		return result;
	run->service_known = spec != NULL;
	result = bring_up(run, error);
	return result < 0 ? result : make_mix(run, error);
}

static void take_down(struct run *run)
{
	if (run->moved)
		(void)sched_setaffinity(0, sizeof run->before, &run->before);
	run->moved = false;
	fleet_stop(run->fleet);
	run->fleet = NULL;
}

static void finish(struct run *run)
{
	take_down(run);
	mix_free(run->mix);
	target_done(&run->own_target);
	if (run->service_known)
		service_done(&run->service);
}

/* --- the load -------------------------------------------------------------------------------------------------- */

static int find_rate(struct run *run, struct cell_result *r, struct buffer *error)
{
	const struct cell_options *o = run->o;
	const struct calibrate_options options = {.target = run->target,
		.mix = run->mix,
		.watch = &run->watch,
		.workers = o->cell->workers,
		.mean_us = run->service_known ? run->service.mean_us : 0,
		.seconds = calibrate_seconds(o->quick),
		.seed = o->seed ^ 0x5eed,
		.stop = o->stop};
	const int result = calibrate(&options, &r->calibration, error);

	if (result < 0)
		return result;
	/* Of the distribution the mean is known, and need not be estimated. */
	r->service_us = run->service_known ? run->service.mean_us : r->calibration.service_us;
	r->rate_rps = o->cell->utilization * o->cell->workers /
		      ((r->service_us + r->calibration.overhead_us) / 1e6);
	return 0;
}

/* How long p99 has to be measured before it can be as precise as wanted. Decided beforehand: a run that ends because its
 * interval happens to be narrow ends when chance has flattered it. */
static int find_seconds(
	const struct run *run, const struct cell_result *r, double *ret_s, struct buffer *error)
{
	const struct experiment_cell_limits *limits = &run->o->experiment->cell;
	struct service service;
	struct spread spread;

	*ret_s = limits->least_seconds;
	if (!run->service_known || r->rate_rps * limits->seconds < 1)
		return 0;
	int result = service_copy(&service, &run->service);
	if (result < 0)
		return result;
	service_shift(&service, fmax(r->calibration.overhead_us, 0));
	const struct spread_options options = {.policy = run->o->cell->policy,
		.workers = run->o->cell->workers,
		.rate_rps = r->rate_rps,
		.service = &service,
		.requests = (uint64_t)(r->rate_rps * limits->seconds),
		.warmup = (uint64_t)(r->rate_rps * limits->warmup_s),
		.seed = run->o->seed,
		.stop = run->o->stop};
	result = spread_make(&options, &spread, error);
	service_done(&service);
	if (result < 0)
		return result;
	const double wide = spread_relative(spread.of[SPREAD_P99]) / limits->precision;
	*ret_s = fmin(fmax(limits->seconds * wide * wide, limits->least_seconds), limits->seconds);
	return 0;
}

static int measure(struct run *run, struct cell_result *r, struct buffer *error)
{
	const struct cell_options *o = run->o;
	const struct experiment_cell_limits *limits = &o->experiment->cell;
	double least_s;
	int result = find_seconds(run, r, &least_s, error);

	if (result < 0)
		return result;
	const struct measure_options options = {.target = run->target,
		.mix = run->mix,
		.rate_rps = r->rate_rps,
		.seed = o->seed,
		.watch = &run->watch,
		.warmup_s = limits->warmup_s,
		.least_s = least_s,
		.most_s = limits->seconds,
		.precision = limits->precision,
		.stop = o->stop,
		.show = o->show,
		.own = o->own};
	result = measure_run(&options, &r->measure, error);

	if (result == 0 && r->measure.totals.interrupted)
		result = -EINTR;
	if (result == 0 && run->fleet)
		result = fleet_check(run->fleet, error);
	return result;
}

static int report_load(struct run *run, struct cell_result *r)
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

static void add_note(struct cell_result *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_note(struct cell_result *r, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_printf(&r->notes, "%s%s", r->notes.len > 0 ? "; " : "", text);
}

/* --- what is made of it ---------------------------------------------------------------------------------------- */

static int split(const struct run *run, struct cell_result *r)
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
static int widen(
	const struct run *run, const struct service *s, struct cell_result *r, struct buffer *error)
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
		failed |= json_object_set_new(
			latency, names[f], latency_interval_json(spread_interval(&spread, f, b)));
	r->p99 = spread_interval(&spread, SPREAD_P99, b);
	return failed ? -ENOMEM : 0;
}

static int predict_with(const struct run *run, struct service *s, double shift_us,
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
	add_note(r, "not predicted: %.*s", (int)(error->len - before), error->data + before);
	error->len = before;
	return 0;
}

static int predict_cell(const struct run *run, struct cell_result *r, struct buffer *error)
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
	add_note(r, "predicted from the service times that the workers told");
	result = service_as_told(told, &s, error);
	return result < 0 ? result : predict_with(run, &s, c->busy_us - c->told_us, r, error);
}

static void find_closed(const struct run *run, struct cell_result *r)
{
	const struct schedule_cell *c = run->o->cell;

	if (run->service_known)
		closed_response(&c->policy, c->workers,
			c->utilization * c->workers / (run->service.mean_us / 1e6), &run->service,
			&r->closed);
}

/* Chance alone moves a short cell's utilization by some per cent, so it does not make one void. */
static void compare_busy(const struct run *run, struct cell_result *r)
{
	const double busy = r->measure.shares.busy_mean, wanted = run->o->cell->utilization;

	if (!run->o->foreign && r->measure.shares.awake <= 0)
		add_note(r, "CPUs could not be kept awake, so that wakeups took longer");
	if (fabs(busy - wanted) > BUSY_NEAR * wanted)
		add_note(r, "the workers were %.1f %% busy, wanted was %.1f %%", busy * 100,
			wanted * 100);
}

static int conclude(struct run *run, struct cell_result *r, struct buffer *error)
{
	const struct measure_void_options options = {.foreign = run->o->foreign != NULL};

	(void)measure_is_void(&r->measure, &options, &r->void_reason);
	compare_busy(run, r);
	int result = report_load(run, r);

	r->p99 = batches_interval(&r->measure.recorder.latency, 0.99);
	if (result == 0)
		result = split(run, r);
	if (result == 0)
		result = predict_cell(run, r, error);
	find_closed(run, r);
	return result;
}

int cell_measure(const struct cell_options *o, struct cell_result *ret, struct buffer *error)
{
	struct run *run = calloc(1, sizeof *run);
	struct cell_result r = {.rate_rps = 0};

	if (!run)
		return -ENOMEM;
	run->o = o;
	int result = prepare(run, error);
	if (result == 0)
		result = find_rate(run, &r, error);
	if (result == 0)
		result = measure(run, &r, error);
	take_down(run);
	if (result == 0)
		result = conclude(run, &r, error);
	finish(run);
	free(run);
	if (result < 0 && result != -EINTR && error->len == 0)
		buffer_puts(error, result == -ENOMEM ? "no memory is left" : strerror(-result));
	if (result < 0)
		cell_result_done(&r);
	else
		*ret = r;
	return result;
}

void cell_result_done(struct cell_result *r)
{
	measure_done(&r->measure);
	if (r->split_known)
		split_done(&r->split);
	buffer_done(&r->void_reason);
	buffer_done(&r->notes);
	json_decref(r->load);
	*r = (struct cell_result){.rate_rps = 0};
}
