/* lib/histogram: at most 1 % off from 1 us to 60 s, in every bucket; quantiles against sorted
 * values. */
#include "lib/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct histogram shared;
static struct histogram_copy copy, other;

static int clear(void **state)
{
	(void)state;
	memset(&shared, 0, sizeof(shared));
	return 0;
}

/* xorshift64*: the same values in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* From 1 us to 60 s, as many in each power of two. */
static uint64_t random_duration(uint64_t *state)
{
	double u = (double)(next_random(state) >> 11) / 9007199254740992.0;

	return (uint64_t)exp(u * log(60e6));
}

static void buckets_tile_the_line(void **state)
{
	(void)state;
	assert_int_equal(histogram_low_us(0), 0);
	for (size_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t low = histogram_low_us(i), high = histogram_high_us(i);

		assert_true(low < high);
		assert_int_equal(high, histogram_low_us(i + 1));
		assert_int_equal(histogram_index(low), i);
		assert_int_equal(histogram_index(high - 1), i);
		assert_int_equal(histogram_index(high), i + 1);
	}
	assert_int_equal(histogram_low_us(HISTOGRAM_BUCKETS - 1), HISTOGRAM_LIMIT_US);
	assert_int_equal(histogram_index(HISTOGRAM_LIMIT_US), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* What is read back for a value, seen through the one-sample histogram. */
static double read_back(uint64_t us)
{
	memset(&copy, 0, sizeof(copy));
	copy.bucket[histogram_index(us)] = 1;
	copy.count = 1;
	return histogram_quantile_us(&copy, 0.5);
}

static void every_bucket_is_within_one_percent(void **state)
{
	(void)state;
	for (size_t i = 1; histogram_low_us(i) <= 60000000; i++) {
		uint64_t ends[] = {histogram_low_us(i), histogram_high_us(i) - 1};

		for (size_t k = 0; k < 2; k++) {
			double error = fabs(read_back(ends[k]) - (double)ends[k]);

			assert_true(error <= 0.01 * (double)ends[k]);
			if (ends[k] < HISTOGRAM_LINEAR)
				assert_true(error == 0);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void quantiles_match_a_sort(void **state)
{
	static const struct {
		double q;
		size_t per_mille;
	} quantiles[] = {{0.001, 1}, {0.5, 500}, {0.9, 900}, {0.95, 950}, {0.99, 990}, {0.999, 999},
		{1, 1000}};
	enum { VALUES = 50000 };
	static uint64_t value[VALUES];
	uint64_t random = 4711, sum = 0;

	(void)state;
	for (size_t i = 0; i < VALUES; i++) {
		value[i] = random_duration(&random);
		sum += value[i];
		histogram_record(&shared, value[i]);
	}
	qsort(value, VALUES, sizeof(value[0]), compare);
	histogram_read(&shared, &copy);
	assert_int_equal(copy.count, VALUES);
	assert_int_equal(copy.sum_us, sum);
	assert_true(histogram_mean_us(&copy) == (double)sum / VALUES);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		size_t rank = (VALUES * quantiles[i].per_mille + 999) / 1000;
		double exact = (double)value[rank - 1];

		assert_true(
			fabs(histogram_quantile_us(&copy, quantiles[i].q) - exact) <= 0.01 * exact);
	}
	assert_true(fabs(histogram_max_us(&copy) - (double)value[VALUES - 1]) <=
		    0.01 * (double)value[VALUES - 1]);
}

/* 1 to 100 lie in buckets of their own: the q-quantile of 100 values is the (100 q)-th. */
static void small_samples_take_the_right_rank(void **state)
{
	(void)state;
	for (uint64_t us = 1; us <= 100; us++)
		histogram_record(&shared, us);
	histogram_read(&shared, &copy);
	assert_true(histogram_quantile_us(&copy, 0.001) == 1);
	assert_true(histogram_quantile_us(&copy, 0.5) == 50);
	assert_true(histogram_quantile_us(&copy, 0.9) == 90);
	assert_true(histogram_quantile_us(&copy, 0.95) == 95);
	assert_true(histogram_quantile_us(&copy, 0.99) == 99);
	assert_true(histogram_quantile_us(&copy, 0.991) == 100);
	assert_true(histogram_quantile_us(&copy, 1) == 100);
	assert_true(histogram_max_us(&copy) == 100);
}

static void an_empty_one_is_zero(void **state)
{
	(void)state;
	histogram_read(&shared, &copy);
	assert_int_equal(copy.count, 0);
	assert_true(histogram_quantile_us(&copy, 0.99) == 0);
	assert_true(histogram_mean_us(&copy) == 0);
	assert_true(histogram_max_us(&copy) == 0);
	assert_int_equal(histogram_count_below(&copy, HISTOGRAM_LIMIT_US), 0);
}

static void subtracting_leaves_what_came_since(void **state)
{
	uint64_t random = 99;
	static struct histogram late;

	(void)state;
	memset(&late, 0, sizeof(late));
	for (int i = 0; i < 1000; i++)
		histogram_record(&shared, random_duration(&random));
	histogram_read(&shared, &other);
	for (int i = 0; i < 1000; i++) {
		uint64_t us = random_duration(&random);

		histogram_record(&shared, us);
		histogram_record(&late, us);
	}
	histogram_read(&shared, &copy);
	histogram_subtract(&copy, &other);

	static struct histogram_copy expected;
	histogram_read(&late, &expected);
	assert_memory_equal(&copy, &expected, sizeof(copy));
	histogram_add(&copy, &other);
	histogram_read(&shared, &expected);
	assert_memory_equal(&copy, &expected, sizeof(copy));
}

static void values_past_the_limit_count_in_the_last_bucket(void **state)
{
	(void)state;
	histogram_record(&shared, HISTOGRAM_LIMIT_US - 1);
	histogram_record(&shared, HISTOGRAM_LIMIT_US);
	histogram_record(&shared, UINT64_C(1) << 40);
	histogram_read(&shared, &copy);
	assert_int_equal(copy.count, 3);
	assert_int_equal(copy.bucket[HISTOGRAM_BUCKETS - 1], 2);
	assert_true(histogram_max_us(&copy) >= (double)HISTOGRAM_LIMIT_US);
	assert_int_equal(histogram_count_below(&copy, HISTOGRAM_LIMIT_US), 1);
}

static void counting_below_is_exact_at_the_bounds_of_metrics(void **state)
{
	(void)state;
	for (uint64_t bound = 125; bound <= 65536000; bound *= 2) {
		clear(NULL);
		histogram_record(&shared, bound - 1);
		histogram_record(&shared, bound);
		histogram_read(&shared, &copy);
		assert_int_equal(histogram_count_below(&copy, bound), 1);
		assert_int_equal(histogram_low_us(histogram_index(bound)), bound);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_tile_the_line),
		cmocka_unit_test(every_bucket_is_within_one_percent),
		cmocka_unit_test_setup(quantiles_match_a_sort, clear),
		cmocka_unit_test_setup(small_samples_take_the_right_rank, clear),
		cmocka_unit_test_setup(an_empty_one_is_zero, clear),
		cmocka_unit_test_setup(subtracting_leaves_what_came_since, clear),
		cmocka_unit_test_setup(values_past_the_limit_count_in_the_last_bucket, clear),
		cmocka_unit_test_setup(counting_below_is_exact_at_the_bounds_of_metrics, clear),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
