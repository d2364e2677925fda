/* The backend while Redis takes connections and answers nothing (server/backend/link_pool.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend_fixture.h"

#include <string.h>

/* It comes back, and answers what it was asked long ago on the first connection: whoever waits is served at once. */
static void comes_back_for(struct fixture *f, const struct ask *one, const struct ask *other)
{
	fake_use(f, 0);
	fake_say(f, "$3\r\nold\r\n");
	fake_wait_end(f);
	fake_accept_all(f);
	for (int i = 0; i < 2; i++) {
		fake_use(f, i);
		fake_answer(f, "$1\r\nx\r\n");
	}
	wait_for(f, one);
	wait_for(f, other);
	assert_string_equal(one->text, "x");
	assert_string_equal(other->text, "x");
}

/* So that a frozen Redis does not come back to a queue of connections that nobody wants any more. */
static void a_silent_one_gets_one_connection_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct ask ask[4] = {0};

	backend_set_timeout(f->backend, 30000);
	ask_get(f, &ask[0], "k");
	(void)fake_take(f);
	wait_for(f, &ask[0]);
	assert_int_equal(ask[0].outcome, BACKEND_LATE);
	for (size_t i = 1; i < 4; i++)
		ask_get(f, &ask[i], "k");
	wait_for(f, &ask[3]);
	assert_int_equal(ask[1].outcome, BACKEND_LATE);
	assert_int_equal(ask[3].outcome, BACKEND_LATE);
	assert_non_null(strstr(ask[3].reason, "has not answered the calls before this one"));
	fake_has_accepted(f, 2);
	fake_drop_ended(f);
	assert_int_equal(f->clients, 1);
	backend_set_timeout(f->backend, 5000000);
	ask_get(f, &ask[1], "k");
	ask_get(f, &ask[2], "k");
	fake_has_accepted(f, 2);
	comes_back_for(f, &ask[1], &ask[2]);
}

/* The one that was late may have been slow for a reason of its own. */
static void after_a_late_one_the_next_is_tried_at_once(void **state)
{
	struct fixture *f = *state;
	struct ask ask[3] = {0};

	backend_set_timeout(f->backend, 30000);
	ask_get(f, &ask[0], "slow");
	(void)fake_take(f);
	wait_for(f, &ask[0]);
	backend_set_timeout(f->backend, 5000000);
	ask_get(f, &ask[1], "k");
	ask_get(f, &ask[2], "k");
	fake_has_accepted(f, 2);
	fake_use(f, 1);
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask[1]);
	assert_string_equal(ask[1].text, "x");
	/* It speaks; nothing more is expected from the one that was late, and the other one is served where the last was. */
	fake_use(f, 0);
	fake_wait_end(f);
	fake_use(f, 0);
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask[2]);
	fake_has_accepted(f, 2);
}

/* Clients that have no patience do not hide that nothing is answered. */
static void silence_is_noticed_though_all_leave(void **state)
{
	struct fixture *f = *state;
	struct ask ask[4] = {0};

	ask_get(f, &ask[0], "k");
	(void)fake_take(f);
	pause_us(260000);
	backend_cancel(f->backend, &ask[0].call);
	ask_get(f, &ask[1], "k");
	const uint64_t tried_us = clock_us();
	fake_has_accepted(f, 2);
	backend_cancel(f->backend, &ask[1].call);
	ask_get(f, &ask[2], "k");
	ask_get(f, &ask[3], "k");
	fake_has_accepted(f, 2);
	fake_drop_ended(f);
	/* The first one's connection is kept, and one more is tried a second after the last. */
	assert_int_equal(f->clients, 1);
	while (f->accepted == 2) {
		assert_true(clock_us() < tried_us + FIXTURE_PATIENCE_US);
		turn(f);
		fake_accept_all(f);
		pause_us(500);
	}
	assert_true(clock_us() >= tried_us + 990000);
	comes_back_for(f, &ask[2], &ask[3]);
	assert_false(ask[0].over || ask[1].over);
}

static void whoever_leaves_soon_silences_nothing(void **state)
{
	struct fixture *f = *state;
	struct ask ask[3] = {0};

	ask_get(f, &ask[0], "k");
	(void)fake_take(f);
	backend_cancel(f->backend, &ask[0].call);
	ask_get(f, &ask[1], "k");
	ask_get(f, &ask[2], "k");
	fake_has_accepted(f, 3);
	comes_back_for(f, &ask[1], &ask[2]);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_silent_one_gets_one_connection_at_a_time),
		EACH(after_a_late_one_the_next_is_tried_at_once),
		EACH(silence_is_noticed_though_all_leave),
		EACH(whoever_leaves_soon_silences_nothing),
	};

	if (!backend_is_built()) {
		print_message("left out: built without hiredis\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
