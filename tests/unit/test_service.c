/*
 * Service times: what is computed of them and what is drawn; and what is wrong with a
 * description.
 */
#include "bench/model/service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/sampling.h"

#define DRAWS 400000u

static char path[] = "/tmp/quern-service-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	const int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int parse_hist(struct service *ret, const char *content, struct buffer *error)
{
	char spec[64];
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(content, out) >= 0);
	assert_int_equal(fclose(out), 0);
	(void)snprintf(spec, sizeof(spec), "hist:%s", path);
	return service_parse(ret, spec, error);
}

static void parse_well(struct service *ret, const char *spec)
{
	struct buffer error;

	buffer_init(&error);
	assert_int_equal(service_parse(ret, spec, &error), 0);
	assert_int_equal(error.len, 0);
	assert_string_equal(ret->spec, spec);
	buffer_done(&error);
}

static void assert_near(double value, double expected, double relative)
{
	if (!(fabs(value - expected) <= relative * fabs(expected)))
		fail_msg("%.9g instead of %.9g", value, expected);
}

/*
 * Mean and second moment of draws against those computed, in standard errors that the draws
 * themselves give. Asks for a finite fourth moment that is not all in one draw of millions, so
 * for no extreme SCV.
 */
static void check_draws(const struct service *s, uint64_t seed)
{
	const double n = DRAWS;
	double sum = 0, squares = 0, fourths = 0;
	struct random r;

	random_init(&r, seed, 0);
	for (unsigned i = 0; i < DRAWS; i++) {
		const double x = service_draw(s, &r);

		assert_true(x >= 0 && isfinite(x));
		sum += x;
		squares += x * x;
		fourths += x * x * x * x;
	}
	const double mean = sum / n, second = squares / n;
	const double error = sqrt(fmax(0, second - mean * mean) / n);
	const double second_error = sqrt(fmax(0, fourths / n - second * second) / n);
	const double rounding = 1e-9;
	assert_true(
		fabs(mean - s->mean_us) <= SAMPLING_ERRORS_MOST * error + rounding * s->mean_us);
	assert_true(fabs(second - service_second_moment(s)) <=
		    SAMPLING_ERRORS_MOST * second_error + rounding * second);
}

static void test_kinds_have_the_mean_and_variation_they_say(void **state)
{
	static const struct {
		const char *spec;
		double mean_us, scv;
	} samples[] = {
		{"exp:1ms", 1000, 1},
		{"exp:1us", 1, 1},
		{"exp:1h", 3.6e9, 1},
		{"det:2.5ms", 2500, 0},
		{"lognormal:1ms,0.25", 1000, 0.25},
		{"lognormal:3ms,1", 3000, 1},
		{"hyper:1ms,1", 1000, 1},
		{"hyper:4ms,4", 4000, 4},
		{"points:7ms@3", 7000, 0},
		{"points:1ms@1,3ms@1", 2000, 0.25},
		{"points:3ms@0.5,1ms@0.5", 2000, 0.25},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct service s;

		parse_well(&s, samples[i].spec);
		assert_near(s.mean_us, samples[i].mean_us, 1e-12);
		assert_near(s.scv, samples[i].scv, 1e-12);
		assert_near(service_second_moment(&s),
			samples[i].mean_us * samples[i].mean_us * (1 + samples[i].scv), 1e-12);
		check_draws(&s, 50 + i);
		service_done(&s);
	}
}

/*
 * theory.md's mix: 99 % of size 1 and 1 % of size 100, so E[S^2] is 0.99 + 100 and the variance
 * 100.99 - 1.99^2.
 */
static void test_power_users(void **state)
{
	struct service s;

	(void)state;
	parse_well(&s, "points:1ms@99,100ms@1");
	assert_near(s.mean_us, 1990, 1e-12);
	assert_near(s.scv, 24.5019, 2e-6);
	assert_near(service_second_moment(&s), 100.99e6, 1e-12);
	check_draws(&s, 70);
	service_done(&s);
}

static double shape_mean, shape_scv;

static double exp_cdf(double x)
{
	return -expm1(-x / shape_mean);
}

static double lognormal_cdf(double x)
{
	const double sigma = sqrt(log1p(shape_scv));

	return erfc(-(log(x / shape_mean) + sigma * sigma / 2) / sigma / sqrt(2)) / 2;
}

/*
 * Both phases do half of the work: p1 m1 = p2 m2 = mean / 2; here from p1 - p2 = sqrt((scv - 1) /
 * (scv + 1)).
 */
