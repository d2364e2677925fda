/* server/ctl/outcome: which record tells what came of a signal. */
#include "server/ctl/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct report report;

static struct report_change *add(const char *kind, uint64_t begun_us, uint32_t target)
{
	struct report_change *c = &report.change[report.changes++];

	*c = (struct report_change){
		.number = report.changes, .begun_us = begun_us, .target = target};
	(void)snprintf(c->kind, sizeof(c->kind), "%s", kind);
	strcpy(c->state, "running");
	return c;
}

static int set_up(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	return 0;
}

static void it_is_the_first_of_its_kind_since_then(void **state)
{
	(void)state;
	assert_null(outcome_find(&report, "reload", 0, 0));
	add("reload", 100, 0);
	add("upgrade", 200, 0);
	assert_null(outcome_find(&report, "reload", 101, 0));
	add("reload", 300, 0);
	add("reload", 400, 0);
	assert_int_equal(outcome_find(&report, "reload", 100, 0)->number, 1);
	assert_int_equal(outcome_find(&report, "reload", 101, 0)->number, 3);
	assert_int_equal(outcome_find(&report, "upgrade", 101, 0)->number, 2);
	assert_null(outcome_find(&report, "scale", 0, 0));
}

/* Of two that scale at the same time, each waits for its own. */
static void a_scaling_is_known_by_its_target(void **state)
{
	(void)state;
	add("scale", 100, 3);
	add("scale", 101, 5);
	add("scale", 102, 3);
	assert_int_equal(outcome_find(&report, "scale", 100, 5)->number, 2);
	assert_int_equal(outcome_find(&report, "scale", 100, 3)->number, 1);
	assert_int_equal(outcome_find(&report, "scale", 101, 3)->number, 3);
	assert_null(outcome_find(&report, "scale", 100, 4));
}

/* Many others of its kind do not change which one is waited for. */
static void it_is_pinned_by_its_number(void **state)
{
	struct report_change seen = *add("reload", 100, 0);

	(void)state;
	add("reload", 200, 0);
	assert_int_equal(outcome_again(&report, &seen)->number, 1);
	assert_false(outcome_has_fallen_out(&report, &seen));
	report.change[0] = report.change[1];
	report.changes = 1;
	assert_null(outcome_again(&report, &seen));
	assert_true(outcome_has_fallen_out(&report, &seen));
	/* Nothing is said of it either by a report without any. */
	report.changes = 0;
	assert_null(outcome_again(&report, &seen));
	assert_false(outcome_has_fallen_out(&report, &seen));
}

static void it_is_known_when_it_does_not_run(void **state)
{
	struct report_change *c = add("reload", 100, 0);

	(void)state;
	assert_false(outcome_is_known(c));
	strcpy(c->state, "done");
	assert_true(outcome_is_known(c) && outcome_is_good(c));
	strcpy(c->state, "failed");
	assert_true(outcome_is_known(c) && !outcome_is_good(c));
	strcpy(c->state, "superseded");
	assert_true(outcome_is_known(c) && !outcome_is_good(c));
}

static void patience_is_for_one_drain_after_the_other(void **state)
{
	(void)state;
	assert_true(outcome_patience_us(0, 10000) >= 5000000);
	assert_true(outcome_patience_us(8, 10000) >= 80000000);
	assert_true(outcome_patience_us(8, 10000) <= 120000000);
	assert_true(outcome_patience_us(1024, 3600000) >= UINT64_C(1024) * 3600000000);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_the_first_of_its_kind_since_then),
		TEST(a_scaling_is_known_by_its_target),
		TEST(it_is_pinned_by_its_number),
		TEST(it_is_known_when_it_does_not_run),
		TEST(patience_is_for_one_drain_after_the_other),
	};

	return cmocka_run_group_tests_name("ctl_outcome", tests, NULL, NULL);
}
