#include "lib/number.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define UNTOUCHED INT64_C(-7777)

typedef int parser(int64_t *ret, const char *text, size_t len, int64_t low, int64_t high);

struct sample {
	const char *text;
	int result;
	int64_t value;
};

/*
 * Parses a copy of the text that ends where the next byte is a crash, with rubbish after it
 * forbidden by that, and holds the result and the value against the sample.
 */
static void check(parser *parse, const struct sample *s, int64_t low, int64_t high)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t len = strlen(s->text);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t value = UNTOUCHED;

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	char *text = pages + page - len;
	memcpy(text, s->text, len);
	const int result = parse(&value, text, len, low, high);
	if (result != s->result || value != (s->result == 0 ? s->value : UNTOUCHED))
		fail_msg("\"%s\": result %d, value %lld", s->text, result, (long long)value);
	munmap(pages, 2 * page);
}

#define CHECK_ALL(parse, samples, low, high)                                                       \
	for (size_t i = 0; i < sizeof(samples) / sizeof *(samples); i++)                           \
	check(parse, &(samples)[i], low, high)

static void test_int(void **state)
{
	static const struct sample samples[] = {
		{"0", 0, 0},
		{"7", 0, 7},
		{"-12", 0, -12},
		{"007", 0, 7},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"99999999999999999999999999", -ERANGE, 0},
		{"99999999999999999999999999x", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"1\n", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"ten", -EINVAL, 0},
	};

	(void)state;
	CHECK_ALL(number_parse_int, samples, INT64_MIN, INT64_MAX);
}

static void test_int_range(void **state)
{
	static const struct sample samples[] = {
		{"-3", 0, -3},
		{"5", 0, 5},
		{"-4", -ERANGE, 0},
		{"6", -ERANGE, 0},
		{"6x", -EINVAL, 0},
	};
	int64_t value = UNTOUCHED;

	(void)state;
	CHECK_ALL(number_parse_int, samples, -3, 5);

	/* A NUL is a byte like any other, and the end of the text is len, not a NUL. */
	assert_int_equal(number_parse_int(&value, "1\0", 2, 0, 9), -EINVAL);
	assert_int_equal(value, UNTOUCHED);
	assert_int_equal(number_parse_int(&value, "123", 2, 0, 99), 0);
	assert_int_equal(value, 12);
}

static void test_duration(void **state)
{
	static const struct sample samples[] = {
		{"100us", 0, 100},
		{"20ms", 0, 20000},
		{"1.5s", 0, 1500000},
		{"2m", 0, 120000000},
		{"1h", 0, INT64_C(3600000000)},
		{"0s", 0, 0},
		{"0.25ms", 0, 250},
		{"0.000001s", 0, 1},
		{"0.0000004s", 0, 0},
		{"0.0000005s", 0, 1},
		{"0.999999999999999999999s", 0, 1000000},
		{"2562047788.015215501h", 0, INT64_C(9223372036854775804)},
		{"2562047789h", -ERANGE, 0},
		{"2562047788.9h", -ERANGE, 0},
		{"99999999999999999999us", -ERANGE, 0},
		{"99999999999999999999xs", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"5", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"ms", -EINVAL, 0},
		{".5s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{"1..5s", -EINVAL, 0},
		{"1,5s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1sec", -EINVAL, 0},
		{"1ns", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
	};
	static const struct sample limited[] = {
		{"1ms", 0, 1000},
		{"999us", -ERANGE, 0},
		{"1.001s", -ERANGE, 0},
		{"1s", 0, 1000000},
	};

	(void)state;
	CHECK_ALL(number_parse_duration_us, samples, 0, INT64_MAX);
	CHECK_ALL(number_parse_duration_us, limited, 1000, 1000000);
}

static void test_size(void **state)
{
	static const struct sample samples[] = {
		{"512", 0, 512},
		{"512B", 0, 512},
		{"16KiB", 0, 16384},
		{"1MiB", 0, 1048576},
		{"2GiB", 0, INT64_C(2147483648)},
		{"8589934591GiB", 0, INT64_C(9223372035781033984)},
		{"8589934592GiB", -ERANGE, 0},
		{"9223372036854775808", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"KiB", -EINVAL, 0},
		{"1kB", -EINVAL, 0},
		{"1K", -EINVAL, 0},
		{"1.5KiB", -EINVAL, 0},
		{"1 KiB", -EINVAL, 0},
		{"-1KiB", -EINVAL, 0},
		{"1KiBs", -EINVAL, 0},
	};
	static const struct sample limited[] = {
		{"2KiB", 0, 2048},
		{"2047B", -ERANGE, 0},
		{"4097", -ERANGE, 0},
	};

	(void)state;
	CHECK_ALL(number_parse_size, samples, 0, INT64_MAX);
	CHECK_ALL(number_parse_size, limited, 2048, 4096);
}

static void test_real(void **state)
{
	static const struct {
		const char *text;
		int result;
		double value;
	} samples[] = {
		{"0", 0, 0},
		{"20", 0, 20},
		{"0.95", 0, 0.95},
		{"-1.5", 0, -1.5},
		{"1.0000000000001", 0, 1},
		{"100", 0, 100},
		{"100.5", -ERANGE, 0},
		{"-101", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{".5", -EINVAL, 0},
		{"5.", -EINVAL, 0},
		{"+5", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		double value = 7777;
		const int result = number_parse_real(
			&value, samples[i].text, strlen(samples[i].text), -100, 100);
		const double expected = result == 0 ? samples[i].value : 7777;

		if (result != samples[i].result || value < expected - 1e-9 ||
			value > expected + 1e-9)
			fail_msg("\"%s\": result %d, value %g", samples[i].text, result, value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_int_range),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
