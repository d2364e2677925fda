/* Batch means: the intervals hold what they promise, and nothing is lost when batches double. */
#include "bench/stat/batches.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lib/random.h"

#define RUNS 200u

static void check_sums(const struct batches *b)
{
	uint64_t count = 0;
	double sum = 0;

	for (size_t i = 0; i < BATCHES_MOST; i++) {
		if (i < b->full)
			assert_int_equal(b->batch[i].count, b->batch_count);
		else if (i > b->full)
			assert_int_equal(b->batch[i].count, 0);
		count += b->batch[i].count;
		sum += b->batch[i].sum;
	}
	assert_true(b->batch[b->full].count < b->batch_count);
	assert_int_equal(count, b->all.count);
	assert_true(fabs(sum - b->all.sum) <= 1e-9 * b->all.sum);
}

static void test_doubling_keeps_every_sample_in_its_place(void **state)
{
	struct batches b;

	(void)state;
	assert_int_equal(batches_init(&b, 3), 0);
	for (unsigned n = 1; n <= 5000; n++) {
		batches_record(&b, n);
		check_sums(&b);
		assert_true(n < 64 * 3 || b.full >= BATCHES_MOST / 2);
	}
	/* 5,000 samples in batches of 3 * 2^5: each has its own stretch of the series. */
	assert_int_equal(b.batch_count, 96);
	assert_int_equal(b.full, 52);
	for (size_t i = 0; i < b.full; i++) {
		assert_true(b.batch[i].min == (double)(i * 96 + 1));
		assert_true(b.batch[i].max == (double)((i + 1) * 96));
	}
	batches_reset(&b);
	assert_int_equal(b.batch_count, 3);
	assert_int_equal(b.all.count, 0);
	check_sums(&b);
	batches_done(&b);
}

static void record_exponential(struct batches *b, struct random *r, unsigned n)
{
	while (n-- > 0)
		batches_record(b, 1000 * random_exp(r));
}

static void test_intervals_only_where_there_are_batches_enough(void **state)
{
	struct batches b;
	struct random r;

	(void)state;
	random_init(&r, 31, 0);
	assert_int_equal(batches_init(&b, 0), 0);
	assert_false(batches_interval(&b, 0).known);
	record_exponential(&b, &r, 8 * 64 - 1);
	assert_false(batches_interval(&b, 0).known);
	assert_false(batches_interval(&b, 0.5).known);
	record_exponential(&b, &r, 1);
	assert_true(batches_interval(&b, 0).known);
	assert_true(batches_interval(&b, 0.5).known);
	/* Of 64 samples 0.64 lie beyond p99: 5 batches make one, so it takes 8 * 5. */
	record_exponential(&b, &r, 32 * 64 - 1);
	assert_false(batches_interval(&b, 0.99).known);
	record_exponential(&b, &r, 1);
	assert_int_equal(b.full, 40);
	assert_true(batches_interval(&b, 0.99).known);
	/*
	 * p99.9 needs 3,000 in each of 8: with batches of 512 (6 make one) there are 48 from
	 * 24,576 samples on.
	 */
	record_exponential(&b, &r, 24576 - 40 * 64 - 1);
	assert_false(batches_interval(&b, 0.999).known);
	record_exponential(&b, &r, 1);
	assert_true(batches_interval(&b, 0.999).known);
	batches_done(&b);
}

static void test_interval_of_equal_values_has_no_width(void **state)
{
	struct batches b;

	(void)state;
	assert_int_equal(batches_init(&b, 0), 0);
	for (unsigned i = 0; i < 10000; i++)
		batches_record(&b, 1003.7);
	const struct interval mean = batches_interval(&b, 0), p99 = batches_interval(&b, 0.99);
	assert_true(
		mean.known && fabs(mean.low - 1003.7) < 1e-6 && fabs(mean.high - 1003.7) < 1e-6);
	assert_true(p99.known && p99.low == 1003.7 && p99.high == 1003.7);
	batches_done(&b);
}

static void test_never_narrower_than_independent_samples(void **state)
{
	struct batches b;
	struct random r;

	(void)state;
	random_init(&r, 32, 0);
	assert_int_equal(batches_init(&b, 0), 0);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t low, high;

		record_exponential(&b, &r, 1000);
		const struct interval p95 = batches_interval(&b, 0.95);
		if (!p95.known)
			continue;
		assert_true(interval_ranks(b.all.count, 0.95, &low, &high));
		assert_true(p95.low <= quantiles_rank(&b.all, low));
		assert_true(p95.high >= quantiles_rank(&b.all, high));
		assert_true(p95.low <= quantiles_at(&b.all, 0.95));
		assert_true(p95.high >= quantiles_at(&b.all, 0.95));
	}
	batches_done(&b);
}

