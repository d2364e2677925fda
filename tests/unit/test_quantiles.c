/* The histogram's quantiles against sorted arrays of the same values. */
#include "bench/stat/quantiles.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lib/random.h"
#include "tests/unit/sampling.h"

#define SAMPLES 100000u

/*
 * A bucket is 1/256 wide at its low end, and two values in it are at most that far from each
 * other.
 */
#define BUCKET_WIDTH (1 / 256.0)

static void test_buckets_follow_each_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < QUANTILES_BUCKETS; i++) {
		const double low = quantiles_low_us(i), high = quantiles_high_us(i);

		assert_true(high > low && high - low <= low * BUCKET_WIDTH);
		assert_true(i == 0 || quantiles_high_us(i - 1) == low);
		assert_int_equal(quantiles_index(low), i);
		assert_int_equal(quantiles_index(nextafter(high, 0)), i);
	}
	assert_true(quantiles_low_us(0) == 0x1p-10);
	assert_true(quantiles_high_us(QUANTILES_BUCKETS - 1) == 0x1p36);
}

static double draw_exponential(struct random *r)
{
	return 1000 * random_exp(r);
}

static double draw_of_all_sizes(struct random *r)
{
	return exp(20 * random_unit(r) - 5);
}

static double draw_one_of_three(struct random *r)
{
	static const double value[] = {0.3, 1000, 77777.7};

	return value[random_below(r, 3)];
}

static double draw_waiting_or_not(struct random *r)
{
	return random_unit(r) < 0.5 ? 0 : 250 * random_exp(r);
}

/* Of sorted values. */
static double share_below(const double *x, double us)
{
	size_t low = 0, high = SAMPLES;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (x[middle] < us)
			low = middle + 1;
		else
			high = middle;
	}
	return (double)low / SAMPLES;
}

static void check_against_sorted(double (*draw)(struct random *), uint64_t seed)
{
	static const double p[] = {1e-9, 0.001, 0.05, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1};
	static double x[SAMPLES];
	double sum = 0;
	struct quantiles q;
	struct random r;

	random_init(&r, seed, 0);
	assert_int_equal(quantiles_init(&q), 0);
	for (size_t i = 0; i < SAMPLES; i++) {
		x[i] = draw(&r);
		sum += x[i];
		quantiles_record(&q, x[i]);
	}
	sampling_sort(x, SAMPLES);
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		const double exact = x[(size_t)ceil(p[i] * SAMPLES - 1e-6) - 1];

		/* Below the first bucket all is one: 2^-10 us. */
		assert_true(fabs(quantiles_at(&q, p[i]) - exact) <= exact * BUCKET_WIDTH + 0x1p-10);
	}
	for (size_t rank = 1; rank <= SAMPLES; rank += 997)
		assert_true(fabs(quantiles_rank(&q, rank) - x[rank - 1]) <=
			    x[rank - 1] * BUCKET_WIDTH + 0x1p-10);
	for (size_t i = 0; i < SAMPLES; i += 991) {
		const double share = quantiles_share_below(&q, x[i]);

		/* Between the values of its bucket, and of their neighbours below 2^-10 us. */
		assert_true(share >= share_below(x, x[i] * (1 - BUCKET_WIDTH) - 0x1p-10));
		assert_true(share <= share_below(x, x[i] * (1 + BUCKET_WIDTH) + 0x1p-10) + 1e-12);
	}
	assert_true(quantiles_share_below(&q, x[0]) == 0);
	assert_true(quantiles_share_below(&q, x[SAMPLES - 1] * 1.01 + 1) == 1);
	assert_true(q.min == x[0] && quantiles_rank(&q, 1) == x[0]);
	assert_true(q.max == x[SAMPLES - 1] && quantiles_at(&q, 1) == x[SAMPLES - 1]);
	assert_int_equal(q.count, SAMPLES);
	assert_true(quantiles_mean(&q) == sum / SAMPLES);
	quantiles_done(&q);
}

static void test_quantiles_are_those_of_the_sorted_values(void **state)
{
	(void)state;
	check_against_sorted(draw_exponential, 21);
	check_against_sorted(draw_of_all_sizes, 22);
	check_against_sorted(draw_one_of_three, 23);
	check_against_sorted(draw_waiting_or_not, 24);
}

/* Values that lie evenly in one bucket are told apart by their ranks. */
static void test_interpolation_in_a_bucket(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	for (unsigned i = 0; i < 1000; i++)
		quantiles_record(&q, 1024 + 4 * (i + 0.5) / 1000);
	assert_int_equal(quantiles_index(1024), quantiles_index(1027.999));
	for (unsigned i = 0; i < 1000; i += 7)
		assert_true(
			fabs(quantiles_rank(&q, i + 1) - (1024 + 4 * (i + 0.5) / 1000)) < 0.005);
	for (unsigned i = 0; i < 1000; i += 7)
		assert_true(fabs(quantiles_share_below(&q, 1024 + 4 * (i + 0.5) / 1000) -
				    i / 1000.0) < 0.002);
	quantiles_done(&q);
}

