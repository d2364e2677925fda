#include "bench/plan/predict.h"

#include "bench/plan/closed.h"
#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PRECISION 0.02
#define DEFAULT_REQUESTS_MOST 50000000
#define FIRST_LOOK 100000 /* requests, before which no interval is worth its computation */
#define LOOK_AGAIN 1.3	  /* times as many */
#define CLEAR 1.5

static struct interval exactly(double value)
{
	return (struct interval){.known = true, .low = value, .high = value};
}

static bool take_closed(struct prediction *ret, const struct closed_response *c)
{
	if (isnan(c->mean_us + c->p50_us + c->p90_us + c->p95_us + c->p99_us + c->p999_us))
		return false;
	*ret = (struct prediction){.mean_us = c->mean_us,
		.p50_us = c->p50_us,
		.p90_us = c->p90_us,
		.p95_us = c->p95_us,
		.p99_us = c->p99_us,
		.p999_us = c->p999_us,
		.mean = exactly(c->mean_us),
		.p50 = exactly(c->p50_us),
		.p90 = exactly(c->p90_us),
		.p95 = exactly(c->p95_us),
		.p99 = exactly(c->p99_us),
		.p999 = exactly(c->p999_us)};
	(void)snprintf(ret->method, sizeof ret->method, "%s", c->formula);
	return true;
}

static void take_simulated(struct prediction *ret, const struct sim_result *s)
{
	const struct batches *b = &s->response;

	*ret = (struct prediction){.requests = s->measured,
		.mean_us = quantiles_mean(&b->all),
		.p50_us = quantiles_at(&b->all, 0.5),
		.p90_us = quantiles_at(&b->all, 0.9),
		.p95_us = quantiles_at(&b->all, 0.95),
		.p99_us = quantiles_at(&b->all, 0.99),
		.p999_us = quantiles_at(&b->all, 0.999),
		.mean = batches_interval(b, 0),
		.p50 = batches_interval(b, 0.5),
		.p90 = batches_interval(b, 0.9),
		.p95 = batches_interval(b, 0.95),
		.p99 = batches_interval(b, 0.99),
		.p999 = batches_interval(b, 0.999)};
	(void)snprintf(ret->method, sizeof ret->method, "simulated");
}

struct watch_precision {
	const struct predict_options *options;
	double precision;
	double next; /* measured requests at which to look again */
};

/* Whether the objective's limit lies well outside of the interval. */
static bool is_clear(const struct objective *o, struct interval i, double point)
{
	if (!i.known)
		return false;
	return point + CLEAR * (i.high - point) < o->limit_us ||
	       point - CLEAR * (point - i.low) > o->limit_us;
}

static bool is_enough(void *own, const struct sim_result *s)
{
	struct watch_precision *w = own;
	const struct objective *objective = w->options->objective;
	const double quantile = objective ? objective->quantile : 0.99;

	if ((double)s->measured < w->next)
		return false;
	w->next = LOOK_AGAIN * (double)s->measured;
	const double point = quantile > 0 ? quantiles_at(&s->response.all, quantile)
					  : quantiles_mean(&s->response.all);
	const struct interval i = batches_interval(&s->response, quantile);
	if (interval_relative(i, point) <= w->precision)
		return true;
	return objective && w->options->decide && is_clear(objective, i, point);
}

static int simulate(const struct predict_options *o, struct arrival *arrival,
	struct prediction *ret, struct buffer *error)
{
	struct watch_precision watch = {
		o, o->precision > 0 ? o->precision : DEFAULT_PRECISION, FIRST_LOOK};
	const struct sim_options options = {.policy = o->policy,
		.workers = o->workers,
		.arrival = arrival,
		.rate_rps = o->rate_rps,
		.service = o->service,
		.requests = o->requests_most > 0 ? o->requests_most : DEFAULT_REQUESTS_MOST,
		.warmup = UINT64_MAX,
		.seed = o->seed,
		.stop = o->stop,
		.tick = is_enough,
		.own = &watch};
	struct sim_result result;
	const int failed = sim_run(&options, &result, error);

	if (failed < 0)
		return failed;
	if (!result.interrupted)
		take_simulated(ret, &result);
	const bool interrupted = result.interrupted;
	sim_result_done(&result);
	return interrupted ? -EINTR : 0;
}

int predict(const struct predict_options *o, struct prediction *ret, struct buffer *error)
{
	struct arrival poisson = {.kind = ARRIVAL_POISSON};
	struct arrival *arrival = o->arrival ? o->arrival : &poisson;
	struct closed_response closed;
	struct prediction made;

	if (o->workers < 1) {
		buffer_puts(error, "0 workers are not allowed; allowed: 1 and more");
		return -EINVAL;
	}
	arrival_start(arrival, o->rate_rps, o->seed);
	const double rate = arrival_rate(arrival);
	const double utilization = rate * o->service->mean_us / 1e6 / o->workers;
	if (!(utilization > 0 && utilization < 1)) {
		buffer_printf(error,
			"the utilization would be %.4g; allowed: above 0 and below 1, from where "
			"on the "
			"queue grows without end",
			utilization);
		return -EINVAL;
	}
	bool known = false;
	if (arrival->kind == ARRIVAL_POISSON) {
		closed_response(&o->policy, o->workers, rate, o->service, &closed);
		known = take_closed(&made, &closed);
	}
	const int failed = known ? 0 : simulate(o, arrival, &made, error);
	if (failed < 0)
		return failed;
	made.utilization = utilization;
	*ret = made;
	return 0;
}

bool predict_is_within_reach(const struct predict_options *o)
{
	const struct arrival poisson = {.kind = ARRIVAL_POISSON};
	const struct arrival *arrival = o->arrival ? o->arrival : &poisson;
	const double utilization = o->rate_rps * o->service->mean_us / 1e6 / o->workers;
	struct closed_response closed;
	struct prediction unused;

	if (arrival->kind == ARRIVAL_POISSON) {
		closed_response(&o->policy, o->workers, o->rate_rps, o->service, &closed);
		if (take_closed(&unused, &closed))
			return true;
	}
	return sim_warmup(&o->policy, o->workers, utilization, arrival, o->service) <=
	       PREDICT_WARMUP_MOST;
}

double prediction_at(const struct prediction *p, double quantile, struct interval *ret)
{
	const struct {
		double quantile, value;
		struct interval interval;
	} all[] = {{0, p->mean_us, p->mean}, {0.5, p->p50_us, p->p50}, {0.9, p->p90_us, p->p90},
		{0.95, p->p95_us, p->p95}, {0.99, p->p99_us, p->p99}, {0.999, p->p999_us, p->p999}};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (fabs(all[i].quantile - quantile) < 1e-9) {
			*ret = all[i].interval;
			return all[i].value;
		}
	*ret = (struct interval){.known = false};
	return NAN;
}
