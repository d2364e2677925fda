#include "bench/plan/closed.h"
#include "bench/plan/measured.h"
#include "bench/plan/objective.h"
#include "bench/plan/plan_report.h"
#include "bench/plan/planner.h"
#include "bench/plan/service_quantile.h"
#include "tests/unit/plan_helpers.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *what, double value, double expected, double relative)
{
	if (!(fabs(value - expected) <= relative * fabs(expected)))
		fail_msg("%s: %.9g instead of %.9g", what, value, expected);
}

/* --- objectives --------------------------------------------------------------------------------------------------------- */

static struct objective objective_of(const char *text)
{
	struct objective o;
	struct buffer error;

	buffer_init(&error);
	if (objective_parse(&o, text, &error) != 0)
		fail_msg("%s", buffer_cstring(&error));
	buffer_done(&error);
	return o;
}

static void test_objective(void **state)
{
	static const char *const wrong[] = {"", "p99", "p98=20ms", "p99=", "p99=20", "p99=0ms",
		"p99=2h", "p99 =20ms", "=20ms", "p99=20ms ", "P99=20ms", "p999=20ms"};
	struct objective o = objective_of("p99=20ms");

	(void)state;
	assert_true(o.quantile == 0.99 && o.limit_us == 20000);
	o = objective_of("p99.9=1.5s");
	assert_true(o.quantile == 0.999 && o.limit_us == 1.5e6);
	assert_string_equal(o.name, "p99.9");
	o = objective_of("mean=100us");
	assert_true(o.quantile == 0 && o.limit_us == 100);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(objective_parse(&o, wrong[i], &error), -EINVAL);
		assert_non_null(strstr(buffer_cstring(&error), "allowed"));
		buffer_done(&error);
	}
}

static void test_judge(void **state)
{
	const struct objective o = {"p99", 0.99, 20};

	(void)state;
	assert_int_equal(objective_judge(&o, (struct interval){true, 19, 20}), OBJECTIVE_MET);
	assert_int_equal(objective_judge(&o, (struct interval){true, 19, 21}), OBJECTIVE_UNSURE);
	assert_int_equal(objective_judge(&o, (struct interval){true, 20.1, 21}), OBJECTIVE_UNMET);
	assert_int_equal(objective_judge(&o, (struct interval){false, 0, 0}), OBJECTIVE_UNSURE);
}

/* --- the service alone ---------------------------------------------------------------------------------------------------- */

static void check_quantile(const char *spec, double p, double expected_us)
{
	struct service s = service_of(spec);

	check(spec, service_quantile(&s, p), expected_us, 1e-6);
	service_shift(&s, 500);
	check(spec, service_quantile(&s, p), expected_us + 500, 1e-6);
	service_done(&s);
}

static void test_service_quantile(void **state)
{
	(void)state;
	check_quantile("exp:5ms", 0.99, 5000 * log(100));
	check_quantile("det:5ms", 0.99, 5000);
	/* e^(mu + 2.326348 sigma), sigma^2 = ln 3, mu = ln 5000 - sigma^2/2 */
	check_quantile("lognormal:5ms,2", 0.99,
		5000 * exp(-log(3) / 2 + 2.3263478740408408 * sqrt(log(3))));
	/* SCV 1 is exponential. */
	check_quantile("hyper:5ms,1", 0.95, 5000 * log(20));
	check_quantile("points:1ms@99,100ms@1", 0.99, 1000);
	check_quantile("points:1ms@99,100ms@1", 0.999, 100000);
	check_quantile("points:3ms@1,1ms@1", 0.5, 1000);
	check_quantile("exp:5ms", 0, 5000);
}

/* --- plans ---------------------------------------------------------------------------------------------------------------- */

static struct arrival poisson = {.kind = ARRIVAL_POISSON};

static struct planner_options options_of(
	const char *policy, double rate_rps, const struct service *s, const char *objective)
{
	return (struct planner_options){.policy = policy_of(policy),
		.rate_rps = rate_rps,
		.arrival = &poisson,
		.service = s,
		.objective = objective_of(objective),
		.seed = 20260101,
		.workers_most = 256};
}

static struct plan planned(const struct planner_options *o)
{
	struct plan plan;
	struct buffer reason;

	buffer_init(&reason);
	assert_int_equal(planner_run(o, &plan, &reason), 0);
	/* A reason where there is no answer, and none where there is. */
	assert_int_equal(plan.workers == 0, reason.len > 0);
	buffer_done(&reason);
	return plan;
}

