/* server/stats/change: records of what operators asked for. test_change_race reads them while they are written. */
#include "server/stats/change.h"

#include "server/stats/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* One that takes so long that others have its place by now ends without a record: theirs stays. */
static void a_newer_record_is_not_overwritten(void **state)
{
	struct change slow;

	(void)state;
	change_begin(&all, &slow, CHANGE_RELOAD, 1, "slow");
	for (int i = 0; i < STATS_CHANGES - 1; i++)
		change_begin(&all, &c, CHANGE_RELOAD, 2, "quick");
	change_progress(&all, &slow, 1, 2);
	assert_true(change_read(&all, 1, &seen));
	assert_int_equal(seen.done, 1);
	change_begin(&all, &c, CHANGE_RELOAD, 2, "the same place");
	change_progress(&all, &slow, 2, 2);
	change_tell(&all, &slow, "nearly");
	change_end(&all, &slow, CHANGE_DONE, 3, "at last");
	assert_string_equal(slow.text, "at last");
	assert_false(change_read(&all, 1, &seen));
	assert_true(change_read(&all, STATS_CHANGES + 1, &seen));
	assert_string_equal(seen.text, "the same place");
	assert_int_equal(seen.state, CHANGE_RUNNING);
}

/* Pages of the shared memory that holds the ring which are there. */
static size_t pages_touched(struct stats_region *r, size_t *ret_pages)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = (uintptr_t)&r->changes / page * page;
	const size_t n = ((uintptr_t)(&r->changes + 1) - from + page - 1) / page;
	unsigned char there[64];
	size_t touched = 0;

	assert_true(n <= sizeof(there));
	assert_int_equal(mincore((void *)from, n * page, there), 0);
	for (size_t i = 0; i < n; i++)
		touched += there[i] & 1;
	*ret_pages = n;
	return touched;
}

static void what_is_not_used_costs_no_memory(void **state)
{
	struct stats_region *r = stats_region_new(1);
	size_t pages;

	(void)state;
	assert_non_null(r);
	assert_int_equal(change_count(&r->changes), 0);
	assert_true(pages_touched(r, &pages) <= 1);
	change_begin(&r->changes, &c, CHANGE_RELOAD, 1, "reading");
	change_end(&r->changes, &c, CHANGE_DONE, 1, "done");
	assert_true(change_read(&r->changes, change_count(&r->changes), &seen));
	assert_true(pages_touched(r, &pages) <= 2);
	for (int i = 0; i < STATS_CHANGES; i++)
		change_begin(&r->changes, &c, CHANGE_RELOAD, 1, "reading");
	assert_int_equal(pages_touched(r, &pages), pages);
	assert_true(pages > 3);
	stats_region_free(r);
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
		TEST(a_newer_record_is_not_overwritten),
		TEST(what_is_not_used_costs_no_memory),
		TEST(a_long_text_is_cut),
		TEST(kinds_and_states_have_names),
		TEST(a_write_that_never_ends_is_given_up),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
