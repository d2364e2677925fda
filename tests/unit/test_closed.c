#include "bench/plan/closed.h"
#include "bench/plan/mdk.h"
#include "lib/random.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A figure that was computed elsewhere, to the digits that are written: half a unit of the last one. */
static void check_digits(const char *what, double value, double expected, double unit)
{
	if (!(fabs(value - expected) <= unit / 2 * 1.0001))
		fail_msg("%s: %.12g instead of %.12g", what, value, expected);
}

/* The same figure by two ways: to what doubles hold. */
static void check_equal(const char *what, double value, double expected)
{
	check_digits(what, value, expected, 1e-9 * fabs(expected));
}

#define P99_OF_EXPONENTIAL 4.605170185988092 /* ln 100 */

static void test_erlang(void **state)
{
	(void)state;
	check_digits("B(10, 20)", closed_erlang_b(10, 20), 0.5379631686320729, 1e-15);
	check_equal("B(1, 1)", closed_erlang_b(1, 1), 0.5);
	check_equal("B(0, 3)", closed_erlang_b(0, 3), 1);
	check_digits("C(4, 3.2)", closed_erlang_c(4, 3.2), 0.596432, 1e-6);
	check_digits("C(2, 1.8)", closed_erlang_c(2, 1.8), 0.852632, 1e-6);
	check_equal("C(1, rho) is rho", closed_erlang_c(1, 0.37), 0.37);
	/* 10,000 servers: no factorial overflows. The wait is rare, and not zero. */
	assert_true(closed_erlang_c(10000, 9900) > 0.01 && closed_erlang_c(10000, 9900) < 0.9);
}

static void test_mmk(void **state)
{
	(void)state;
	check_digits("M/M/1 p99, 0.5", closed_mmk_quantile(1, 0.5, 0.99), 9.2103, 1e-4);
	check_digits("M/M/1 p99, 0.8", closed_mmk_quantile(1, 0.8, 0.99), 23.0259, 1e-4);
	check_digits("M/M/4 E[W]", closed_mmk_wait(4, 0.8), 0.745541, 1e-6);
	check_digits("M/M/4 p99", closed_mmk_quantile(4, 0.8, 0.99), 6.8932, 1e-4);
	check_digits("M/M/2 E[W]", closed_mmk_wait(2, 0.9), 4.26316, 1e-5);
	check_digits("M/M/2 p99", closed_mmk_quantile(2, 0.9, 0.99), 23.3444, 1e-4);
	check_digits("M/M/8 p99, 0.5", closed_mmk_quantile(8, 0.5, 0.99), 4.62, 1e-2);
	check_digits("M/M/8 p99, 0.8", closed_mmk_quantile(8, 0.8, 0.99), 5.15, 1e-2);
	check_digits("M/M/8 p99, 0.9", closed_mmk_quantile(8, 0.9, 0.99), 7.09, 1e-2);
	check_digits("M/M/8 p99, 0.95", closed_mmk_quantile(8, 0.95, 0.99), 12.4, 1e-1);
	/* k(1 - rho) = 1, where the formula's fraction is 0/0: beside it and in it. */
	const double beside = closed_mmk_quantile(4, 0.75 + 1e-9, 0.99);
	check_digits("M/M/4 p99, 0.75", closed_mmk_quantile(4, 0.75, 0.99), beside, 1e-6);
	/* Near saturation e^-T is no double any more; only the wait's term is left. */
	const double rate = 4 * (1 - 0.999), c = closed_erlang_c(4, 4 * 0.999);
	check_digits("M/M/4 p99, 0.999", closed_mmk_quantile(4, 0.999, 0.99),
		log(100 * c / (1 - rate)) / rate, 1e-6);
}

static void test_mg1(void **state)
{
	/* 99 % of size 1, 1 % of size 100. */
	const double mean = 0.99 + 0.01 * 100, scv = (0.99 + 0.01 * 1e4) / (mean * mean) - 1;

	(void)state;
	check_digits("E[S]", mean, 1.99, 1e-12);
	check_digits("SCV", scv, 24.5019, 1e-4);
	check_digits("E[W], 0.5", mean * closed_mg1_wait(0.5, scv), 25.3744, 1e-4);
	check_digits("E[W], 0.8", mean * closed_mg1_wait(0.8, scv), 101.497, 1e-3);
	check_equal("M/M/1", closed_mg1_wait(0.8, 1), closed_mmk_wait(1, 0.8));
	check_equal("M/D/1", closed_mg1_wait(0.8, 0), closed_mdk_wait(1, 0.8));
}

