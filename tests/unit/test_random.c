/* The generator against its published outputs; what is drawn from it against the distributions. */
#include "lib/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/sampling.h"

#define SAMPLES 1000000u

/* What the authors' xoshiro256plusplus.c gives from this state. */
static void test_generator_gives_the_published_numbers(void **state)
{
	static const uint64_t expected[] = {
		UINT64_C(41943041),
		UINT64_C(58720359),
		UINT64_C(3588806011781223),
		UINT64_C(3591011842654386),
		UINT64_C(9228616714210784205),
		UINT64_C(9973669472204895162),
		UINT64_C(14011001112246962877),
		UINT64_C(12406186145184390807),
		UINT64_C(15849039046786891736),
		UINT64_C(10450023813501588000),
	};
	struct random r = {{1, 2, 3, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(random_u64(&r), expected[i]);
}

/* Runs are repeated by their printed seed: these numbers must never change. */
static void test_seed_gives_the_same_numbers_for_ever(void **state)
{
	static const struct {
		uint64_t seed, stream, first;
	} expected[] = {
		{0, 0, UINT64_C(5685462877388818179)},
		{1, 0, UINT64_C(7681659080227901075)},
		{1, 1, UINT64_C(2416685135988037595)},
		{UINT64_MAX, 7, UINT64_C(11378893739292940376)},
	};
	struct random r;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		random_init(&r, expected[i].seed, expected[i].stream);
		assert_int_equal(random_u64(&r), expected[i].first);
	}
}

/*
 * Streams and seeds next to each other, the ones that are used most, have nothing to do with each
 * other.
 */
static void test_streams_are_independent(void **state)
{
	static const uint64_t pairs[][4] = {
		{1, 0, 1, 1}, {1, 0, 2, 0}, {1, 2, 2, 1}, {0, 0, 0, 1}, {5, 9, 9, 5}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct random a, b;
		double sum = 0;

		random_init(&a, pairs[i][0], pairs[i][1]);
		random_init(&b, pairs[i][2], pairs[i][3]);
		for (unsigned k = 0; k < 100000; k++)
			sum += (random_unit(&a) - 0.5) * (random_unit(&b) - 0.5);
		/* A product of two has variance 1/144. */
		assert_true(fabs(sum) < SAMPLING_ERRORS_MOST * sqrt(100000 / 144.0));
	}
}

static double uniform_cdf(double x)
{
	return x;
}

static void test_unit_is_uniform_below_1(void **state)
{
	static double x[SAMPLES];
	struct random r;

	(void)state;
	random_init(&r, 11, 0);
	for (size_t i = 0; i < SAMPLES; i++) {
		x[i] = random_unit(&r);
		assert_true(x[i] >= 0 && x[i] < 1);
	}
	assert_true(sampling_ks(x, SAMPLES, uniform_cdf) < SAMPLING_KS_MOST);
	/* The largest number that can come of 53 bits. */
	assert_true((double)(UINT64_MAX >> 11) * 0x1.0p-53 < 1);
}

/*
 * Chi-square of n cells that shall be equal, in standard errors (its variance is twice its
 * degrees of freedom).
 */
static double chi_square_excess(const unsigned *count, size_t cells, double total)
{
	double chi = 0;

	for (size_t i = 0; i < cells; i++) {
		const double off = count[i] - total / (double)cells;

		chi += off * off / (total / (double)cells);
	}
	return (chi - (double)(cells - 1)) / sqrt(2.0 * (double)(cells - 1));
}

static void test_below_is_unbiased(void **state)
{
	/* By modulo, the lowest third of these numbers would come twice as often as the others. */
	const uint64_t quarter = UINT64_C(1) << 62;
	unsigned large[3] = {0}, small[7] = {0};
	struct random r;

	(void)state;
	random_init(&r, 12, 0);
	for (unsigned i = 0; i < 300000; i++) {
		const uint64_t a = random_below(&r, 3 * quarter), b = random_below(&r, 7);

		assert_true(a < 3 * quarter && b < 7);
		large[a / quarter]++;
		small[b]++;
	}
	assert_true(chi_square_excess(large, 3, 300000) < 5);
	assert_true(chi_square_excess(small, 7, 300000) < 5);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(random_below(&r, 1), 0);
}

static double exp_density(double x)
{
	return exp(-x);
}

static double normal_density(double x)
{
	return exp(-x * x / 2);
}

/* Every layer has the area of the lowest with its tail. */
static void check_layers(const double *edge, double (*density)(double), double tail)
{
	const double area = edge[1] * density(edge[1]) + tail;

	assert_true(fabs(edge[0] * density(edge[1]) / area - 1) < 1e-13);
	for (size_t i = 1; i < RANDOM_LAYERS; i++) {
		const double height = density(edge[i + 1]) - density(edge[i]);

		assert_true(edge[i] > edge[i + 1]);
		assert_true(fabs(edge[i] * height / area - 1) < 1e-11);
	}
	assert_true(edge[RANDOM_LAYERS] == 0);
}

static double normal_above(double x)
{
	return erfc(x / sqrt(2)) / 2;
}

static void test_layers_have_equal_areas(void **state)
{
	(void)state;
	check_layers(random_exp_edge, exp_density, exp(-random_exp_edge[1]));
	check_layers(random_normal_edge, normal_density,
		normal_above(random_normal_edge[1]) * sqrt(2 * acos(-1)));
}

/*
 * The mean of x^power, in standard errors off what it should be; `twice` is the mean of x^(2
 * power).
 */
static double moment_error(const double *x, size_t n, int power, double expected, double twice)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += pow(x[i], power);
	return fabs(sum / (double)n - expected) / sqrt((twice - expected * expected) / (double)n);
}

