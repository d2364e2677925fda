#include "bench/plan/closed.h"
#include "bench/plan/predict.h"
#include "tests/unit/plan_helpers.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* At utilization rho of so many workers. */
static struct predict_options options_of(
	const char *policy, unsigned workers, double rho, const struct service *s)
{
	return (struct predict_options){.policy = policy_of(policy),
		.workers = workers,
		.rate_rps = rho * workers * 1e6 / s->mean_us,
		.service = s,
		.seed = 20260101};
}

static struct prediction predicted(const struct predict_options *o)
{
	struct prediction p;
	struct buffer error;

	buffer_init(&error);
	if (predict(o, &p, &error) != 0)
		fail_msg("%s", buffer_cstring(&error));
	assert_int_equal(error.len, 0);
	buffer_done(&error);
	return p;
}

/* Half-widths are at most 2 % at 95 %, i.e. a standard error of 1 %: 4 % are four of them. */
static void check_near(const char *what, double value, double exact)
{
	if (fabs(value - exact) > 0.04 * exact)
		fail_msg("%s: %g instead of %g", what, value, exact);
}

static void test_closed(void **state)
{
	struct service s = service_of("exp:5ms");
	struct predict_options o = options_of("central", 4, 0.8, &s);
	struct interval i;

	(void)state;
	struct prediction p = predicted(&o);
	assert_string_equal(p.method, "M/M/4");
	assert_true(p.requests == 0 && fabs(p.utilization - 0.8) < 1e-12);
	assert_true(fabs(p.p99_us - 5000 * 6.8932) < 0.5);
	assert_true(p.p99.known && p.p99.low == p.p99_us && p.p99.high == p.p99_us);
	assert_true(prediction_at(&p, 0.99, &i) == p.p99_us && i.low == p.p99_us);
	assert_true(
		prediction_at(&p, 0, &i) == p.mean_us && prediction_at(&p, 0.5, &i) == p.p50_us);
	assert_true(isnan(prediction_at(&p, 0.75, &i)) && !i.known);
	o.policy = policy_of("roundrobin");
	p = predicted(&o);
	assert_string_equal(p.method, "E_4/M/1");
	service_done(&s);
	s = service_of("det:5ms");
	p = predicted(&o);
	assert_string_equal(p.method, "M/D/4");
	service_done(&s);
}

/* Constant gaps to exponential service: sigma = e^(-(1 - sigma)/rho), p99 = ln 100/(1 - sigma) = 12.4 at 0.8. */
static void test_constant(void **state)
{
	struct service s = service_of("exp:1ms");
	struct arrival constant = {.kind = ARRIVAL_CONSTANT};
	struct predict_options o = options_of("roundrobin", 1, 0.8, &s);
	double sigma = 0.5;

	(void)state;
	o.arrival = &constant;
	const struct prediction p = predicted(&o);
	assert_string_equal(p.method, "simulated");
	for (unsigned i = 0; i < 200; i++)
		sigma = exp(-(1 - sigma) / 0.8);
	check_near("p99 of D/M/1", p.p99_us, 1000 * log(100) / (1 - sigma));
	check_near("12.4", p.p99_us, 12400);
	assert_true(p.requests > 0 && p.p99.known);
	assert_true((p.p99.high - p.p99.low) / 2 <= 0.02 * p.p99_us);
	service_done(&s);
}

/* The mean of M/G/1 is known though its percentiles are not, so that those are simulated. */
static void test_general(void **state)
{
	struct service s = service_of("hyper:1ms,4");
	struct predict_options o = options_of("random", 4, 0.7, &s);

	(void)state;
	o.precision = 0.01;
	const struct prediction p = predicted(&o);
	assert_string_equal(p.method, "simulated");
	check_near("mean", p.mean_us, 1000 * (1 + closed_mg1_wait(0.7, 4)));
	assert_true(p.p50_us < p.p90_us && p.p90_us < p.p95_us && p.p95_us < p.p99_us &&
		    p.p99_us < p.p999_us);
	service_done(&s);
}

/* Exponential service with next to no fixed part is simulated, and comes out as the formula says. */
static void test_shifted(void **state)
{
	struct service s = service_of("exp:1ms");
	struct predict_options o = options_of("roundrobin", 4, 0.8, &s);
	const struct prediction closed = predicted(&o);

	(void)state;
	service_shift(&s, 1e-6);
	const struct prediction p = predicted(&o);
	assert_string_equal(p.method, "simulated");
	check_near("p99", p.p99_us, closed.p99_us);
	check_near("mean", p.mean_us, closed.mean_us);
	service_done(&s);
}

static void test_bounds_of_work(void **state)
{
	struct service s = service_of("lognormal:1ms,2");
	struct predict_options o = options_of("leastconn", 4, 0.8, &s);
	const struct objective far = {"p99", 0.99, 1e6}, near = {"mean", 0, 2300};

	(void)state;
	o.precision = 0.001;
	o.requests_most = 300000;
	struct prediction p = predicted(&o);
	assert_int_equal(p.requests, 300000);
	/* A limit that is far off is decided long before the precision is reached, a near one is not. */
	o.requests_most = 5000000;
	o.objective = &far;
	o.decide = true;
	p = predicted(&o);
	assert_true(p.requests < 300000);
	o.decide = false;
	p = predicted(&o);
	assert_int_equal(p.requests, 5000000);
	/* The objective's figure has to be precise, whatever that means for p99. */
	o.objective = &near;
	o.precision = 0.02;
	p = predicted(&o);
	assert_true(p.mean.known && (p.mean.high - p.mean.low) / 2 <= 0.02 * p.mean_us);
	service_done(&s);
}

static void test_same_seed(void **state)
{
	struct service s = service_of("points:1ms@99,20ms@1");
	struct predict_options o = options_of("random(2)", 3, 0.6, &s);
	struct prediction a, b;

	(void)state;
	o.requests_most = 400000;
	a = predicted(&o);
	b = predicted(&o);
	assert_memory_equal(&a.p99, &b.p99, sizeof a.p99);
	assert_true(a.mean_us == b.mean_us && a.requests == b.requests);
	o.seed++;
	b = predicted(&o);
	assert_true(a.mean_us != b.mean_us);
	service_done(&s);
}

static void test_refused(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	struct service s = service_of("lognormal:1ms,2");
	struct predict_options o = options_of("leastconn", 4, 1, &s);
	struct prediction p;
	struct buffer error;

	(void)state;
	buffer_init(&error);
	assert_int_equal(predict(&o, &p, &error), -EINVAL);
	assert_non_null(strstr(buffer_cstring(&error), "utilization would be 1"));
	o.workers = 0;
	assert_int_equal(predict(&o, &p, &error), -EINVAL);
	o = options_of("leastconn", 4, 0.5, &s);
	o.stop = &stop;
	assert_int_equal(predict(&o, &p, &error), -EINTR);
	buffer_done(&error);
	service_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_constant),
		cmocka_unit_test(test_general),
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_bounds_of_work),
		cmocka_unit_test(test_same_seed),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
