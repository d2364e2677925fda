/* When requests come: the distribution of gaps, traces, and what is wrong with a trace. */
#include "bench/model/arrival.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/sampling.h"

static char path[] = "/tmp/quern-arrival-XXXXXX";

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

static void write_file(const char *content, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(content, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

/* "trace:" and the file with this content. */
static int parse_trace(struct arrival *ret, const char *content, size_t len, struct buffer *error)
{
	char spec[64];

	write_file(content, len);
	(void)snprintf(spec, sizeof(spec), "trace:%s", path);
	return arrival_parse(ret, spec, error);
}

static void parse_well(struct arrival *ret, const char *spec)
{
	struct buffer error;

	buffer_init(&error);
	assert_int_equal(arrival_parse(ret, spec, &error), 0);
	assert_int_equal(error.len, 0);
	buffer_done(&error);
}

static double exp_cdf(double x)
{
	return -expm1(-x);
}

static void test_poisson_gaps_are_exponential(void **state)
{
	enum { COUNT = 200000 };
	static double gap[COUNT];
	double before = 0, at;
	struct arrival a;

	(void)state;
	parse_well(&a, "poisson");
	arrival_start(&a, 5000, 41);
	assert_true(arrival_rate(&a) == 5000);
	assert_string_equal(arrival_name(&a), "poisson");
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(arrival_next(&a, &at));
		gap[i] = (at - before) / 200;
		before = at;
	}
	/* n gaps of mean 1 and variance 1. */
	assert_true(fabs(before / 200 - COUNT) < SAMPLING_ERRORS_MOST * sqrt(COUNT));
	assert_true(sampling_ks(gap, COUNT, exp_cdf) < SAMPLING_KS_MOST);
	arrival_done(&a);
}

/*
 * Counts in windows of 10 mean gaps: variance / mean is 1 for Poisson, with a standard error of
 * sqrt(2 / windows).
 */
static void test_poisson_has_index_of_dispersion_1(void **state)
{
	enum { WINDOWS = 20000 };
	static unsigned count[WINDOWS];
	double at, mean = 0, variance = 0;
	struct arrival a;

	(void)state;
	parse_well(&a, "poisson");
	arrival_start(&a, 1000, 42);
	while (arrival_next(&a, &at) && at < WINDOWS * 10000.0)
		count[(size_t)(at / 10000)]++;
	for (size_t i = 0; i < WINDOWS; i++)
		mean += (double)count[i] / WINDOWS;
	for (size_t i = 0; i < WINDOWS; i++)
		variance += (count[i] - mean) * (count[i] - mean) / (WINDOWS - 1);
	assert_true(fabs(mean - 10) < SAMPLING_ERRORS_MOST * sqrt(10.0 / WINDOWS));
	assert_true(fabs(variance / mean - 1) < SAMPLING_ERRORS_MOST * sqrt(2.0 / WINDOWS));
	arrival_done(&a);
}

static void test_seed_decides_and_nothing_before(void **state)
{
	struct arrival a;
	double first[100], at;
	bool differs = false;

	(void)state;
	parse_well(&a, "poisson");
	arrival_start(&a, 1000, 1);
	for (size_t i = 0; i < 100; i++)
		assert_true(arrival_next(&a, &first[i]));
	arrival_start(&a, 1000, 1);
	for (size_t i = 0; i < 100; i++) {
		assert_true(arrival_next(&a, &at));
		assert_true(at == first[i]);
	}
	arrival_start(&a, 1000, 2);
	for (size_t i = 0; i < 100; i++) {
		assert_true(arrival_next(&a, &at));
		differs = differs || at != first[i];
	}
	assert_true(differs);
	arrival_done(&a);
}

static void test_constant_gaps_do_not_drift(void **state)
{
	struct arrival a;
	double at = 0;

	(void)state;
	parse_well(&a, "constant");
	assert_string_equal(arrival_name(&a), "constant");
	arrival_start(&a, 3000, 1);
	for (unsigned i = 1; i <= 3000000; i++) {
		assert_true(arrival_next(&a, &at));
		if (i % 3000 == 0)
			assert_true(fabs(at - i / 3000.0 * 1e6) < 1e-6);
	}
	arrival_done(&a);
}

static void check_times(struct arrival *a, const double *us, size_t n)
{
	double at = -1;

	for (size_t i = 0; i < n; i++) {
		assert_true(arrival_next(a, &at));
		assert_true(fabs(at - us[i]) < 1e-6);
	}
	assert_false(arrival_next(a, &at));
	assert_false(arrival_next(a, &at));
	assert_true(fabs(at - us[n - 1]) < 1e-6);
}

static void test_trace_as_recorded_and_stretched(void **state)
{
	static const char content[] = "# seconds\n0.5\n\n  1 # one\r\n1\n\t2.0000005";
	static const double recorded[] = {500000, 1000000, 1000000, 2000000.5};
	static const double twice[] = {250000, 500000, 500000, 1000000.25};
	struct arrival a;
	struct buffer error;

	(void)state;
	buffer_init(&error);
	assert_int_equal(parse_trace(&a, content, strlen(content), &error), 0);
	assert_string_equal(arrival_name(&a), "trace");
	/* 3 gaps in 1.5000005 s. */
	assert_true(fabs(a.trace_rate_rps - 3 / 1.5000005) < 1e-9);
	arrival_start(&a, 0, 1);
	assert_true(fabs(arrival_rate(&a) - a.trace_rate_rps) < 1e-9);
	check_times(&a, recorded, 4);
	arrival_start(&a, 2 * a.trace_rate_rps, 1);
	assert_true(fabs(arrival_rate(&a) - 2 * a.trace_rate_rps) < 1e-9);
	check_times(&a, twice, 4);
	arrival_start(&a, 0, 1);
	check_times(&a, recorded, 4);
	arrival_done(&a);
	buffer_done(&error);
}

static void test_trace_longer_than_its_first_allocation(void **state)
{
	struct buffer content, error;
	struct arrival a;
	double at = 0;

	(void)state;
	buffer_init(&content);
	buffer_init(&error);
	for (unsigned i = 0; i < 5000; i++)
		buffer_printf(&content, "%u.5\n", i);
	assert_int_equal(parse_trace(&a, content.data, content.len, &error), 0);
	arrival_start(&a, 0, 1);
	for (unsigned i = 0; i < 5000; i++) {
		assert_true(arrival_next(&a, &at));
		assert_true(at == i * 1e6 + 5e5);
	}
	assert_false(arrival_next(&a, &at));
	arrival_done(&a);
	buffer_done(&content);
	buffer_done(&error);
}

#define NO_TIME ": not a time in seconds since the start (a number from 0 to 1000000000)"
#define TOO_FEW ": a trace needs at least two different times; this has "

static void test_what_is_wrong_with_a_trace(void **state)
{
	static const struct {
		const char *content, *message; /* the message after the file's name */
	} samples[] = {
		{"0\n1\nx\n", ":3: \"x\"" NO_TIME},
		{"0\n-1\n", ":2: \"-1\"" NO_TIME},
		{"0\n\n# c\n1e3\n", ":4: \"1e3\"" NO_TIME},
		{"nan\n", ":1: \"nan\"" NO_TIME},
		{"0\n1700000000\n", ":2: \"1700000000\"" NO_TIME},
		{"0 1\n", ":1: \"0 1\"" NO_TIME},
		{"0\n\033[2J\n", ":2: \"?[2J\"" NO_TIME},
		{"0\n2\n1.5\n",
			":3: \"1.5\": earlier than the time before it; times must not decrease"},
		{"", TOO_FEW "0 times"},
		{"# nothing\n\n", TOO_FEW "0 times"},
		{"5\n", TOO_FEW "1 time"},
		{"5\n5\n5\n", TOO_FEW "3 times"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct arrival a = {.trace_count = 77};
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(
			parse_trace(&a, samples[i].content, strlen(samples[i].content), &error),
			-EINVAL);
		assert_memory_equal(buffer_cstring(&error), path, strlen(path));
		assert_string_equal(buffer_cstring(&error) + strlen(path), samples[i].message);
		assert_int_equal(a.trace_count, 77);
		buffer_done(&error);
	}
}

#define NO_TEXT ": not a line of text of at most 1,000 bytes"

static void test_trace_that_is_no_text(void **state)
{
	static const char nul[] = "0\n1\0junk\n2\n", nul_at_the_end[] = "0\n1\n2\0";
	struct buffer error, content;
	struct arrival a;

	(void)state;
	buffer_init(&error);
	assert_int_equal(parse_trace(&a, nul, sizeof(nul) - 1, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error) + strlen(path), ":2" NO_TEXT);
	buffer_reset(&error);
	assert_int_equal(
		parse_trace(&a, nul_at_the_end, sizeof(nul_at_the_end) - 1, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error) + strlen(path), ":3" NO_TEXT);

	/* 1,000 bytes are a line, 1,001 are not. */
	buffer_init(&content);
	buffer_printf(&content, "7\n%1000u\n", 8);
	buffer_reset(&error);
	assert_int_equal(parse_trace(&a, content.data, content.len, &error), 0);
	arrival_done(&a);
	buffer_reset(&content);
	buffer_printf(&content, "7\n%1001u\n", 8);
	assert_int_equal(parse_trace(&a, content.data, content.len, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error) + strlen(path), ":2" NO_TEXT);
	buffer_done(&content);
	buffer_done(&error);
}

static void test_files_that_cannot_be_read_and_other_words(void **state)
{
	static const struct {
		const char *spec;
		int result;
		const char *message;
	} samples[] = {
		{"trace:/nonexistent/trace", -ENOENT,
			"/nonexistent/trace: cannot open: No such file or directory"},
		{"trace:/", -EISDIR, "/: cannot read: Is a directory"},
		{"trace:", -EINVAL,
			"\"trace:\" is not a kind of arrivals; use poisson, constant or "
			"trace:FILE"},
		{"", -EINVAL,
			"\"\" is not a kind of arrivals; use poisson, constant or trace:FILE"},
		{"Poisson", -EINVAL,
			"\"Poisson\" is not a kind of arrivals; use poisson, constant or "
			"trace:FILE"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct arrival a;
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(arrival_parse(&a, samples[i].spec, &error), samples[i].result);
		assert_string_equal(buffer_cstring(&error), samples[i].message);
		buffer_done(&error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poisson_gaps_are_exponential),
		cmocka_unit_test(test_poisson_has_index_of_dispersion_1),
		cmocka_unit_test(test_seed_decides_and_nothing_before),
		cmocka_unit_test(test_constant_gaps_do_not_drift),
		cmocka_unit_test(test_trace_as_recorded_and_stretched),
		cmocka_unit_test(test_trace_longer_than_its_first_allocation),
		cmocka_unit_test(test_what_is_wrong_with_a_trace),
		cmocka_unit_test(test_trace_that_is_no_text),
		cmocka_unit_test(test_files_that_cannot_be_read_and_other_words),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
