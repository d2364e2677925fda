/* Student's t, ranks that enclose a quantile, intervals from batches. */
#include "bench/stat/interval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Tables of Student's t, 0.975. */
static void test_t_is_that_of_the_tables(void **state)
{
	static const struct {
		size_t df;
		double t;
	} table[] = {
		{1, 12.7062},
		{2, 4.30265},
		{3, 3.18245},
		{7, 2.36462},
		{10, 2.22814},
		{11, 2.20099},
		{12, 2.17881},
		{15, 2.13145},
		{20, 2.08596},
		{30, 2.04227},
		{31, 2.03951},
		{60, 2.00030},
		{63, 1.99834},
		{120, 1.97993},
		{1000, 1.96234},
		{1000000000, 1.95996},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_true(fabs(interval_t975(table[i].df) / table[i].t - 1) < 1e-5);
	/* No step between the table and the expansion, or anywhere. */
	for (size_t df = 2; df < 200; df++)
		assert_true(interval_t975(df) < interval_t975(df - 1));
}

static void test_ranks_of_p99(void **state)
{
	uint64_t low = 7, high = 7;

	(void)state;
	assert_false(interval_ranks(0, 0.99, &low, &high));
	assert_false(interval_ranks(1, 0.99, &low, &high));
	assert_false(interval_ranks(367, 0.99, &low, &high));
	assert_int_equal(low, 7);
	assert_int_equal(high, 7);
	assert_true(interval_ranks(368, 0.99, &low, &high));
	assert_int_equal(high, 368);
	assert_true(interval_ranks(1000, 0.99, &low, &high));
	assert_int_equal(low, 983);
	assert_int_equal(high, 997);
	assert_true(interval_ranks(50000, 0.99, &low, &high));
	assert_int_equal(low, 49456);
	assert_int_equal(high, 49544);
	assert_false(interval_ranks(1000, 0, &low, &high));
	assert_false(interval_ranks(1000, 1, &low, &high));
	assert_false(interval_ranks(1000, NAN, &low, &high));
}

/* P(B <= k) of B binomial(n, p), term by term. */
static double binomial_cdf(uint64_t n, double p, int64_t k)
{
	const double all = lgamma((double)n + 1);
	double sum = 0;

	for (int64_t i = 0; i <= k; i++)
		sum += exp(all - lgamma((double)i + 1) - lgamma((double)n - (double)i + 1) +
			   (double)i * log(p) + ((double)n - (double)i) * log1p(-p));
	return sum;
}

/* Each tail at most 2.5 %, and one rank nearer would be more: against the plain definition. */
static void check_ranks(uint64_t n, double p)
{
	uint64_t low, high;

	if (!interval_ranks(n, p, &low, &high)) {
		assert_true(binomial_cdf(n, p, 0) > 0.025 || pow(p, (double)n) > 0.025);
		return;
	}
	assert_in_range(low, 1, n);
	assert_in_range(high, low, n);
	assert_true(binomial_cdf(n, p, (int64_t)low - 1) <= 0.025);
	assert_true(binomial_cdf(n, p, (int64_t)low) > 0.025);
	assert_true(1 - binomial_cdf(n, p, (int64_t)high - 1) <= 0.025);
	assert_true(1 - binomial_cdf(n, p, (int64_t)high - 2) > 0.025);
}

static void test_ranks_leave_at_most_the_tails(void **state)
{
	static const double p[] = {0.001, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		for (uint64_t n = 1; n < 60; n++)
			check_ranks(n, p[i]);
		for (uint64_t n = 60; n < 6000; n = n * 3 / 2 + 1)
			check_ranks(n, p[i]);
	}
}

/* Far more than ever is simulated: as the normal distribution has it. */
static void test_ranks_of_very_many(void **state)
{
	const double n = 1e9, p = 0.99;
	const double half = 1.959964 * sqrt(n * p * (1 - p));
	uint64_t low, high;

	(void)state;
	assert_true(interval_ranks((uint64_t)n, p, &low, &high));
	assert_true(fabs((double)low - (n * p - half)) < 3);
	assert_true(fabs((double)high - (n * p + half)) < 3);
}

static void test_batches_that_alternate(void **state)
{
	/*
	 * Mean 10, standard deviation 2 sqrt(8/7); neighbours are opposed, which counts as
	 * independent.
	 */
	static const double value[] = {8, 12, 8, 12, 8, 12, 8, 12};
	const double half = 2.364624 * 2 * sqrt(8 / 7.0) / sqrt(8);
	const struct interval i = interval_of_batches(value, 8, 10.5);

	(void)state;
	assert_true(i.known);
	assert_true(fabs(i.low - (10.5 - half)) < 1e-5);
	assert_true(fabs(i.high - (10.5 + half)) < 1e-5);
	assert_true(fabs(interval_relative(i, 10.5) - half / 10.5) < 1e-6);
}

static void test_batches_that_are_alike_count_for_less(void **state)
{
	/*
	 * Off by -2 and 2 in runs of four: r = (6 - 1) 4 / 32 = 0.625, n' = 8 * 0.375 / 1.625 =
	 * 1.85, at least 2.
	 */
	static const double runs[] = {8, 8, 8, 8, 12, 12, 12, 12};
	/*
	 * r = (7 - 8) 4 / 64 < 0 with 8 runs of two; r = (12 - 3) 4 / 64 = 0.5625 in runs of
	 * four: n' = 4.48.
	 */
	static const double longer[] = {8, 8, 8, 8, 12, 12, 12, 12, 8, 8, 8, 8, 12, 12, 12, 12};
	const double half = 12.706205 * 2 * sqrt(8 / 7.0) / sqrt(2);
	const double worth = 16 * (1 - 0.5625) / (1 + 0.5625);
	const double half_longer = 3.182446 * 2 * sqrt(16 / 15.0) / sqrt(worth);
	const struct interval i = interval_of_batches(runs, 8, 10);
	const struct interval j = interval_of_batches(longer, 16, 10);

	(void)state;
	assert_true(fabs(i.high - i.low - 2 * half) < 1e-4);
	assert_true(fabs(j.high - j.low - 2 * half_longer) < 1e-4);
}

static void test_too_few_batches_tell_nothing(void **state)
{
	static const double value[] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const double same[8] = {3, 3, 3, 3, 3, 3, 3, 3};

	(void)state;
	assert_false(interval_of_batches(value, 0, 1).known);
	assert_false(interval_of_batches(value, 7, 1).known);
	assert_true(interval_of_batches(value, 8, 1).known);
	assert_true(isinf(interval_relative(interval_of_batches(value, 7, 1), 1)));
	assert_true(isinf(interval_relative(interval_of_batches(value, 8, 1), 0)));
	assert_true(interval_relative(interval_of_batches(same, 8, 3), 3) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_t_is_that_of_the_tables),
		cmocka_unit_test(test_ranks_of_p99),
		cmocka_unit_test(test_ranks_leave_at_most_the_tails),
		cmocka_unit_test(test_ranks_of_very_many),
		cmocka_unit_test(test_batches_that_alternate),
		cmocka_unit_test(test_batches_that_are_alike_count_for_less),
		cmocka_unit_test(test_too_few_batches_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