static double hyper_cdf(double x)
{
	const double difference = sqrt((shape_scv - 1) / (shape_scv + 1));
	const double p1 = (1 + difference) / 2, p2 = (1 - difference) / 2;

	return 1 - p1 * exp(-2 * p1 * x / shape_mean) - p2 * exp(-2 * p2 * x / shape_mean);
}

static void check_shape(const char *spec, double mean, double scv, double (*cdf)(double))
{
	enum { COUNT = 200000 };
	static double x[COUNT];
	struct service s;
	struct random r;

	shape_mean = mean;
	shape_scv = scv;
	parse_well(&s, spec);
	random_init(&r, 71, 0);
	for (size_t i = 0; i < COUNT; i++)
		x[i] = service_draw(&s, &r);
	assert_true(sampling_ks(x, COUNT, cdf) < SAMPLING_KS_MOST);
	service_done(&s);
}

/* Also those whose moments no sample shows. */
static void test_kinds_have_the_shape_they_say(void **state)
{
	(void)state;
	check_shape("exp:2ms", 2000, 1, exp_cdf);
	check_shape("lognormal:1ms,0.01", 1000, 0.01, lognormal_cdf);
	check_shape("lognormal:1ms,1000", 1000, 1000, lognormal_cdf);
	check_shape("hyper:1ms,2", 1000, 2, hyper_cdf);
	check_shape("hyper:1ms,1000", 1000, 1000, hyper_cdf);
}

#define GOOD_HIST                                                                                  \
	"# LOW HIGH COUNT\n0 10 5\n\n10 10 20 # exact\n10.5 \t 12.5 25\r\n100 200 0\n 200 1000 50"

/*
 * Mean 0.05 * 5 + 0.2 * 10 + 0.25 * 11.5 + 0.5 * 600 = 305.125; E[S^2] from (l^2 + l h + h^2) / 3
 * of each.
 */
static void test_histogram_file(void **state)
{
	const double second = 0.05 * 100 / 3 + 0.2 * 100 +
			      0.25 * (10.5 * 10.5 + 10.5 * 12.5 + 12.5 * 12.5) / 3 +
			      0.5 * (200.0 * 200 + 200.0 * 1000 + 1000.0 * 1000) / 3;
	unsigned count[4] = {0};
	struct service s;
	struct buffer error;
	struct random r;

	(void)state;
	buffer_init(&error);
	assert_int_equal(parse_hist(&s, GOOD_HIST, &error), 0);
	assert_int_equal(s.ranges, 4);
	assert_near(s.mean_us, 305.125, 1e-12);
	assert_near(service_second_moment(&s), second, 1e-12);
	check_draws(&s, 72);
	random_init(&r, 73, 0);
	for (unsigned i = 0; i < DRAWS; i++) {
		const double x = service_draw(&s, &r);

		assert_true(x < 10 || x == 10 || (x >= 10.5 && x < 12.5) || (x >= 200 && x < 1000));
		count[x < 10 ? 0 : x == 10 ? 1 : x < 12.5 ? 2 : 3]++;
	}
	for (size_t i = 0; i < 4; i++) {
		const double p = (double[]){0.05, 0.2, 0.25, 0.5}[i];

		assert_true(fabs(count[i] - p * DRAWS) <
			    SAMPLING_ERRORS_MOST * sqrt(DRAWS * p * (1 - p)));
	}
	service_done(&s);
	buffer_done(&error);
}

/* Thousands of ranges with weights from 1 to millions: the alias table keeps every one of them. */
static void test_alias_table_has_the_weights(void **state)
{
	enum { RANGES = 3000 };
	static struct service_range range[RANGES];
	static double probability[RANGES];
	struct service s;
	struct buffer error;
	double total = 0;

	(void)state;
	buffer_init(&error);
	for (size_t i = 0; i < RANGES; i++) {
		const double at = (double)i;

		range[i] = (struct service_range){
			.low_us = at, .high_us = at + 1, .weight = 1 + fmod(at * at * 7, 1e6)};
		total += range[i].weight;
	}
	assert_int_equal(service_from_ranges(&s, "ranges", range, RANGES, &error), 0);
	assert_string_equal(s.spec, "ranges");
	for (size_t i = 0; i < RANGES; i++) {
		assert_in_range(s.range[i].alias, 0, RANGES - 1);
		assert_true(s.range[i].threshold >= 0 && s.range[i].threshold <= 1);
		probability[i] += s.range[i].threshold / RANGES;
		probability[s.range[i].alias] += (1 - s.range[i].threshold) / RANGES;
	}
	for (size_t i = 0; i < RANGES; i++)
		assert_true(fabs(probability[i] - range[i].weight / total) < 1e-12);
	service_done(&s);
	buffer_done(&error);
}