static void test_round_robin(void **state)
{
	static const struct {
		double rho, p99, unit;
	} k8[] = {{0.5, 6.18, 1e-2}, {0.8, 13.7, 1e-1}, {0.9, 26.6, 1e-1}, {0.95, 52.5, 1e-1}};
	const double sigma = closed_round_robin_sigma(4, 0.8);

	(void)state;
	check_digits("sigma(4, 0.8)", sigma, 0.693945, 1e-6);
	check_digits("p99(4, 0.8)", P99_OF_EXPONENTIAL / (1 - sigma), 15.0469, 1e-4);
	check_equal("one worker is M/M/1", closed_round_robin_sigma(1, 0.8), 0.8);
	for (size_t i = 0; i < sizeof k8 / sizeof *k8; i++)
		check_digits("p99 for k = 8",
			P99_OF_EXPONENTIAL / (1 - closed_round_robin_sigma(8, k8[i].rho)),
			k8[i].p99, k8[i].unit);
	/* Near saturation, where plain iteration creeps: 1 - sigma tends to 2k(1 - rho)/(k + 1). */
	const double near = 1 - closed_round_robin_sigma(8, 1 - 1e-9);
	check_digits("near 1", near / (16.0 / 9 * 1e-9), 1, 1e-4);
}

static void test_others(void **state)
{
	(void)state;
	check_digits("shorter of 2, 0.5", closed_shorter_of(2, 0.5), 1.265686, 1e-6);
	check_digits("shorter of 2, 0.9", closed_shorter_of(2, 0.9), 2.614057, 1e-6);
	check_equal("shorter of 1", closed_shorter_of(1, 0.8), 5);
	check_equal("Kingman is exact for M/M/1", closed_kingman(0.8, 1, 1), 4);
	check_equal(
		"Lee, Longton for M/M/4", closed_lee_longton(4, 0.8, 1), closed_mmk_wait(4, 0.8));
	/* "For M/D/8 the exact value lies 26 % above it at rho = 0.5 and 2.6 % at 0.9." */
	check_digits(
		"M/D/8, 0.5", closed_mdk_wait(8, 0.5) / closed_lee_longton(8, 0.5, 0), 1.26, 1e-2);
	check_digits(
		"M/D/8, 0.9", closed_mdk_wait(8, 0.9) / closed_lee_longton(8, 0.9, 0), 1.026, 1e-3);
}

static void test_outside(void **state)
{
	(void)state;
	assert_true(isnan(closed_erlang_b(3, -1)) && isnan(closed_erlang_b(3, NAN)));
	assert_true(isnan(closed_erlang_c(4, 4)) && isnan(closed_erlang_c(0, 0)));
	assert_true(isnan(closed_mmk_wait(4, 1)) && isnan(closed_mmk_wait(0, 0.5)));
	assert_true(isnan(closed_mmk_quantile(4, 0.5, 1)) && isnan(closed_mmk_quantile(4, 1, 0.5)));
	assert_true(isnan(closed_mg1_wait(1, 1)) && isnan(closed_mg1_wait(0.5, -1)));
	assert_true(isnan(closed_mdk_wait(4, 1)) && isnan(closed_mdk_wait(513, 0.5)));
	assert_true(isnan(closed_mdk_quantile(4, 1, 0.9)) && isnan(closed_mdk_quantile(4, 0.5, 0)));
	assert_true(isnan(closed_mdk_wait(0, 0)) && isnan(closed_mdk_quantile(0, 0, 0.5)));
	assert_true(isnan(closed_round_robin_sigma(0, 0.5)) && isnan(closed_shorter_of(0, 0.5)));
	assert_true(isnan(closed_round_robin_sigma(4, NAN)) && isnan(closed_shorter_of(2, 1.1)));
	assert_true(isnan(closed_kingman(1, 1, 1)) && isnan(closed_lee_longton(4, 0.5, -1)));
	/* Nothing waits for an idle fleet. */
	assert_true(closed_mdk_wait(3, 0) == 0 && closed_mdk_quantile(3, 0, 0.99) == 1);
	assert_true(closed_round_robin_sigma(3, 0) == 0 && closed_mmk_wait(3, 0) == 0);
}

