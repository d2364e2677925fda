#include "bench/sweep/cell.h"

#include "bench/measure/spread.h"
#include "bench/sweep/cell_run.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CALIBRATE_S 2.0
#define CALIBRATE_QUICK_S 1.0
/* Start, stop and prediction of a cell. */
#define OTHER_S 2.5
#define OTHER_QUICK_S 1.0

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
static int move_to(struct cell_run *run, const char *cpus, struct buffer *error)
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

static int bring_up(struct cell_run *run, struct buffer *error)
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

static int make_mix(struct cell_run *run, struct buffer *error)
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

static int prepare(struct cell_run *run, struct buffer *error)
{
	const char *spec = run->o->cell->group->distribution;
	int result = spec ? service_parse(&run->service, spec, error) : 0;

	if (result < 0)
		return result;
	run->service_known = spec != NULL;
	result = bring_up(run, error);
	return result < 0 ? result : make_mix(run, error);
}

static void take_down(struct cell_run *run)
{
	if (run->moved)
		(void)sched_setaffinity(0, sizeof run->before, &run->before);
	run->moved = false;
	fleet_stop(run->fleet);
	run->fleet = NULL;
}

static void finish(struct cell_run *run)
{
	take_down(run);
	mix_free(run->mix);
	target_done(&run->own_target);
	if (run->service_known)
		service_done(&run->service);
}

/* --- the load -------------------------------------------------------------------------------------------------- */

static int find_rate(struct cell_run *run, struct cell_result *r, struct buffer *error)
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

/*
 * How long p99 has to be measured before it can be as precise as wanted. Decided beforehand: a run
 * that ends because its interval happens to be narrow ends when chance has flattered it.
 */
static int find_seconds(const struct cell_run *run, const struct cell_result *r, double *ret_s,
	struct buffer *error)
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

static int measure(struct cell_run *run, struct cell_result *r, struct buffer *error)
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

int cell_measure(const struct cell_options *o, struct cell_result *ret, struct buffer *error)
{
	struct cell_run *run = calloc(1, sizeof *run);
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
		result = cell_conclude(run, &r, error);
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
