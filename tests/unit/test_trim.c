/* When memory is given back after a crowd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/trim.h"

#define SECOND_US UINT64_C(1000000)

static void test_few_connections_are_no_crowd(void **state)
{
	struct trim t = {0};

	(void)state;
	for (uint64_t peak = 0; peak < 100; peak++)
		assert_false(trim_is_due(&t, 0, peak, 100 * SECOND_US));
	assert_true(trim_is_due(&t, 0, 100, 100 * SECOND_US));
}

static void test_half_of_a_crowd_has_to_leave(void **state)
{
	struct trim t = {0};

	(void)state;
	assert_false(trim_is_due(&t, 1000, 1000, 100 * SECOND_US));
	assert_false(trim_is_due(&t, 501, 1000, 100 * SECOND_US));
	assert_true(trim_is_due(&t, 500, 1000, 100 * SECOND_US));
}

/* Each time when half of the rest has left, however few those are, but for the last ones. */
static void test_the_rest_of_a_crowd(void **state)
{
	struct trim t = {0};
	uint64_t now_us = 100 * SECOND_US, peak = 1000;
	unsigned times = 0;

	(void)state;
	for (uint64_t open = 1000; open > 0; open--, now_us += SECOND_US) {
		if (!trim_is_due(&t, open - 1, peak, now_us))
			continue;
		trim_memory(&t, open - 1, now_us);
		peak = open - 1;
		times++;
	}
	/* 500, 250, 125, 62, 31, 15. */
	assert_int_equal(times, 6);
	assert_false(trim_is_due(&t, 0, 0, now_us));
}

static void test_not_more_than_once_a_second(void **state)
{
	struct trim t = {0};
	const uint64_t now_us = 100 * SECOND_US;

	(void)state;
	assert_true(trim_is_due(&t, 0, 1000, now_us));
	trim_memory(&t, 0, now_us);
	assert_false(trim_is_due(&t, 0, 0, now_us + SECOND_US));
	assert_false(trim_is_due(&t, 0, 1000, now_us + SECOND_US - 1));
	/* It is not forgotten. */
	assert_true(trim_is_due(&t, 0, 1000, now_us + SECOND_US));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_connections_are_no_crowd),
		cmocka_unit_test(test_half_of_a_crowd_has_to_leave),
		cmocka_unit_test(test_the_rest_of_a_crowd),
		cmocka_unit_test(test_not_more_than_once_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
