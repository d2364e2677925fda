#include "bench/measure/spread.h"
#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEAN_US 1000.0
#define RUNS 100

static struct service service;
static struct buffer error;

static int make_service(void **state)
{
	(void)state;
	buffer_init(&error);
	return service_parse(&service, "exp:1ms", &error);
}

static int free_service(void **state)
{
	(void)state;
	service_done(&service);
	buffer_done(&error);
	return 0;
}

static struct spread_options options_of(double utilization, uint64_t requests)
{
	return (struct spread_options){.policy = {.kind = POLICY_RANDOM_OF, .parameter = 1},
		.workers = 1,
		.rate_rps = utilization * 1e6 / MEAN_US,
		.service = &service,
		.requests = requests,
		.warmup = requests / 10,
		.seed = 1};
}

/* p99 and its interval by batch means, of another run than those of the spread. */
static double measure(const struct spread_options *o, uint64_t seed, struct interval *ret)
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
		.seed = seed};

	assert_int_equal(sim_run(&options, &result, &error), 0);
	const double p99 = quantiles_at(&result.response.all, 0.99);
	*ret = batches_interval(&result.response, 0.99);
	sim_result_done(&result);
	return p99;
}

/* How many of RUNS widened intervals of p99 hold the exact one of M/M/1, ln(100)/(1 - rho). */
static unsigned covered(double utilization, uint64_t requests)
{
	const struct spread_options o = options_of(utilization, requests);
	const double exact = log(100) / (1 - utilization) * MEAN_US;
	unsigned hits = 0;
	struct spread spread;

	assert_int_equal(spread_make(&o, &spread, &error), 0);
	for (uint64_t i = 0; i < RUNS; i++) {
		struct interval batches;
		const double p99 = measure(&o, 1000000 + i, &batches);
		const struct interval wide = spread_widen(spread.of[SPREAD_P99], p99, batches);

		assert_true(wide.known && wide.low <= p99 && p99 <= wide.high);
		hits += wide.low <= exact && exact <= wide.high;
	}
	return hits;
}

/*
 * Runs of some seconds near saturation, where batch means fail. 95 are expected; the 2.5 % and 97.5 %
 * points of 200 runs and 100 trials may both be unlucky, so the bound is 3.5 standard deviations
 * (2.2 each, added) below.
 */
static void test_intervals_hold_the_truth(void **state)
{
	(void)state;
	assert_true(covered(0.5, 3000) >= 87);
	assert_true(covered(0.9, 3000) >= 87);
}

static void test_longer_runs_scatter_less(void **state)
{
	const struct spread_options brief = options_of(0.8, 1000), longer = options_of(0.8, 16000);
	struct spread a, b;

	(void)state;
	assert_int_equal(spread_make(&brief, &a, &error), 0);
	assert_int_equal(spread_make(&longer, &b, &error), 0);
	/* Sixteen times as long: about a quarter. */
	const double ratio = spread_relative(a.of[SPREAD_P99]) / spread_relative(b.of[SPREAD_P99]);
	assert_true(ratio > 2 && ratio < 8);
	assert_true(b.of[SPREAD_MEAN].low < 1 && b.of[SPREAD_MEAN].high > 1);
	assert_true(
		b.of[SPREAD_P50].low < 1 && b.of[SPREAD_P95].low < 1 && b.of[SPREAD_P99].low < 1);
}

static void test_the_same_seed_gives_the_same_spread(void **state)
{
	const struct spread_options o = options_of(0.5, 500);
	struct spread a, b;

	(void)state;
	memset(&a, 0, sizeof a);
	memset(&b, 0, sizeof b);
	assert_int_equal(spread_make(&o, &a, &error), 0);
	assert_int_equal(spread_make(&o, &b, &error), 0);
	assert_memory_equal(&a, &b, sizeof a);
}

static void test_widening(void **state)
{
	const struct interval ratio = {.known = true, .low = 0.8, .high = 1.25};
	const struct interval wide = {.known = true, .low = 7, .high = 12},
			      unknown = {.known = false};

	(void)state;
	const struct interval a = spread_widen(ratio, 10, unknown),
			      b = spread_widen(ratio, 10, wide);
	assert_true(a.known && fabs(a.low - 8) < 1e-9 && fabs(a.high - 12.5) < 1e-9);
	assert_true(b.known && fabs(b.low - 7) < 1e-9 && fabs(b.high - 12.5) < 1e-9);
	assert_true(fabs(spread_relative(ratio) - 0.225) < 1e-9);
}

static void test_saturation_is_refused(void **state)
{
	const struct spread_options o = options_of(1.0, 500);
	struct spread unused;

	(void)state;
	assert_int_equal(spread_make(&o, &unused, &error), -EINVAL);
	assert_true(error.len > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intervals_hold_the_truth),
		cmocka_unit_test(test_longer_runs_scatter_less),
		cmocka_unit_test(test_the_same_seed_gives_the_same_spread),
		cmocka_unit_test(test_widening),
		cmocka_unit_test(test_saturation_is_refused),
	};

	return cmocka_run_group_tests(tests, make_service, free_service);
}