/* 0.07 * 100 is 7.000000000000001 in binary: rank 7, not 8. */
static void test_rank_of_a_quantile_is_not_rounded_up_by_binary_fractions(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	for (unsigned i = 1; i <= 100; i++)
		quantiles_record(&q, pow(2, i / 3.0));
	for (unsigned i = 1; i <= 100; i++)
		assert_true(quantiles_at(&q, i / 100.0) == quantiles_rank(&q, i));
	assert_true(quantiles_at(&q, 0.071) == quantiles_rank(&q, 8));
	quantiles_done(&q);
}

static void test_equal_values_are_exact(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	for (unsigned i = 0; i < 1000; i++)
		quantiles_record(&q, 1003.7);
	assert_true(quantiles_at(&q, 0.01) == 1003.7);
	assert_true(quantiles_at(&q, 0.99) == 1003.7);
	assert_true(fabs(quantiles_scv(&q)) < 1e-12 && quantiles_scv(&q) >= 0);
	quantiles_done(&q);
}

static void test_empty(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	assert_true(quantiles_at(&q, 0.99) == 0 && quantiles_rank(&q, 1) == 0);
	assert_true(quantiles_mean(&q) == 0 && quantiles_scv(&q) == 0);
	assert_true(quantiles_share_below(&q, 1) == 0);
	quantiles_reset(&q);
	assert_int_equal(q.count, 0);
	quantiles_done(&q);
}

static void test_out_of_range_is_counted_at_the_ends(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	quantiles_record(&q, 0.0);
	quantiles_record(&q, -0.0);
	quantiles_record(&q, nextafter(0x1p-10, 0));
	assert_int_equal(q.bucket[0], 3);
	assert_int_equal(q.out_of_range, 3);
	quantiles_record(&q, 0x1p-10);
	quantiles_record(&q, nextafter(0x1p36, 0));
	assert_int_equal(q.out_of_range, 3);
	quantiles_record(&q, 0x1p36);
	quantiles_record(&q, 1e300);
	assert_int_equal(q.bucket[QUANTILES_BUCKETS - 1], 3);
	assert_int_equal(q.out_of_range, 5);
	assert_true(quantiles_rank(&q, 7) == 1e300);
	assert_true(quantiles_rank(&q, 1) == 0);
	quantiles_done(&q);
}

static void assert_same(const struct quantiles *a, const struct quantiles *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->out_of_range, b->out_of_range);
	assert_true(fabs(a->sum - b->sum) <= 1e-9 * b->sum);
	assert_true(fabs(a->sum_of_squares - b->sum_of_squares) <= 1e-9 * b->sum_of_squares);
	assert_true(a->min == b->min && a->max == b->max);
	assert_memory_equal(a->bucket, b->bucket, QUANTILES_BUCKETS * sizeof(*a->bucket));
}

static void test_merged_is_as_recorded_together(void **state)
{
	struct quantiles a, b, both, empty;
	struct random r;

	(void)state;
	random_init(&r, 25, 0);
	assert_int_equal(quantiles_init(&a), 0);
	assert_int_equal(quantiles_init(&b), 0);
	assert_int_equal(quantiles_init(&both), 0);
	assert_int_equal(quantiles_init(&empty), 0);
	for (unsigned i = 0; i < 10000; i++) {
		const double x = draw_of_all_sizes(&r);

		quantiles_record(i % 3 == 0 ? &a : &b, x);
		quantiles_record(&both, x);
	}
	quantiles_record(&b, 0);
	quantiles_record(&both, 0);
	quantiles_merge(&a, &b);
	assert_same(&a, &both);
	quantiles_merge(&a, &empty);
	assert_same(&a, &both);
	quantiles_merge(&empty, &a);
	assert_same(&empty, &both);
	quantiles_done(&a);
	quantiles_done(&b);
	quantiles_done(&both);
	quantiles_done(&empty);
}

static void test_reset_leaves_nothing(void **state)
{
	struct quantiles q, fresh;
	struct random r;

	(void)state;
	random_init(&r, 26, 0);
	assert_int_equal(quantiles_init(&q), 0);
	assert_int_equal(quantiles_init(&fresh), 0);
	for (unsigned i = 0; i < 10000; i++)
		quantiles_record(&q, draw_of_all_sizes(&r));
	quantiles_record(&q, 1e300);
	quantiles_reset(&q);
	assert_same(&q, &fresh);
	quantiles_done(&q);
	quantiles_done(&fresh);
}

static void test_mean_and_variation(void **state)
{
	struct quantiles q;

	(void)state;
	assert_int_equal(quantiles_init(&q), 0);
	for (unsigned i = 0; i < 1000; i++)
		quantiles_record(&q, i % 100 == 0 ? 100 : 1);
	assert_true(fabs(quantiles_mean(&q) - 1.99) < 1e-12);
	assert_true(fabs(quantiles_scv(&q) - 24.5019) < 0.0001);
	quantiles_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_follow_each_other),
		cmocka_unit_test(test_quantiles_are_those_of_the_sorted_values),
		cmocka_unit_test(test_interpolation_in_a_bucket),
		cmocka_unit_test(test_rank_of_a_quantile_is_not_rounded_up_by_binary_fractions),
		cmocka_unit_test(test_equal_values_are_exact),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_out_of_range_is_counted_at_the_ends),
		cmocka_unit_test(test_merged_is_as_recorded_together),
		cmocka_unit_test(test_reset_leaves_nothing),
		cmocka_unit_test(test_mean_and_variation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