static unsigned need_of(const struct plan *plan, const char *policy)
{
	const struct policy p = policy_of(policy);

	for (size_t i = 0; i < plan->needs; i++)
		if (policy_equal(&plan->need[i].policy, &p))
			return plan->need[i].workers;
	fail_msg("no %s among the policies", policy);
	return 0;
}

static double p99_of(const char *policy, unsigned workers, double rate_rps, const struct service *s)
{
	const struct policy p = policy_of(policy);
	struct closed_response closed;

	closed_response(&p, workers, rate_rps, s, &closed);
	return closed.p99_us;
}

/* The smallest number by looking at every one. */
static unsigned smallest(
	const char *policy, double rate_rps, const struct service *s, double limit_us)
{
	unsigned k = (unsigned)(rate_rps * s->mean_us / 1e6) + 1;

	while (!(p99_of(policy, k, rate_rps, s) <= limit_us))
		k++;
	return k;
}

static void test_exact(void **state)
{
	struct service s = service_of("exp:3ms");
	const struct planner_options o = options_of("roundrobin", 2000, &s, "p99=20ms");
	const struct plan plan = planned(&o);

	(void)state;
	assert_int_equal(plan.least, 7);
	check("erlangs", plan.erlangs, 6, 1e-9);
	assert_int_equal(plan.workers, smallest("roundrobin", 2000, &s, 20000));
	assert_int_equal(need_of(&plan, "random"), smallest("random", 2000, &s, 20000));
	assert_int_equal(need_of(&plan, "central"), smallest("central", 2000, &s, 20000));
	assert_true(need_of(&plan, "leastconn") >= need_of(&plan, "central"));
	assert_true(need_of(&plan, "leastconn") <= plan.workers);
	assert_true(need_of(&plan, "random(2)") <= need_of(&plan, "random"));
	/* All from the least number to two beyond the answer. */
	assert_int_equal(plan.rows, plan.workers + 2 - plan.least + 1);
	for (size_t i = 0; i < plan.rows; i++) {
		const struct planner_row *row = &plan.row[i];

		assert_int_equal(row->workers, plan.least + i);
		assert_true(row->predicted);
		check("utilization", row->utilization, 6.0 / row->workers, 1e-9);
		check("p99", row->prediction.p99_us, p99_of("roundrobin", row->workers, 2000, &s),
			1e-9);
		assert_int_equal(row->verdict,
			row->workers >= plan.workers ? OBJECTIVE_MET : OBJECTIVE_UNMET);
	}
	service_done(&s);
}

/* M/M/1: p99 = S ln 100/(1 - rho), so that rho = 1 - S ln 100/limit for any number of workers under random. */
static void test_heat_exact(void **state)
{
	struct service s = service_of("exp:1ms");
	const struct planner_options o = options_of("random", 1500, &s, "p99=20ms");
	const struct plan plan = planned(&o);
	const double rho = 1 - log(100) / 20;

	(void)state;
	assert_int_equal(plan.workers, (unsigned)ceil(1.5 / rho));
	for (size_t i = 0; i < plan.rows; i++) {
		const struct planner_heat *h = &plan.heat[i];

		check("utilization", h->utilization, rho, 1e-4);
		check("rate", h->rate_rps, rho * 1000 * h->workers, 1e-4);
		assert_true(h->at_us <= 20000);
	}
	service_done(&s);
}

/* What is simulated: the figures are those of longer simulations with another seed, within 8 %, which is more than three
 * standard errors for intervals of 4 %. */
static void test_simulated(void **state)
{
	struct service s = service_of("lognormal:5ms,2");
	struct planner_options o = options_of("leastconn", 640, &s, "p99=40ms");

	(void)state;
	o.precision = 0.04;
	const struct plan plan = planned(&o);
	assert_in_range(plan.workers, 5, 7);
	for (size_t i = 0; i < plan.rows; i++) {
		const struct planner_row *row = &plan.row[i];
		const struct predict_options other = {.policy = o.policy,
			.workers = row->workers,
			.rate_rps = 640,
			.service = &s,
			.seed = 7,
			.requests_most = 1000000,
			.precision = 0.001};
		struct prediction p;
		struct buffer error;

		buffer_init(&error);
		assert_string_equal(row->prediction.method, "simulated");
		assert_int_equal(predict(&other, &p, &error), 0);
		check("p99", row->prediction.p99_us, p.p99_us, 0.08);
		if (i > 0)
			assert_true(plan.heat[i].utilization >= plan.heat[i - 1].utilization);
		buffer_done(&error);
	}
	/* Round robin needs more, whoever deals out blindly most. */
	assert_true(need_of(&plan, "roundrobin") > plan.workers);
	assert_true(need_of(&plan, "random") > need_of(&plan, "roundrobin"));
	service_done(&s);
}