/* --- M/D/k ------------------------------------------------------------------------------------------------------------ */

static void test_mdk_wait(void **state)
{
	(void)state;
	check_digits("E[W](2, 0.9)", closed_mdk_wait(2, 0.9), 2.14692, 1e-5);
	/* Pollaczek, Khinchine; and P(W = 0) = 1 - rho for one server. */
	for (unsigned i = 1; i < 20; i += 2) {
		const double rho = i / 20.0;
		struct mdk m;

		check_equal("M/D/1", closed_mdk_wait(1, rho), rho / (2 * (1 - rho)));
		assert_int_equal(mdk_init(&m, 1, rho), 0);
		check_equal("P(W = 0)", mdk_wait_below(&m, 0), 1 - rho);
		/* Erlang 1909: the density's first piece, P(W <= x) = (1 - rho) e^(rho x) for x < 1. */
		check_equal("P(W <= 0.7)", mdk_wait_below(&m, 0.7), (1 - rho) * exp(rho * 0.7));
		mdk_done(&m);
	}
}

/* The walk Y' = max(0, Y + A - k) iterated until it stands still: another way to the same probabilities. */
static void iterate(double *y, size_t n, unsigned servers, double rho)
{
	const double a = servers * rho;
	double *poisson = calloc(n, sizeof *poisson), *next = calloc(n, sizeof *next);

	assert_non_null(poisson);
	assert_non_null(next);
	for (size_t i = 0; i < n; i++)
		poisson[i] = exp(-a + (double)i * log(a) - lgamma((double)i + 1));
	memset(y, 0, n * sizeof *y);
	y[0] = 1;
	for (unsigned round = 0; round < 600; round++) {
		memset(next, 0, n * sizeof *next);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; i + j < n + servers && j < n; j++)
				next[i + j > servers ? i + j - servers : 0] += y[i] * poisson[j];
		memcpy(y, next, n * sizeof *y);
	}
	free(poisson);
	free(next);
}

static void test_mdk_walk(void **state)
{
	static const struct {
		unsigned servers;
		double rho;
	} cases[] = {{1, 0.7}, {2, 0.8}, {8, 0.85}, {30, 0.9}};
	double y[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mdk m;
		double sum = 0;

		iterate(y, 256, cases[i].servers, cases[i].rho);
		assert_int_equal(mdk_init(&m, cases[i].servers, cases[i].rho), 0);
		for (size_t j = 0; j < 20; j++) {
			sum += y[j];
			/* What the walk loses beyond 256, and lacks after 600 rounds, is below 1e-10 for all four. */
			check_digits("P(Y <= j)", m.waiting[j], sum, 1e-8);
		}
		mdk_done(&m);
	}
}

/* E[W] from the distribution (the integral of P(W > x)) and from the roots. */
static void check_integral(unsigned servers, double rho)
{
	struct mdk m;
	double integral = 0, last = 0;
	const double step = 1.0 / 256;

	assert_int_equal(mdk_init(&m, servers, rho), 0);
	const double end = mdk_wait_quantile(&m, 1 - 1e-10);
	for (unsigned n = 0; n * step < end; n++) {
		const double x = n * step;

		/* Simpson's rule; the integers, where the function has a kink, are among the ends. */
		integral += step / 6 *
			    (6 - mdk_wait_below(&m, x) - 4 * mdk_wait_below(&m, x + step / 2) -
				    mdk_wait_below(&m, x + step));
		assert_true(mdk_wait_below(&m, x) >= last - 1e-12);
		last = mdk_wait_below(&m, x);
	}
	if (fabs(integral - m.mean_wait) > 1e-6 * m.mean_wait + 1e-9)
		fail_msg("M/D/%u at %g: %.12g instead of %.12g", servers, rho, integral,
			m.mean_wait);
	mdk_done(&m);
}

static void test_mdk_integral(void **state)
{
	(void)state;
	check_integral(1, 0.5);
	check_integral(2, 0.9);
	check_integral(8, 0.5);
	check_integral(8, 0.95);
	check_integral(64, 0.9);
	check_integral(64, 0.98);
	check_integral(512, 0.99);
}

