#include "bench/measure/spread.h"

#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define RUNS_LEAST 40
#define RUNS_MOST 200
#define REQUESTS_MOST 6000000 /* of all runs together, as long as RUNS_LEAST are made */

static const double quantile_of[SPREAD_FIGURES] = {0, 0.5, 0.95, 0.99};

static double figure(const struct quantiles *q, size_t i)
{
	return i == 0 ? quantiles_mean(q) : quantiles_at(q, quantile_of[i]);
}

static size_t runs_of(const struct spread_options *o)
{
	const double runs = REQUESTS_MOST / (double)(o->requests + o->warmup);

	return (size_t)fmin(fmax(runs, RUNS_LEAST), RUNS_MOST);
}

static int one_run(const struct spread_options *o, size_t i, struct quantiles *all,
	double value[SPREAD_FIGURES], struct buffer *error)
{
	struct arrival arrival = {.kind = ARRIVAL_POISSON};
	struct sim_result result;
	const struct sim_options options = {.policy = o->policy,
		.workers = o->workers,
		.arrival = &arrival,
		.rate_rps = o->rate_rps,
		.service = o->service,
		.requests = o->requests,
		.warmup = o->warmup,
		.seed = o->seed + i,
		.stop = o->stop};
	const int failed = sim_run(&options, &result, error);

	if (failed < 0)
		return failed;
	for (size_t f = 0; f < SPREAD_FIGURES; f++)
		value[f] = figure(&result.response.all, f);
	quantiles_merge(all, &result.response.all);
	const bool interrupted = result.interrupted;
	sim_result_done(&result);
	return interrupted ? -EINTR : 0;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * The middle 95 % of value[0], value[SPREAD_FIGURES], value[2 * SPREAD_FIGURES]..., relative to what
 * all runs say together.
 */
static struct interval middle(const double *value, size_t runs, double truth, double *sorted)
{
	const size_t outside = (size_t)(0.025 * (double)runs);

	for (size_t i = 0; i < runs; i++)
		sorted[i] = value[i * SPREAD_FIGURES];
	qsort(sorted, runs, sizeof *sorted, ascending);
	return (struct interval){.known = true,
		.low = sorted[outside] / truth,
		.high = sorted[runs - 1 - outside] / truth};
}

int spread_make(const struct spread_options *o, struct spread *ret, struct buffer *error)
{
	const size_t runs = runs_of(o);
	double *value = calloc(runs * (SPREAD_FIGURES + 1), sizeof *value);
	struct quantiles all = {.count = 0};
	int failed = value ? quantiles_init(&all) : -ENOMEM;

	for (size_t i = 0; failed == 0 && i < runs; i++)
		failed = one_run(o, i, &all, value + i * SPREAD_FIGURES, error);
	if (failed == 0) {
		double *sorted = value + runs * SPREAD_FIGURES;

		for (size_t f = 0; f < SPREAD_FIGURES; f++)
			ret->of[f] = middle(value + f, runs, figure(&all, f), sorted);
	}
	quantiles_done(&all);
	free(value);
	return failed;
}

struct interval spread_widen(struct interval ratio, double value, struct interval measured)
{
	struct interval i = {.known = true, .low = value / ratio.high, .high = value / ratio.low};

	if (measured.known) {
		i.low = fmin(i.low, measured.low);
		i.high = fmax(i.high, measured.high);
	}
	return i;
}

double spread_relative(struct interval ratio)
{
	return (1 / ratio.low - 1 / ratio.high) / 2;
}

double spread_value(const struct batches *measured, enum spread_figure f)
{
	return figure(&measured->all, f);
}

struct interval spread_interval(
	const struct spread *s, enum spread_figure f, const struct batches *measured)
{
	return spread_widen(
		s->of[f], spread_value(measured, f), batches_interval(measured, quantile_of[f]));
}