/* Many workers: the table is thinned out, and begins and ends where it should. */
static void test_thinned(void **state)
{
	struct service s = service_of("exp:1ms");
	const struct planner_options o = options_of("roundrobin", 89500, &s, "mean=1500us");
	const struct plan plan = planned(&o);

	(void)state;
	assert_int_equal(plan.least, 90);
	assert_int_equal(plan.rows, PLANNER_ROWS_MOST);
	assert_int_equal(plan.row[0].workers, 90);
	assert_int_equal(plan.row[plan.rows - 1].workers, plan.workers + 2);
	assert_int_equal(plan.row[plan.rows - 4].workers, plan.workers - 1);
	assert_int_equal(plan.row[plan.rows - 4].verdict, OBJECTIVE_UNMET);
	for (size_t i = 1; i < plan.rows; i++)
		assert_true(plan.row[i].workers > plan.row[i - 1].workers);
	service_done(&s);
}

static void test_too_near(void **state)
{
	struct service s = service_of("lognormal:1ms,2");
	struct planner_options o = options_of("leastconn", 3980, &s, "p99=50ms");

	(void)state;
	o.precision = 0.1;
	const struct plan plan = planned(&o);
	assert_int_equal(plan.row[0].workers, 4);
	assert_false(plan.row[0].predicted);
	assert_int_equal(plan.row[0].verdict, OBJECTIVE_UNMET);
	assert_int_equal(plan.workers, 5);
	assert_true(plan.heat[0].utilization > 0.5 &&
		    plan.heat[0].utilization <= PLANNER_UTILIZATION_MOST);
	service_done(&s);
}

static void check_reason(const struct planner_options *o, const char *words)
{
	struct plan plan;
	struct buffer reason;

	buffer_init(&reason);
	assert_int_equal(planner_run(o, &plan, &reason), 0);
	assert_int_equal(plan.workers, 0);
	if (!strstr(buffer_cstring(&reason), words))
		fail_msg("\"%s\" is not in \"%s\"", words, buffer_cstring(&reason));
	buffer_done(&reason);
}

static void test_unmet(void **state)
{
	struct service s = service_of("exp:5ms");
	struct planner_options o = options_of("roundrobin", 100, &s, "p99=20ms");

	(void)state;
	check_reason(&o, "the service alone, without any waiting, already has p99 = 23.03ms");
	/* Met by many, but not by so few. */
	o = options_of("roundrobin", 1000, &s, "p99=24ms");
	o.workers_most = 8;
	check_reason(&o, "up to 8 workers do not meet p99=24ms");
	o.workers_most = 5;
	check_reason(&o, "6 is the least number");
	o = options_of("roundrobin", 1000, &s, "p99=24ms");
	assert_true(planned(&o).workers > 8);
	service_done(&s);
}

static void test_stopped(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	struct service s = service_of("lognormal:5ms,2");
	struct planner_options o = options_of("leastconn", 640, &s, "p99=40ms");
	struct plan plan;
	struct buffer reason;

	(void)state;
	o.stop = &stop;
	buffer_init(&reason);
	assert_int_equal(planner_run(&o, &plan, &reason), -EINTR);
	buffer_done(&reason);
	service_done(&s);
}

/* --- a running fleet's service ------------------------------------------------------------------------------------------ */

#define BOUNDS 20

/* What quernd's /metrics says after so many requests of this service: buckets from 0.125 ms, doubled. */
static void write_page(struct buffer *out, const struct service *s, double requests)
{
	double bound_us = 125;

	buffer_puts(out, "# TYPE quern_service_seconds histogram\n");
	for (unsigned slot = 0; slot < 2; slot++) {
		bound_us = 125;
		for (unsigned i = 0; i < BOUNDS; i++, bound_us *= 2)
			buffer_printf(out,
				"quern_service_seconds_bucket{slot=\"%u\",le=\"%.6f\"} %.0f\n",
				slot, bound_us / 1e6,
				requests / 2 * service_share_below(s, bound_us));
		buffer_printf(out,
			"quern_service_seconds_bucket{slot=\"%u\",le=\"+Inf\"} %.0f\n"
			"quern_service_seconds_sum{slot=\"%u\"} %.6f\n"
			"quern_service_seconds_count{slot=\"%u\"} %.0f\n",
			slot, requests / 2, slot, requests / 2 * s->mean_us / 1e6, slot,
			requests / 2);
	}
	buffer_puts(out, "quern_queue_seconds_bucket{slot=\"0\",le=\"+Inf\"} 77\n");
}