/* A time is never below 0, however wild the batches. */
static void test_low_end_is_not_negative(void **state)
{
	struct batches b;

	(void)state;
	assert_int_equal(batches_init(&b, 64), 0);
	for (unsigned i = 0; i < 8 * 64; i++)
		batches_record(&b, i / 64 == 7 ? 1e6 : 1);
	assert_true(batches_interval(&b, 0).known);
	assert_true(batches_interval(&b, 0).low == 0);
	batches_done(&b);
}

static void fill_independent(struct batches *b, uint64_t seed)
{
	struct random r;

	random_init(&r, seed, 0);
	record_exponential(b, &r, 20000);
}

/*
 * Response times of M/M/1 at rho = 0.8 by Lindley's recursion, in units of 1,000 us; begun long
 * before.
 */
static void fill_queue(struct batches *b, uint64_t seed)
{
	double wait = 0;
	struct random r;

	random_init(&r, seed, 0);
	for (unsigned i = 0; i < 2000 + 140000; i++) {
		const double service = random_exp(&r), gap = random_exp(&r) / 0.8;

		if (i >= 2000)
			batches_record(b, 1000 * (wait + service));
		wait = fmax(0, wait + service - gap);
	}
}

/*
 * What RUNS runs gave for one figure: how many intervals held the true value, how wide they were,
 * how far the estimates really spread.
 */
struct coverage {
	double p, truth;
	unsigned hits;
	double half_widths, squared_errors;
};

static void coverage_add(struct coverage *c, const struct batches *b)
{
	const struct interval i = batches_interval(b, c->p);
	const double estimate = c->p > 0 ? quantiles_at(&b->all, c->p) : quantiles_mean(&b->all);

	assert_true(i.known);
	c->hits += i.low <= c->truth && c->truth <= i.high;
	c->half_widths += (i.high - i.low) / 2;
	c->squared_errors += (estimate - c->truth) * (estimate - c->truth);
}

/*
 * 95 % of 200 is 190, with a standard deviation of 3.1: below 180 is three of them short. Wide
 * intervals always hold the value, so their mean half-width is bounded as well: 1.96 standard
 * deviations of the estimates are perfect, a third more is granted for t, for the correction by
 * correlation, and for the spread that is known to 5 % only.
 */
static void check_coverage(void (*fill)(struct batches *, uint64_t), double mean)
{
	struct coverage figure[] = {
		{.p = 0, .truth = mean},
		{.p = 0.5, .truth = mean * log(2)},
		{.p = 0.99, .truth = mean * log(100)},
	};
	const size_t figures = sizeof(figure) / sizeof(figure[0]);
	struct batches b;

	assert_int_equal(batches_init(&b, 0), 0);
	for (unsigned run = 0; run < RUNS; run++) {
		batches_reset(&b);
		fill(&b, 1000 + run);
		for (size_t i = 0; i < figures; i++)
			coverage_add(&figure[i], &b);
	}
	for (size_t i = 0; i < figures; i++) {
		const double spread = sqrt(figure[i].squared_errors / RUNS);

		assert_in_range(figure[i].hits, 180, RUNS);
		assert_true(figure[i].half_widths / RUNS < 1.96 * spread * 4 / 3);
	}
	batches_done(&b);
}

static void test_coverage_of_independent_samples(void **state)
{
	(void)state;
	check_coverage(fill_independent, 1000);
}

static void test_coverage_of_a_queue(void **state)
{
	(void)state;
	/* T is exponential with mean 1 / (1 - rho) = 5. */
	check_coverage(fill_queue, 5000);
}

/*
 * Far too few samples of a queue near saturation: better no interval than one that means nothing.
 */
static void test_no_interval_beyond_the_largest_sample(void **state)
{
	struct batches b;

	(void)state;
	assert_int_equal(batches_init(&b, 400), 0);
	/* One batch of ten is slow in one sample of ten: the share beyond p99 is 1 % +- 2.3 %. */
	for (unsigned i = 0; i < 10 * 400; i++)
		batches_record(&b, i / 400 == 3 && i % 10 == 0 ? 1000 : 1 + i % 7);
	assert_false(batches_interval(&b, 0.99).known);
	assert_true(batches_interval(&b, 0.5).known);
	batches_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubling_keeps_every_sample_in_its_place),
		cmocka_unit_test(test_intervals_only_where_there_are_batches_enough),
		cmocka_unit_test(test_interval_of_equal_values_has_no_width),
		cmocka_unit_test(test_never_narrower_than_independent_samples),
		cmocka_unit_test(test_low_end_is_not_negative),
		cmocka_unit_test(test_coverage_of_independent_samples),
		cmocka_unit_test(test_coverage_of_a_queue),
		cmocka_unit_test(test_no_interval_beyond_the_largest_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