static double exp_cdf(double x)
{
	return -expm1(-x);
}

static double normal_cdf(double x)
{
	return erfc(-x / sqrt(2)) / 2;
}

static void test_exponential(void **state)
{
	static double x[SAMPLES];
	double neighbours = 0;
	struct random r;

	(void)state;
	random_init(&r, 13, 0);
	for (size_t i = 0; i < SAMPLES; i++) {
		x[i] = random_exp(&r);
		assert_true(x[i] >= 0 && isfinite(x[i]));
		if (i > 0)
			neighbours += (x[i] - 1) * (x[i - 1] - 1);
	}
	/* E[X^k] = k! */
	assert_true(moment_error(x, SAMPLES, 1, 1, 2) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 2, 2, 24) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 3, 6, 720) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 4, 24, 40320) < SAMPLING_ERRORS_MOST);
	assert_true(fabs(neighbours) < SAMPLING_ERRORS_MOST * sqrt(SAMPLES));
	assert_true(sampling_ks(x, SAMPLES, exp_cdf) < SAMPLING_KS_MOST);
}

static void test_normal(void **state)
{
	static double x[SAMPLES];
	struct random r;

	(void)state;
	random_init(&r, 14, 0);
	for (size_t i = 0; i < SAMPLES; i++) {
		x[i] = random_normal(&r);
		assert_true(isfinite(x[i]));
	}
	/* E[X^2k] = (2k - 1)!! */
	assert_true(moment_error(x, SAMPLES, 1, 0, 1) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 2, 1, 3) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 3, 0, 15) < SAMPLING_ERRORS_MOST);
	assert_true(moment_error(x, SAMPLES, 4, 3, 105) < SAMPLING_ERRORS_MOST);
	assert_true(sampling_ks(x, SAMPLES, normal_cdf) < SAMPLING_KS_MOST);
}

/*
 * Draws until n of them lie beyond `start`, which a share of p should do, and keeps those.
 * Returns the standard errors by which the number of draws was off.
 */
static double collect_tail(double *tail, size_t n, uint64_t seed, double (*draw)(struct random *),
	double start, double p)
{
	struct random r;
	size_t got = 0;
	double draws = 0;

	random_init(&r, seed, 0);
	for (; got < n; draws++) {
		const double x = fabs(draw(&r));

		if (x > start)
			tail[got++] = x;
	}
	/* Negative binomial. */
	return fabs(draws - (double)n / p) / sqrt((double)n * (1 - p) / (p * p));
}

static double draw_exp(struct random *r)
{
	return random_exp(r);
}

/*
 * Between the edges of a layer and the next a point is kept as often as the density lies above a
 * height drawn across the layer. That is 1 draw of 90, too few for the tests of whole
 * distributions to see its shape, so: in each layer by itself.
 */
static void test_points_beside_the_curve(void **state)
{
	enum { TRIES = 20000 };
	struct random r;

	(void)state;
	random_init(&r, 17, 0);
	for (unsigned layer = 1; layer < RANDOM_LAYERS; layer++) {
		const double *edge = random_exp_edge + layer;
		const double x = edge[1] + (edge[0] - edge[1]) * (0.1 + 0.8 * random_unit(&r));
		const double p = (exp(-x) - exp(-edge[0])) / (exp(-edge[1]) - exp(-edge[0]));
		unsigned kept = 0;

		for (unsigned i = 0; i < TRIES; i++)
			kept += random_exp_slow(&r, layer, x) == x;
		/*
		 * Of 255 layers one or none is off by 3 standard errors, and by 5 only 1 in 7,000
		 * times.
		 */
		assert_true(fabs(kept - p * TRIES) < 5 * sqrt(TRIES * p * (1 - p)));
	}
}

static double exp_tail_cdf(double x)
{
	return -expm1(-(x - random_exp_edge[1]));
}

static double normal_tail_cdf(double x)
{
	return 1 - normal_above(x) / normal_above(random_normal_edge[1]);
}

/* Where percentiles come from; and the ziggurat is another piece of code there. */
static void test_tails_beyond_the_ziggurats(void **state)
{
	const double exp_start = random_exp_edge[1], normal_start = random_normal_edge[1];
	static double tail[3000], long_tail[SAMPLES];
	const size_t n = sizeof(tail) / sizeof(tail[0]);
	struct random r;

	(void)state;
	assert_true(collect_tail(tail, n, 15, draw_exp, exp_start, exp(-exp_start)) <
		    SAMPLING_ERRORS_MOST);
	assert_true(sampling_ks(tail, n, exp_tail_cdf) < SAMPLING_KS_MOST);
	random_init(&r, 18, 0);
	for (size_t i = 0; i < SAMPLES; i++)
		long_tail[i] = random_exp_slow(&r, 0, exp_start);
	assert_true(sampling_ks(long_tail, SAMPLES, exp_tail_cdf) < SAMPLING_KS_MOST);
	assert_true(collect_tail(tail, n, 16, random_normal, normal_start,
			    2 * normal_above(normal_start)) < SAMPLING_ERRORS_MOST);
	assert_true(sampling_ks(tail, n, normal_tail_cdf) < SAMPLING_KS_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generator_gives_the_published_numbers),
		cmocka_unit_test(test_seed_gives_the_same_numbers_for_ever),
		cmocka_unit_test(test_streams_are_independent),
		cmocka_unit_test(test_unit_is_uniform_below_1),
		cmocka_unit_test(test_below_is_unbiased),
		cmocka_unit_test(test_layers_have_equal_areas),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_normal),
		cmocka_unit_test(test_points_beside_the_curve),
		cmocka_unit_test(test_tails_beyond_the_ziggurats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
