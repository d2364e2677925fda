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
	const uint64_t tried_us = clock_us();
	ask_get(f, &ask[1], "k");
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
	assert_true(clock_us() >= tried_us + 1000000);
	comes_back_for(f, &ask[2], &ask[3]);
	assert_false(ask[0].over || ask[1].over);
}

static void whoever_leaves_soon_silences_nothing(void **state)
{
	struct fixture *f = *state;
	struct ask ask[3] = {0};

	ask_get(f, &ask[0], "k");
	backend_cancel(f->backend, &ask[0].call);
	ask_get(f, &ask[1], "k");
	ask_get(f, &ask[2], "k");
	fake_has_accepted(f, 3);
	comes_back_for(f, &ask[1], &ask[2]);
}

/* New connections are answered, but 10 ms after they were made. */
static void answer_new(struct fixture *f, uint64_t *accepted_us)
{
	const int before = f->accepted;

	fake_accept_all(f);
	if (f->accepted > before)
		*accepted_us = clock_us();
	if (*accepted_us == 0 || clock_us() < *accepted_us + 10000)
		return;
	*accepted_us = 0;
	fake_use(f, f->clients - 1);
	fake_say(f, "$1\r\nx\r\n");
}

/* Whoever has waited longest has no time left for the one connection that is tried. */
static void it_ends_though_the_ear_hears_nothing(void **state)
{
	struct fixture *f = *state;
	static struct ask ask[1000];
	uint64_t accepted_us = 0;
	size_t asked = 2;

	memset(ask, 0, sizeof(ask));
	backend_set_timeout(f->backend, 30000);
	ask_get(f, &ask[0], "k");
	wait_for(f, &ask[0]);
	ask_get(f, &ask[1], "k");
	wait_for(f, &ask[1]);
	fake_has_accepted(f, 2);
	backend_set_timeout(f->backend, 300000);
	do {
		assert_true(asked < sizeof(ask) / sizeof(ask[0]));
		ask_get(f, &ask[asked++], "k");
		pause_us(4000);
		answer_new(f, &accepted_us);
		turn(f);
	} while (stats_get(&f->seat.calls_late) == asked - stats_get(&f->seat.calls));
	assert_int_equal(f->accepted, 3);
}

/* A connection on which a call had little time left is not what was silent. */
static void a_call_that_waited_blames_no_connection(void **state)
{
	struct fixture *f = *state;
	static struct ask busy[BACKEND_LINKS];
	struct ask waits = {0}, next = {0};

	memset(busy, 0, sizeof(busy));
	for (size_t i = 0; i < BACKEND_LINKS; i++)
		ask_get(f, &busy[i], "k");
	fake_has_accepted(f, BACKEND_LINKS);
	backend_set_timeout(f->backend, 600000);
	ask_get(f, &waits, "k");
	pause_us(400000);
	fake_use(f, 0);
	fake_say(f, "$1\r\nx\r\n");
	wait_for(f, &busy[0]);
	assert_false(waits.over);
	wait_for(f, &waits);
	assert_int_equal(waits.outcome, BACKEND_LATE);
	assert_non_null(strstr(waits.reason, "has not answered the calls before this one"));
	backend_cancel(f->backend, &busy[1].call);
	backend_cancel(f->backend, &busy[2].call);
	ask_get(f, &next, "k");
	fake_has_accepted(f, BACKEND_LINKS + 1);
	backend_cancel(f->backend, &next.call);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_silent_one_gets_one_connection_at_a_time),
		EACH(after_a_late_one_the_next_is_tried_at_once),
		EACH(silence_is_noticed_though_all_leave),
		EACH(whoever_leaves_soon_silences_nothing),
		EACH(it_ends_though_the_ear_hears_nothing),
		EACH(a_call_that_waited_blames_no_connection),
	};

	if (!backend_is_built()) {
		print_message("left out: built without hiredis\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