/*
 * Against the recursion itself: with equal services request n begins when it comes or when request n - k ends. 2 million
 * requests; the share of waits below each exact quantile is within 3 standard errors of p. A queue at rho forgets in
 * about 1/(1 - rho)^2 requests, so that so many samples count as (1 - rho)^2/(1 + rho) of them.
 */
static void check_recursion(unsigned servers, double rho)
{
	static const double p[] = {0.5, 0.9, 0.95, 0.99, 0.999};
	const size_t n = 2000000;
	double quantile[5], ends[64] = {0}, now = 0;
	size_t below[5] = {0};
	struct random random;
	struct mdk m;

	random_init(&random, 20260101, servers);
	assert_int_equal(mdk_init(&m, servers, rho), 0);
	for (size_t j = 0; j < 5; j++)
		quantile[j] = mdk_wait_quantile(&m, p[j]);
	for (size_t i = 0; i < n + 10000; i++) {
		double *end = &ends[i % servers];

		now += random_exp(&random) / (servers * rho);
		const double wait = fmax(*end - now, 0);
		*end = now + wait + 1;
		for (size_t j = 0; i >= 10000 && j < 5; j++)
			below[j] += wait <= quantile[j];
	}
	for (size_t j = 0; j < 5; j++) {
		/* The quantile is 0 where fewer wait at all. */
		const double exact = quantile[j] > 0 ? p[j] : mdk_wait_below(&m, 0);
		const double share = (double)below[j] / (double)n;
		const double error = sqrt(exact * (1 - exact) * (1 + rho) / (double)n) / (1 - rho);

		if (fabs(share - exact) > 3 * error)
			fail_msg("M/D/%u at %g: a share of %.5f lies below quantile %.5f", servers,
				rho, share, exact);
	}
	mdk_done(&m);
}

static void test_mdk_recursion(void **state)
{
	(void)state;
	check_recursion(1, 0.8);
	check_recursion(2, 0.9);
	check_recursion(8, 0.8);
	check_recursion(64, 0.95);
}

static void test_mdk_extremes(void **state)
{
	struct mdk m;

	(void)state;
	assert_int_equal(mdk_init(&m, 0, 0.5), -EINVAL);
	assert_int_equal(mdk_init(&m, 1, 0), -EINVAL);
	assert_int_equal(mdk_init(&m, 1, 0.99999), -EINVAL);
	assert_int_equal(mdk_init(&m, MDK_SERVERS_MOST + 1, 0.5), -EINVAL);
	assert_int_equal(mdk_init(&m, MDK_SERVERS_MOST, MDK_UTILIZATION_MOST), 0);
	/* In heavy traffic the wait is exponential: mean 1/(2k(1 - rho)). */
	check_digits("k = 512, 0.9999",
		mdk_wait_quantile(&m, 0.99) * 2 * 512 * 1e-4 / P99_OF_EXPONENTIAL, 1, 0.02);
	mdk_done(&m);
	assert_int_equal(mdk_init(&m, 3, 1e-6), 0);
	assert_true(mdk_wait_quantile(&m, 0.999) == 0 && mdk_wait_below(&m, 1e9) == 1);
	mdk_done(&m);
}

/* --- fleets ----------------------------------------------------------------------------------------------------------- */

static struct service service_of(enum service_kind kind, double mean_us, double scv)
{
	return (struct service){.kind = kind, .mean_us = mean_us, .scv = scv};
}

static const struct policy round_robin = {POLICY_RR, 0}, central = {POLICY_CENTRAL_OF, 1},
			   at_random = {POLICY_RANDOM_OF, 1}, of_two = {POLICY_RANDOM_OF, 2},
			   central_2 = {POLICY_CENTRAL_OF, 2}, least = {POLICY_LEAST, 0},
			   shared = {POLICY_SHARED, 0};

