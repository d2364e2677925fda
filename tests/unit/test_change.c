/* server/stats/change: records of what operators asked for. test_change_race reads them while they are written. */
#include "server/stats/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct stats_changes all;
static struct change c, seen;

static int set_up(void **state)
{
	(void)state;
	memset(&all, 0, sizeof(all));
	memset(&seen, 0x5a, sizeof(seen));
	return 0;
}

static void a_change_is_told_from_beginning_to_end(void **state)
{
	(void)state;
	assert_int_equal(change_count(&all), 0);
	change_begin(&all, &c, CHANGE_SCALE, 1000, "from %d to %d workers", 2, 8);
	assert_int_equal(change_count(&all), 1);
	assert_true(change_read(&all, 1, &seen));
	assert_int_equal(seen.number, 1);
	assert_int_equal(seen.kind, CHANGE_SCALE);
	assert_int_equal(seen.state, CHANGE_RUNNING);
	assert_int_equal(seen.begun_us, 1000);
	assert_int_equal(seen.ended_us, 0);
	assert_string_equal(seen.text, "from 2 to 8 workers");

	c.target = 8;
	change_progress(&all, &c, 3, 8);
	assert_true(change_read(&all, 1, &seen));
	assert_int_equal(seen.done, 3);
	assert_int_equal(seen.total, 8);
	assert_int_equal(seen.target, 8);
	assert_string_equal(seen.text, "from 2 to 8 workers");

	change_end(&all, &c, CHANGE_DONE, 2000, "%s", "8 workers");
	assert_true(change_read(&all, 1, &seen));
	assert_int_equal(seen.state, CHANGE_DONE);
	assert_int_equal(seen.ended_us, 2000);
	assert_int_equal(seen.done, 3);
	assert_string_equal(seen.text, "8 workers");
	assert_int_equal(change_count(&all), 1);
}

static void those_that_are_not_kept_are_not_read(void **state)
{
	struct change untouched;

	(void)state;
	untouched = seen;
	assert_false(change_read(&all, 0, &seen));
	assert_false(change_read(&all, 1, &seen));
	for (int i = 0; i < STATS_CHANGES + 2; i++)
		change_begin(&all, &c, CHANGE_RELOAD, 1, "%d", i);
	assert_int_equal(change_count(&all), STATS_CHANGES + 2);
	assert_false(change_read(&all, 0, &seen));
	assert_false(change_read(&all, 1, &seen));
	assert_false(change_read(&all, 2, &seen));
	assert_false(change_read(&all, STATS_CHANGES + 3, &seen));
	assert_memory_equal(&seen, &untouched, sizeof(seen));
	for (uint64_t n = 3; n <= STATS_CHANGES + 2; n++) {
		char text[8];

		assert_true(change_read(&all, n, &seen));
		assert_int_equal(seen.number, n);
		(void)snprintf(text, sizeof(text), "%d", (int)n - 1);
		assert_string_equal(seen.text, text);
	}
}

static void a_long_text_is_cut(void **state)
{
	char text[2 * STATS_CHANGE_BYTES];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	change_begin(&all, &c, CHANGE_RELOAD, 1, "%s", text);
	assert_true(change_read(&all, 1, &seen));
	assert_int_equal(strlen(seen.text), STATS_CHANGE_BYTES - 1);
}

static void kinds_and_states_have_names(void **state)
{
	(void)state;
	assert_string_equal(change_kind_name(CHANGE_RELOAD), "reload");
	assert_string_equal(change_kind_name(CHANGE_SCALE), "scale");
	assert_string_equal(change_kind_name(CHANGE_UPGRADE), "upgrade");
	assert_string_equal(change_state_name(CHANGE_RUNNING), "running");
	assert_string_equal(change_state_name(CHANGE_DONE), "done");
	assert_string_equal(change_state_name(CHANGE_FAILED), "failed");
	assert_string_equal(change_state_name(CHANGE_SUPERSEDED), "superseded");
}

/* A writer that died in the middle of a write: there is an end to trying again. */
static void a_write_that_never_ends_is_given_up(void **state)
{
	(void)state;
	change_begin(&all, &c, CHANGE_RELOAD, 1, "reading");
	atomic_fetch_add(&all.ring[1].sequence, 1);
	assert_false(change_read(&all, 1, &seen));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_change_is_told_from_beginning_to_end),
		TEST(those_that_are_not_kept_are_not_read),
		TEST(a_long_text_is_cut),
		TEST(kinds_and_states_have_names),
		TEST(a_write_that_never_ends_is_given_up),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