static struct measured_page page_of(const struct service *s, double requests)
{
	struct measured_page page;
	struct buffer text;

	buffer_init(&text);
	write_page(&text, s, requests);
	assert_int_equal(measured_read(&page, text.data, text.len), 0);
	buffer_done(&text);
	return page;
}

static struct service measured_of(const char *spec, double requests)
{
	struct service s = service_of(spec), seen;
	const struct measured_page before = page_of(&s, 5000), after = page_of(&s, 5000 + requests);
	struct buffer error;

	buffer_init(&error);
	assert_int_equal(measured_service(&before, &after, "admin", &seen, &error), 0);
	buffer_done(&error);
	check("mean", seen.mean_us, s.mean_us, 1e-4);
	service_done(&s);
	return seen;
}

static void test_measured(void **state)
{
	struct service seen = measured_of("exp:3ms", 1e6);

	(void)state;
	check("p99 of exp", service_quantile(&seen, 0.99), 3000 * log(100), 0.02);
	check("SCV of exp", seen.scv, 1, 0.02);
	service_done(&seen);
	/* The worst: all of it within one bucket. */
	seen = measured_of("det:1100us", 1e6);
	check("p99 of det", service_quantile(&seen, 0.99), 1100 * 1.4, 0.4 / 1.4);
	assert_true(seen.scv < 0.05);
	service_done(&seen);
	seen = measured_of("lognormal:5ms,2", 1e6);
	check("p99 of lognormal", service_quantile(&seen, 0.99),
		5000 * exp(-log(3) / 2 + 2.3263478740408408 * sqrt(log(3))), 0.05);
	service_done(&seen);
}

static void test_measured_refused(void **state)
{
	static const char nothing[] = "quern_up 1\n";
	struct service s = service_of("exp:3ms"), seen;
	const struct measured_page few = page_of(&s, 10), more = page_of(&s, 900);
	struct measured_page page;
	struct buffer error;

	(void)state;
	buffer_init(&error);
	assert_int_equal(measured_read(&page, nothing, strlen(nothing)), -EPROTO);
	assert_int_equal(measured_service(&few, &more, "admin", &seen, &error), -EAGAIN);
	assert_non_null(strstr(buffer_cstring(&error), "only 890 requests"));
	assert_int_equal(measured_service(&more, &few, "admin", &seen, &error), -EPROTO);
	buffer_done(&error);
	service_done(&s);
}

/* --- JSON --------------------------------------------------------------------------------------------------------------- */

static void test_json(void **state)
{
	struct service s = service_of("exp:3ms");
	const struct planner_options o = options_of("roundrobin", 2000, &s, "p99=20ms");
	const struct plan plan = planned(&o);
	const struct plan_report report = {.options = &o, .plan = &plan, .spec = "exp:3ms"};
	json_t *object = plan_report_json(&report);
	const char *method, *quantile;
	int recommended, workers;
	double p99, low;

	(void)state;
	assert_int_equal(json_unpack(object, "{s:i, s:{s:s}, s:[{s:i, s:s, s:{s:f, s:[f, f!]}}]}",
				 "recommended_workers", &recommended, "objective", "quantile",
				 &quantile, "plan", "workers", &workers, "method", &method,
				 "latency_ms", "p99", &p99, "p99_interval", &low, &low),
		0);
	assert_int_equal(recommended, plan.workers);
	assert_int_equal(workers, 7);
	assert_string_equal(method, "E_7/M/1");
	assert_string_equal(quantile, "p99");
	check("p99", p99, plan.row[0].prediction.p99_us / 1000, 1e-5);
	assert_int_equal(json_array_size(json_object_get(object, "policies")), 7);
	assert_true(json_is_null(json_object_get(object, "reason")));
	json_decref(object);
	service_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objective),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_service_quantile),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_heat_exact),
		cmocka_unit_test(test_simulated),
		cmocka_unit_test(test_thinned),
		cmocka_unit_test(test_too_near),
		cmocka_unit_test(test_unmet),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_measured),
		cmocka_unit_test(test_measured_refused),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