#define BOUNDS "LOW and HIGH must be numbers from 0 to 3600000000 (us)"
#define COUNTS "COUNT must be a whole number from 0 to 2^53"
#define MISSING "a line is LOW HIGH COUNT; something is missing"
#define ORDER "ranges must ascend and must not overlap: LOW is below the range before"
#define NOTHING "no values; a histogram needs a line LOW HIGH COUNT with a COUNT above 0"

static void test_what_is_wrong_with_a_histogram_file(void **state)
{
	static const struct {
		const char *content, *message; /* the message after the file's name */
	} samples[] = {
		{"1 2 3\n4\n", ":2: " MISSING},
		{"1 2\n", ":1: " MISSING},
		{"1 2 3 4\n", ":1: \"4\": after LOW HIGH COUNT the line must end"},
		{"\n# c\nx 2 3\n", ":3: \"x\": " BOUNDS},
		{"-1 2 3\n", ":1: \"-1\": " BOUNDS},
		{"1 nan 3\n", ":1: \"nan\": " BOUNDS},
		{"1 3600000001 3\n", ":1: \"3600000001\": " BOUNDS},
		{"1 2 -3\n", ":1: \"-3\": " COUNTS},
		{"1 2 1.5\n", ":1: \"1.5\": " COUNTS},
		{"1 2 9007199254740993\n", ":1: \"9007199254740993\": " COUNTS},
		{"2 1 3\n", ":1: LOW must not be above HIGH"},
		{"1 2 3\n1.5 3 1\n", ":2: " ORDER},
		{"5 6 1\n1 2 1\n", ":2: " ORDER},
		{"5 5 1\n5 5 1\n", ":2: " ORDER},
		{"5 5 1\n5 6 1\n", ":2: " ORDER},
		{"5 9 0\n6 7 1\n", ":2: " ORDER},
		{"", ": " NOTHING},
		{"1 2 0\n", ": " NOTHING},
		{"0 0 5\n", ": all values are 0; the mean must be above 0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct service s = {.ranges = 77};
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(parse_hist(&s, samples[i].content, &error), -EINVAL);
		assert_memory_equal(buffer_cstring(&error), path, strlen(path));
		assert_string_equal(buffer_cstring(&error) + strlen(path), samples[i].message);
		assert_int_equal(s.ranges, 77);
		buffer_done(&error);
	}
}

static void test_what_is_wrong_with_ranges_in_memory(void **state)
{
	static const struct service_range overlap[] = {
		{.low_us = 1, .high_us = 3, .weight = 1}, {.low_us = 2, .high_us = 4, .weight = 1}};
	static const struct service_range not_a_number[] = {
		{.low_us = 1, .high_us = 3, .weight = NAN}};
	struct service s;
	struct buffer error;

	(void)state;
	buffer_init(&error);
	assert_int_equal(service_from_ranges(&s, "workers", overlap, 2, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error), "workers: range 2: " ORDER);
	buffer_reset(&error);
	assert_int_equal(service_from_ranges(&s, "workers", not_a_number, 1, &error), -EINVAL);
	assert_string_equal(
		buffer_cstring(&error), "workers: range 1: COUNT must be a number from 0 to 2^53");
	buffer_reset(&error);
	assert_int_equal(service_from_ranges(&s, "workers", NULL, 0, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error), "workers: " NOTHING);
	buffer_done(&error);
}

#define TIMES " is not a time from 1us to 1h, with a unit (us, ms, s, m or h)"
#define WEIGHTS "each time needs a weight, as in 1ms@99: a number above 0 and at most 1000000000"
#define SCV "after the mean comes a comma and the squared coefficient of variation, "
#define KINDS                                                                                      \
	" is not a service time; use exp:MEAN, det:TIME, lognormal:MEAN,SCV, hyper:MEAN,SCV, "     \
	"points:TIME@WEIGHT,... or hist:FILE, with times such as 1ms"

static void test_what_is_wrong_with_a_description(void **state)
{
	static const struct {
		const char *spec;
		int result;
		const char *message;
	} samples[] = {
		{"", -EINVAL, "\"\"" KINDS},
		{"exp", -EINVAL, "\"exp\"" KINDS},
		{"gamma:1ms", -EINVAL, "\"gamma:1ms\"" KINDS},
		{"exp:", -EINVAL, "\"exp:\": \"\"" TIMES},
		{"exp:5", -EINVAL, "\"exp:5\": \"5\"" TIMES},
		{"exp:0ms", -EINVAL, "\"exp:0ms\": \"0ms\"" TIMES},
		{"det:-1ms", -EINVAL, "\"det:-1ms\": \"-1ms\"" TIMES},
		{"det:2h", -EINVAL, "\"det:2h\": \"2h\"" TIMES},
		{"exp:1ms,2", -EINVAL, "\"exp:1ms,2\": \"1ms,2\"" TIMES},
		{"lognormal:1ms", -EINVAL, "\"lognormal:1ms\": " SCV "above 0 and at most 10000"},
		{"lognormal:1ms,0", -EINVAL,
			"\"lognormal:1ms,0\": " SCV "above 0 and at most 10000"},
		{"lognormal:1ms,x", -EINVAL,
			"\"lognormal:1ms,x\": " SCV "above 0 and at most 10000"},
		{"lognormal:x,1", -EINVAL, "\"lognormal:x,1\": \"x\"" TIMES},
		{"hyper:1ms", -EINVAL, "\"hyper:1ms\": " SCV "1 to 10000"},
		{"hyper:1ms,0.9", -EINVAL, "\"hyper:1ms,0.9\": " SCV "1 to 10000"},
		{"hyper:1ms,10001", -EINVAL, "\"hyper:1ms,10001\": " SCV "1 to 10000"},
		{"points:", -EINVAL, "\"points:\": \"\"" TIMES},
		{"points:1ms", -EINVAL, "\"points:1ms\": " WEIGHTS},
		{"points:1ms@0", -EINVAL, "\"points:1ms@0\": " WEIGHTS},
		{"points:1ms@1,", -EINVAL, "\"points:1ms@1,\": \"\"" TIMES},
		{"points:1ms@1,2ms@x", -EINVAL, "\"points:1ms@1,2ms@x\": " WEIGHTS},
		{"hist:", -ENOENT, ": cannot open: No such file or directory"},
		{"hist:/nonexistent/h", -ENOENT,
			"/nonexistent/h: cannot open: No such file or directory"},
		{"hist:/", -EISDIR, "/: cannot read: Is a directory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct service s = {.ranges = 77};
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(service_parse(&s, samples[i].spec, &error), samples[i].result);
		assert_string_equal(buffer_cstring(&error), samples[i].message);
		assert_int_equal(s.ranges, 77);
		buffer_done(&error);
	}
}

/*
 * Variance stays, so with the mean from 1,000 to 1,500 the SCV falls to (2/3)^2 of what it was;
 * scaling changes no SCV.
 */
static void check_shift_and_scale(const char *spec, double scv, uint64_t seed)
{
	struct service s, copy;

	parse_well(&s, spec);
	assert_near(s.mean_us, 1000, 1e-12);
	assert_int_equal(service_copy(&copy, &s), 0);
	service_shift(&s, 500);
	assert_near(s.mean_us, 1500, 1e-12);
	assert_near(s.scv, scv * 4 / 9, 1e-12);
	check_draws(&s, seed);
	service_scale(&s, 0.25);
	assert_near(s.mean_us, 375, 1e-12);
	assert_near(s.scv, scv * 4 / 9, 1e-12);
	check_draws(&s, seed + 1);
	service_done(&s);

	/* The copy has nothing in common with what it was made of. */
	assert_string_equal(copy.spec, spec);
	assert_near(copy.mean_us, 1000, 1e-12);
	check_draws(&copy, seed + 2);
	service_done(&copy);
}

static void test_shift_scale_and_copy(void **state)
{
	(void)state;
	check_shift_and_scale("exp:1ms", 1, 80);
	check_shift_and_scale("det:1ms", 0, 83);
	check_shift_and_scale("lognormal:1ms,0.5", 0.5, 86);
	check_shift_and_scale("hyper:1ms,3", 3, 89);
	check_shift_and_scale("points:500us@1,1500us@1", 0.25, 92);
}

static void test_done_can_be_said_twice(void **state)
{
	struct service s;

	(void)state;
	parse_well(&s, "points:1ms@1");
	service_done(&s);
	service_done(&s);
	assert_null(s.spec);
	assert_null(s.range);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_have_the_mean_and_variation_they_say),
		cmocka_unit_test(test_power_users),
		cmocka_unit_test(test_kinds_have_the_shape_they_say),
		cmocka_unit_test(test_histogram_file),
		cmocka_unit_test(test_alias_table_has_the_weights),
		cmocka_unit_test(test_what_is_wrong_with_a_histogram_file),
		cmocka_unit_test(test_what_is_wrong_with_ranges_in_memory),
		cmocka_unit_test(test_what_is_wrong_with_a_description),
		cmocka_unit_test(test_shift_scale_and_copy),
		cmocka_unit_test(test_done_can_be_said_twice),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
