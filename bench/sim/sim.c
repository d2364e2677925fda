#include "bench/sim/sim.h"

#include "bench/sim/dispatch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TICK_REQUESTS 65536 /* a multiple of DISPATCH_BLOCK */
#define LEAST_WARMUP 1000

struct run {
	const struct sim_options *options;
	struct sim_result *result;
	struct dispatch *dispatch;
	struct random random;
	uint64_t to_skip; /* outcomes of the warm-up that are still to come */
	double busy_us;	  /* service times of measured requests */
	uint64_t offered;
	double warm_until_us; /* the last arrival of the warm-up */
	double last_us;	      /* the last arrival */
	double arrival_us[DISPATCH_BLOCK], service_us[DISPATCH_BLOCK];
};

static double arrival_scv(const struct arrival *a)
{
	return a->kind == ARRIVAL_CONSTANT ? 0 : 1;
}

uint64_t sim_warmup(const struct policy *p, unsigned workers, double utilization,
	const struct arrival *a, const struct service *s)
{
	const bool separate = p->kind == POLICY_RR || p->kind == POLICY_RANDOM_OF;
	/* Every k-th of many arrivals comes nearly regularly. */
	const double ca2 = p->kind == POLICY_RR ? arrival_scv(a) / workers : arrival_scv(a);
	const double room = (1 - utilization) * (1 - utilization);
	const double relaxation = 2 * (ca2 + s->scv) / room / (separate ? 1 : workers);
	double requests = workers * utilization * (5 * relaxation + 10 * (1 + s->scv));

	requests = fmin(fmax(requests, LEAST_WARMUP), (double)SIM_WARMUP_MOST);
	if (a->kind == ARRIVAL_TRACE)
		requests = fmin(requests, (double)a->trace_count / 10);
	return (uint64_t)requests;
}

static void take_outcomes(void *own, const double *wait_us, const double *service_us, size_t n)
{
	struct run *r = own;
	struct sim_result *result = r->result;
	const size_t skip = r->to_skip < n ? (size_t)r->to_skip : n;

	r->to_skip -= skip;
	for (size_t i = skip; i < n; i++) {
		batches_record(&result->response, wait_us[i] + service_us[i]);
		quantiles_record(&result->wait, wait_us[i]);
		r->busy_us += service_us[i];
	}
	result->measured += n - skip;
}

/* Up to n further requests; how many there were. */
static size_t draw_block(struct run *r, size_t n)
{
	size_t count = 0;

	while (count < n && arrival_next(r->options->arrival, &r->arrival_us[count]))
		r->service_us[count++] = service_draw(r->options->service, &r->random);
	return count;
}

static void note_times(struct run *r, size_t n)
{
	const uint64_t warmup = r->result->warmup;

	if (n == 0)
		return;
	if (r->offered < warmup && warmup <= r->offered + n)
		r->warm_until_us = r->arrival_us[warmup - r->offered - 1];
	r->offered += n;
	r->last_us = r->arrival_us[n - 1];
}

static bool is_stopped(const struct run *r)
{
	return r->options->stop && *r->options->stop;
}

static bool is_enough(const struct run *r)
{
	return r->options->tick && r->offered > 0 && r->offered % TICK_REQUESTS == 0 &&
	       r->options->tick(r->options->own, r->result);
}

static int go_through(struct run *r)
{
	const uint64_t total = r->result->warmup + r->options->requests;
	size_t n = 1;

	while (n > 0 && r->offered < total && !is_enough(r)) {
		if (is_stopped(r)) {
			r->result->interrupted = true;
			break;
		}
		const uint64_t left = total - r->offered;
		n = draw_block(r, left < DISPATCH_BLOCK ? (size_t)left : DISPATCH_BLOCK);
		if (dispatch_offer(r->dispatch, r->arrival_us, r->service_us, n) != 0)
			return -ENOMEM;
		note_times(r, n);
	}
	return dispatch_finish(r->dispatch);
}

static int check(const struct sim_options *o, struct buffer *error)
{
	if (o->workers < 1 || o->workers > SIM_WORKERS_MOST) {
		buffer_printf(error, "%u workers are not allowed; allowed: 1 to %d", o->workers,
			SIM_WORKERS_MOST);
		return -EINVAL;
	}
	if (o->requests == 0) {
		buffer_puts(error, "0 requests are not allowed; allowed: 1 and more");
		return -EINVAL;
	}
	if (o->requests > UINT64_MAX / 2 ||
		(o->warmup != UINT64_MAX && o->warmup > UINT64_MAX / 2)) {
		buffer_puts(error, "so many requests are not allowed");
		return -EINVAL;
	}
	const bool recorded = o->arrival->kind == ARRIVAL_TRACE && o->rate_rps == 0;
	if (!recorded && !(o->rate_rps > 0 && isfinite(o->rate_rps))) {
		buffer_printf(error, "a rate of %g is not allowed; allowed: above 0", o->rate_rps);
		return -EINVAL;
	}
	return 0;
}

/* Starts the arrivals, so that their mean rate is known. */
static int start(const struct sim_options *o, struct sim_result *ret, struct buffer *error)
{
	arrival_start(o->arrival, o->rate_rps, o->seed);
	const double utilization =
		arrival_rate(o->arrival) * o->service->mean_us / 1e6 / o->workers;
	if (!(utilization < 1)) {
		buffer_printf(error,
			"the utilization would be %.4g; allowed: below 1, since otherwise the "
			"queue grows "
			"without end",
			utilization);
		return -EINVAL;
	}
	ret->warmup = o->warmup == UINT64_MAX ? sim_warmup(&o->policy, o->workers, utilization,
							o->arrival, o->service)
					      : o->warmup;
	return 0;
}

static int simulate(const struct sim_options *o, struct sim_result *ret)
{
	struct run *r = calloc(1, sizeof *r);
	struct dispatch *d = calloc(1, sizeof *d);
	int error = -ENOMEM;

	if (!r || !d)
		goto done;
	*r = (struct run){.options = o, .result = ret, .dispatch = d, .to_skip = ret->warmup};
	random_init(&r->random, o->seed, SIM_SERVICE_STREAM);
	error = dispatch_init(d, &o->policy, o->workers, o->seed, take_outcomes, r);
	if (error == 0)
		error = go_through(r);
	if (error == 0 && ret->measured > 0) {
		ret->simulated_us = r->last_us - r->warm_until_us;
		if (ret->simulated_us > 0)
			ret->utilization = r->busy_us / ret->simulated_us / o->workers;
	}
	dispatch_done(d);
done:
	free(d);
	free(r);
	return error;
}

int sim_run(const struct sim_options *o, struct sim_result *ret, struct buffer *error)
{
	struct sim_result result = {0};
	int failed = check(o, error);

	if (failed == 0)
		failed = start(o, &result, error);
	if (failed == 0)
		failed = batches_init(&result.response, 0);
	if (failed == 0)
		failed = quantiles_init(&result.wait);
	if (failed == 0)
		failed = simulate(o, &result);
	if (failed == 0)
		*ret = result;
	else
		sim_result_done(&result);
	return failed;
}

void sim_result_done(struct sim_result *r)
{
	batches_done(&r->response);
	quantiles_done(&r->wait);
}