static void test_response_exponential(void **state)
{
	const struct service s = service_of(SERVICE_EXP, 5000, 1);
	struct closed_response r;

	(void)state;
	/* 640 a second times 5 ms over 4 workers: 0.8. */
	closed_response(&round_robin, 4, 640, &s, &r);
	assert_string_equal(r.formula, "E_4/M/1");
	check_digits("round robin p99", r.p99_us, 5000 * 15.0469, 0.5);
	check_equal("mean", r.mean_us, r.p99_us / P99_OF_EXPONENTIAL);
	check_equal("p50", r.p50_us, r.mean_us * log(2));
	check_equal("p999", r.p999_us, r.mean_us * log(1000));
	closed_response(&central, 4, 640, &s, &r);
	assert_string_equal(r.formula, "M/M/4");
	check_digits("central p99", r.p99_us, 5000 * 6.8932, 0.5);
	check_digits("central mean", r.mean_us, 5000 * 1.745541, 0.005);
	closed_response(&at_random, 4, 640, &s, &r);
	assert_string_equal(r.formula, "M/M/1");
	check_digits("random p99", r.p99_us, 5000 * 23.0259, 0.5);
	closed_response(&least, 1, 160, &s, &r);
	assert_string_equal(r.formula, "M/M/1");
}

static void test_response_deterministic(void **state)
{
	struct service s = service_of(SERVICE_DET, 1000, 0);
	struct closed_response r, shifted;

	(void)state;
	closed_response(&round_robin, 2, 1800, &s, &r);
	assert_string_equal(r.formula, "M/D/2");
	check_digits("mean", r.mean_us, 3146.92, 0.01);
	check_equal("p95", r.p95_us, 1000 * closed_mdk_quantile(2, 0.9, 0.95));
	closed_response(&at_random, 2, 1800, &s, &r);
	assert_string_equal(r.formula, "M/D/1");
	check_equal("mean of M/D/1", r.mean_us, 5500);
	/* Shifted, it is as equal as before. */
	s.shift_us = 100;
	closed_response(&at_random, 2, 1800, &s, &shifted);
	assert_string_equal(shifted.formula, "M/D/1");
	assert_true(shifted.p99_us == r.p99_us);
}

static void test_response_unknown(void **state)
{
	static const struct policy *const open[] = {&of_two, &central_2, &least, &shared};
	const struct service exponential = service_of(SERVICE_EXP, 1000, 1);
	const struct service same = service_of(SERVICE_DET, 1000, 0);
	struct service general = service_of(SERVICE_HYPER, 1000, 4);
	struct closed_response r;

	(void)state;
	for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
		closed_response(open[i], 4, 2000, &exponential, &r);
		assert_true(r.formula[0] == '\0' && isnan(r.mean_us) && isnan(r.p99_us));
		closed_response(open[i], 4, 2000, &same, &r);
		assert_true(r.formula[0] == '\0' && isnan(r.mean_us) && isnan(r.p99_us));
	}
	/* Of any service under random, and on one worker: the mean alone. */
	closed_response(&at_random, 4, 2000, &general, &r);
	assert_string_equal(r.formula, "M/G/1");
	check_equal("Pollaczek, Khinchine", r.mean_us, 1000 * (1 + 0.5 * 5 / (2 * 0.5)));
	assert_true(isnan(r.p50_us) && isnan(r.p99_us) && isnan(r.p999_us));
	closed_response(&round_robin, 4, 2000, &general, &r);
	assert_true(r.formula[0] == '\0');
	/* Exponential and something fixed is not exponential. */
	general = service_of(SERVICE_EXP, 1100, 1 / 1.21);
	general.shift_us = 100;
	closed_response(&round_robin, 4, 2000, &general, &r);
	assert_true(r.formula[0] == '\0' && isnan(r.mean_us));
	/* Saturated, and nonsense. */
	closed_response(&round_robin, 4, 4000, &exponential, &r);
	assert_true(r.formula[0] == '\0' && isnan(r.p99_us));
	closed_response(&round_robin, 0, 1, &exponential, &r);
	assert_true(r.formula[0] == '\0' && isnan(r.p99_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_erlang),
		cmocka_unit_test(test_mmk),
		cmocka_unit_test(test_mg1),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_mdk_wait),
		cmocka_unit_test(test_mdk_walk),
		cmocka_unit_test(test_mdk_integral),
		cmocka_unit_test(test_mdk_recursion),
		cmocka_unit_test(test_mdk_extremes),
		cmocka_unit_test(test_response_exponential),
		cmocka_unit_test(test_response_deterministic),
		cmocka_unit_test(test_response_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
