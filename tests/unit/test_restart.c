/* When a dead child's successor starts: the back-off of quick deaths, and the pace of all others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/restart.h"

#include <signal.h>
#include <sys/wait.h>

#define SECOND UINT64_C(1000000)
#define EXITED(code) ((code) << 8)

static void test_quick_deaths(void **state)
{
	(void)state;
	/* Before it was ready, whatever the cause. */
	assert_true(restart_was_quick(SIGKILL, 0, 100 * SECOND));
	assert_true(restart_was_quick(EXITED(0), 0, 100 * SECOND));
	/* By its own fault within a second of being ready. */
	assert_true(restart_was_quick(SIGSEGV, 10 * SECOND, 11 * SECOND));
	assert_true(restart_was_quick(SIGABRT, 10 * SECOND, 10 * SECOND));
	assert_true(restart_was_quick(EXITED(1), 10 * SECOND, 10 * SECOND + 5));
}

static void test_other_deaths(void **state)
{
	(void)state;
	assert_false(restart_was_quick(SIGSEGV, 10 * SECOND, 11 * SECOND + 1));
	assert_false(restart_was_quick(SIGKILL, 10 * SECOND, 10 * SECOND + 5));
	assert_false(restart_was_quick(SIGTERM, 10 * SECOND, 10 * SECOND + 5));
	assert_false(restart_was_quick(EXITED(0), 10 * SECOND, 10 * SECOND + 5));
}

static void test_backoff_doubles_and_parks(void **state)
{
	static const uint64_t expected_ms[] = {
		50, 100, 200, 400, 800, 10000, 20000, 40000, 80000, 160000, 300000, 300000, 300000};
	struct restart c = {.spawned_us = SECOND};

	(void)state;
	for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++) {
		restart_schedule(&c, true, 2 * SECOND);
		assert_int_equal(c.start_us, 2 * SECOND + expected_ms[i] * 1000);
		assert_int_equal(c.parked, i + 1 >= RESTART_QUICK_DEATHS);
	}
}

/* One death of another kind, and the row is over: also that of a parked slot, which tries again now and then. */
static void test_another_death_ends_the_row(void **state)
{
	struct restart c = {.spawned_us = SECOND};

	(void)state;
	for (unsigned deaths = 1; deaths < 9; deaths++) {
		for (unsigned i = 0; i < deaths; i++)
			restart_schedule(&c, true, 2 * SECOND);
		restart_schedule(&c, false, 3 * SECOND);
		assert_int_equal(c.start_us, 3 * SECOND);
		assert_false(c.parked);
		restart_schedule(&c, true, 4 * SECOND);
		assert_int_equal(c.start_us, 4 * SECOND + 50000);
		assert_false(c.parked);
		restart_schedule(&c, false, 5 * SECOND);
	}
}

static void test_other_deaths_restart_at_once_but_every_50_ms(void **state)
{
	struct restart c = {.spawned_us = 10 * SECOND};

	(void)state;
	restart_schedule(&c, false, 10 * SECOND + 20000);
	assert_int_equal(c.start_us, 10 * SECOND + 50000);
	restart_schedule(&c, false, 10 * SECOND + 50000);
	assert_int_equal(c.start_us, 10 * SECOND + 50000);
	restart_schedule(&c, false, 20 * SECOND);
	assert_int_equal(c.start_us, 20 * SECOND);
}

static void test_cause(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(
		restart_cause(SIGKILL, text, sizeof(text)), "killed by signal 9 (SIGKILL)");
	assert_string_equal(restart_cause(SIGSEGV | 0x80, text, sizeof(text)),
		"killed by signal 11 (SIGSEGV), core dumped");
	assert_string_equal(restart_cause(EXITED(3), text, sizeof(text)), "exited with code 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick_deaths),
		cmocka_unit_test(test_other_deaths),
		cmocka_unit_test(test_backoff_doubles_and_parks),
		cmocka_unit_test(test_another_death_ends_the_row),
		cmocka_unit_test(test_other_deaths_restart_at_once_but_every_50_ms),
		cmocka_unit_test(test_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
