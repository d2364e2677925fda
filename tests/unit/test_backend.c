/* The backend against a Redis that answers what the test says, on a socket of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend_fixture.h"

#include <string.h>

#define GET_K "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

/* --- answers */

static void a_string_and_a_nil_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	assert_string_equal(fake_take(f), GET_K);
	fake_say(f, "$5\r\nhello\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_string_equal(ask.text, "hello");

	ask_get(f, &ask, "k");
	assert_string_equal(fake_take(f), GET_K);
	fake_say(f, "$-1\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_true(ask.nil);
	/* One connection served both. */
	assert_int_equal(f->accepted, 1);
	assert_int_equal(stats_get(&f->seat.calls_made), 2);
	assert_int_equal(stats_get(&f->seat.calls_failed), 0);
	assert_int_equal(stats_get(&f->seat.calls), 0);
}

static void an_empty_string_is_not_nil(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	fake_answer(f, "$0\r\n\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_false(ask.nil);
	assert_string_equal(ask.text, "");
}

static void rows_come_in_order(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_list(f, &ask, "h");
	fake_answer(f, "*4\r\n$1\r\na\r\n$0\r\n\r\n$-1\r\n$3\r\nxyz\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_int_equal(ask.rows, 4);
	assert_string_equal(ask.text, "a||-|xyz|");

	ask_list(f, &ask, "h");
	fake_answer(f, "*0\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_int_equal(ask.rows, 0);
}

static void an_answer_may_come_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	const char *text = "*2\r\n$1\r\na\r\n$2\r\nbc\r\n";

	ask_list(f, &ask, "h");
	(void)fake_take(f);
	for (const char *at = text; *at; at++) {
		assert_false(ask.over);
		fake_write(f, at, 1);
		turn(f);
	}
	wait_for(f, &ask);
	assert_string_equal(ask.text, "a|bc|");
}

/* --- answers that are none */

struct nonsense {
	const char *says, *reason;
	bool list;
};

static const struct nonsense nonsense[] = {
	{"HTTP/1.1 400 Bad Request\r\n", "does not speak its protocol (Protocol error, got \"H\"",
		false},
	{"-LOADING Redis is loading the dataset in memory\r\n",
		"answered an error: LOADING Redis is loading the dataset in memory", false},
	{"-ERR \x01\xff\"\\\r\n", "answered an error: ERR ??\"\\", false},
	{"+OK\r\n", "answered a status where a string was asked for", false},
	{":12\r\n", "answered a number where a string was asked for", false},
	{"*1\r\n$1\r\na\r\n", "answered a list where a string was asked for", false},
	{"$1\r\na\r\n", "answered a string where a list of strings was asked for", true},
	{"$-1\r\n", "answered nothing where a list of strings was asked for", true},
	{"*2\r\n$1\r\na\r\n:5\r\n", "answered a mixed list", true},
	{"*2\r\n*2\r\n$1\r\na\r\n$-1\r\n$1\r\nb\r\n", "answered a mixed list", true},
	{"*2\r\n$1\r\na\r\n*-1\r\n", NULL, true},
	{"*2\r\n*1000000\r\n", "TIMEOUT", true},
	{"*2147483647\r\n", "more than 8 MiB or 131072 rows", true},
	{"*131073\r\n", "more than 8 MiB or 131072 rows", true},
	{"$99999999999999999999\r\n", "does not speak its protocol", false},
	{"*-7\r\n", "does not speak its protocol", true},
};

static void nonsense_is_told_and_harms_nothing(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		const struct nonsense *n = &nonsense[i];
		struct ask ask = {0};
		bool late = n->reason && strcmp(n->reason, "TIMEOUT") == 0;

		backend_set_timeout(f->backend, late ? 30000 : 5000000);
		if (n->list)
			ask_list(f, &ask, "h");
		else
			ask_get(f, &ask, "k");
		fake_answer(f, n->says);
		wait_for(f, &ask);
		if (!n->reason) {
			assert_int_equal(ask.outcome, BACKEND_OK);
			continue;
		}
		assert_int_equal(ask.outcome, late ? BACKEND_LATE : BACKEND_NONSENSE);
		if (!late && !strstr(ask.reason, n->reason))
			fail_msg("%s: %s", n->reason, ask.reason);
		/* And the next one is served. */
		ask_get(f, &ask, "k");
		fake_answer(f, "$1\r\nx\r\n");
		wait_for(f, &ask);
		assert_int_equal(ask.outcome, BACKEND_OK);
	}
}

static void the_reason_is_cut(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	char says[400] = "-";

	memset(says + 1, 'E', 300);
	memcpy(says + 301, "\r\n", 3);
	ask_get(f, &ask, "k");
	fake_answer(f, says);
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_NONSENSE);
	assert_true(strlen(ask.reason) < 140);
	assert_string_equal(ask.reason + strlen(ask.reason) - 4, "E...");
}

/* hiredis 0.14 asserts that nothing comes which was not asked for. */
static void what_was_not_asked_for_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\na\r\n$1\r\nb\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_string_equal(ask.text, "a");

	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\nc\r\n");
	wait_for(f, &ask);
	assert_string_equal(ask.text, "c");
	assert_int_equal(f->accepted, 2);
	/* Nor while nothing is asked. */
	fake_say(f, "$1\r\nd\r\n");
	fake_wait_end(f);
	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\ne\r\n");
	wait_for(f, &ask);
	assert_string_equal(ask.text, "e");
}

static void a_bomb_is_refused_before_it_is_in_memory(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	static char chunk[65536];
	size_t sent = 0;

	ask_get(f, &ask, "k");
	(void)fake_take(f);
	fake_say(f, "$67108864\r\n");
	while (!ask.over) {
		sent += fake_pour(f, chunk, sizeof(chunk));
		turn(f);
		assert_true(sent < (size_t)32 << 20);
	}
	assert_int_equal(ask.outcome, BACKEND_NONSENSE);
	assert_non_null(strstr(ask.reason, "more than 8 MiB"));
}

static void many_rows_are_bounded_together(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	static char row[1024 + 16];
	size_t n = (size_t)snprintf(row, sizeof(row), "$1024\r\n%01024d\r\n", 7);

	ask_list(f, &ask, "h");
	(void)fake_take(f);
	fake_say(f, "*10000\r\n");
	for (size_t at = 0, i = 0; i < 10000 && !ask.over;) {
		at += fake_pour(f, row + at, n - at);
		if (at == n) {
			at = 0;
			i++;
		}
		turn(f);
	}
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_NONSENSE);
	assert_non_null(strstr(ask.reason, "more than 8 MiB"));
}

/* --- connections */

static void refused_calls_fail_at_once_and_say_when(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	fake_stop_listening(f);
	ask_get(f, &ask, "k");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
	assert_in_range(ask_next_attempt_ms(&ask), 26, 50);
	/* No attempt is made for this one. */
	ask_get(f, &ask, "k");
	assert_true(ask.over);
	assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
	assert_non_null(strstr(ask.reason, "refused the connection; the next attempt is in "));
	assert_int_equal(stats_get(&f->seat.calls_failed), 2);

	fake_listen(f);
	uint64_t began_us = clock_us();
	do {
		ask_get(f, &ask, "k");
		if (!ask.over) {
			fake_answer(f, "$1\r\nx\r\n");
			wait_for(f, &ask);
		}
		pause_us(1000);
	} while (ask.outcome != BACKEND_OK && clock_us() - began_us < 2000000);
	assert_int_equal(ask.outcome, BACKEND_OK);
}

static void attempts_become_rarer(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	static const unsigned next_ms[] = {50, 100, 200, 400, 500, 500};

	fake_stop_listening(f);
	for (size_t i = 0; i < sizeof(next_ms) / sizeof(next_ms[0]); i++) {
		ask_get(f, &ask, "k");
		wait_for(f, &ask);
		assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
		/* Some of it may be over when it is told. */
		assert_in_range(ask_next_attempt_ms(&ask), next_ms[i] / 2 + 1, next_ms[i]);
		pause_us(next_ms[i] * 1000u + 1000u);
	}
}

static void a_kept_connection_that_was_closed_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask);
	fake_close(f);
	turn(f);
	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\ny\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_int_equal(f->accepted, 2);
}

static void a_call_that_met_a_closed_connection_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask);
	/* The loop has not been told when the call is begun. */
	fake_close(f);
	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\ny\r\n");
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_string_equal(ask.text, "y");
	/* A fresh one that is closed is told. */
	fake_close(f);
	ask_get(f, &ask, "k");
	fake_take_and_close(f);
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
	/* With the call unread it is reset. */
	assert_true(
		strstr(ask.reason, "closed the connection") || strstr(ask.reason, "broke off ("));
	assert_null(strstr(ask.reason, "middle"));
}

static void half_an_answer_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask);
	ask_get(f, &ask, "k");
	fake_answer(f, "$5\r\nhel");
	turn(f);
	fake_close(f);
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
	assert_non_null(strstr(ask.reason, "closed the connection in the middle of its answer"));
	assert_int_equal(f->accepted, 1);
}

/* --- time */

static void late_calls_are_given_up(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	backend_set_timeout(f->backend, 30000);
	const uint64_t began_us = clock_us();
	ask_get(f, &ask, "k");
	(void)fake_take(f);
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_LATE);
	assert_true(clock_us() - began_us >= 30000);
	assert_non_null(strstr(ask.reason, "did not answer within 30 ms"));
	assert_int_equal(stats_get(&f->seat.calls_late), 1);
	assert_int_equal(stats_get(&f->seat.calls_failed), 0);
	/* Its answer is nobody's. */
	fake_say(f, "$3\r\nold\r\n");
	fake_wait_end(f);
	ask_get(f, &ask, "k");
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &ask);
	assert_string_equal(ask.text, "x");
}

static void a_connection_that_is_not_accepted_is_given_up(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};

	fake_refuse_quietly(f);
	backend_set_timeout(f->backend, 30000);
	ask_get(f, &ask, "k");
	assert_false(ask.over);
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_LATE);
	assert_non_null(strstr(ask.reason, "did not accept the connection within 30 ms"));
	ask_get(f, &ask, "k");
	assert_true(ask.over);
	assert_int_equal(ask.outcome, BACKEND_UNREACHABLE);
	assert_non_null(strstr(ask.reason, "Connection timed out"));
}

static void a_shorter_timeout_overtakes(void **state)
{
	struct fixture *f = *state;
	struct ask slow = {0}, quick = {0};

	ask_get(f, &slow, "k");
	backend_set_timeout(f->backend, 20000);
	ask_get(f, &quick, "k");
	wait_for(f, &quick);
	assert_int_equal(quick.outcome, BACKEND_LATE);
	assert_false(slow.over);
	assert_int_equal(stats_get(&f->seat.calls), 1);
	backend_cancel(f->backend, &slow.call);
}

/* The answer lies in the socket for 30 ms while the loop does something else. The best of some rounds, as a busy machine
 * may take the processor from the test at any time. */
static void the_kernel_knows_when_it_came(void **state)
{
	struct fixture *f = *state;
	uint64_t best_us = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		struct ask ask = {0};

		ask_get(f, &ask, "k");
		(void)fake_take(f);
		uint64_t said_us = clock_us();
		fake_say(f, "$1\r\nx\r\n");
		pause_us(30000);
		wait_for(f, &ask);
		assert_true(ask.seen_us - said_us >= 30000);
		assert_true(ask.sent_us <= said_us);
		/* The kernel begins to note times a moment after somebody first wants them. */
		if (ask.came_us == 0)
			continue;
		assert_true(ask.came_us >= ask.sent_us && ask.came_us <= ask.seen_us);
		uint64_t off_us =
			ask.came_us > said_us ? ask.came_us - said_us : said_us - ask.came_us;
		if (off_us < best_us)
			best_us = off_us;
	}
	assert_true(best_us < 2000);
}

/* --- many */

static void calls_beyond_the_connections_wait_and_beyond_that_fail(void **state)
{
	struct fixture *f = *state;
	static struct ask ask[64 + 1024 + 1];

	memset(ask, 0, sizeof(ask));
	for (size_t i = 0; i < 64 + 1024; i++) {
		ask_get(f, &ask[i], "k");
		assert_false(ask[i].over);
	}
	assert_int_equal(stats_get(&f->seat.calls), 64 + 1024);
	ask_get(f, &ask[64 + 1024], "k");
	assert_int_equal(ask[64 + 1024].outcome, BACKEND_CROWDED);
	assert_non_null(strstr(ask[64 + 1024].reason, "too many calls wait"));
	/* One leaves, one is answered: those who waited longest are next. */
	backend_cancel(f->backend, &ask[0].call);
	fake_has_accepted(f, 64);
	fake_use(f, 1);
	fake_say(f, "$1\r\nx\r\n");
	wait_for(f, &ask[1]);
	fake_has_accepted(f, 65);
	fake_drop_ended(f);
	assert_int_equal(f->clients, 64);
	assert_int_equal(ask[1].outcome, BACKEND_OK);
	assert_int_equal(stats_get(&f->seat.calls), 64 + 1024 - 2);
	/* Redis goes: nobody is left behind. */
	fake_stop_listening(f);
	fake_close_all(f);
	for (size_t i = 2; i < 64 + 1024; i++) {
		wait_for(f, &ask[i]);
		assert_int_equal(ask[i].outcome, BACKEND_UNREACHABLE);
	}
	assert_int_equal(stats_get(&f->seat.calls), 0);
}

/* --- ends */

static void cancelled_calls_are_silent_in_every_state(void **state)
{
	struct fixture *f = *state;
	struct ask sent = {0}, half = {0}, kept = {0}, connecting = {0};

	backend_cancel(f->backend, &sent.call);
	ask_get(f, &sent, "k");
	backend_cancel(f->backend, &sent.call);
	backend_cancel(f->backend, &sent.call);
	fake_take_and_close(f);

	ask_get(f, &half, "k");
	fake_answer(f, "$5\r\nhel");
	turn(f);
	backend_cancel(f->backend, &half.call);
	fake_wait_end(f);

	ask_get(f, &kept, "k");
	fake_answer(f, "$1\r\nx\r\n");
	wait_for(f, &kept);
	kept.over = false;
	ask_get(f, &kept, "k");
	backend_cancel(f->backend, &kept.call);

	fake_refuse_quietly(f);
	ask_get(f, &connecting, "k");
	backend_cancel(f->backend, &connecting.call);
	turn(f);
	assert_false(sent.over || half.over || kept.over || connecting.over);
	assert_int_equal(stats_get(&f->seat.calls), 0);
}

static void freed_with_calls_in_every_state(void **state)
{
	struct fixture *f = *state;
	static struct ask ask[70];

	memset(ask, 0, sizeof(ask));
	ask_get(f, &ask[0], "k");
	fake_answer(f, "*3\r\n$1\r\na\r\n$4\r\nb");
	turn(f);
	for (size_t i = 1; i < 70; i++)
		ask_get(f, &ask[i], "k");
	backend_free(f->backend);
	f->backend = NULL;
	for (size_t i = 0; i < 70; i++)
		assert_false(ask[i].over);
	assert_int_equal(stats_get(&f->seat.calls), 0);
}

/* A call begun by the answer to another, as /lab/latency does. */
static void an_answer_may_begin_the_next_call(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {.rounds = 3};

	ask_get(f, &ask, "k");
	for (int i = 0; i < 3; i++) {
		assert_false(ask.over);
		fake_answer(f, "$1\r\nx\r\n");
		turn(f);
	}
	wait_for(f, &ask);
	assert_int_equal(ask.outcome, BACKEND_OK);
	assert_int_equal(f->accepted, 1);
	assert_int_equal(stats_get(&f->seat.calls_made), 3);
}

static void without_an_address_it_says_so(void **state)
{
	struct fixture *f = *state;
	struct ask ask = {0};
	struct backend *none = NULL, *wrong = NULL;

	assert_int_equal(backend_new(&wrong, &f->server, "redis.example", 1000000), -EINVAL);
	assert_null(wrong);
	assert_int_equal(backend_new(&none, &f->server, "", 1000000), 0);
	backend_free(f->backend);
	f->backend = none;
	ask_get(f, &ask, "k");
	assert_true(ask.over);
	assert_int_equal(ask.outcome, BACKEND_ABSENT);
	assert_string_equal(ask.reason, "lab.redis is not set");
	assert_int_equal(stats_get(&f->seat.calls_made), 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_string_and_a_nil_are_told_apart),
		EACH(an_empty_string_is_not_nil),
		EACH(rows_come_in_order),
		EACH(an_answer_may_come_byte_by_byte),
		EACH(nonsense_is_told_and_harms_nothing),
		EACH(the_reason_is_cut),
		EACH(what_was_not_asked_for_ends_the_connection),
		EACH(a_bomb_is_refused_before_it_is_in_memory),
		EACH(many_rows_are_bounded_together),
		EACH(refused_calls_fail_at_once_and_say_when),
		EACH(attempts_become_rarer),
		EACH(a_kept_connection_that_was_closed_is_noticed),
		EACH(a_call_that_met_a_closed_connection_is_made_again),
		EACH(half_an_answer_is_not_asked_for_again),
		EACH(late_calls_are_given_up),
		EACH(a_connection_that_is_not_accepted_is_given_up),
		EACH(a_shorter_timeout_overtakes),
		EACH(the_kernel_knows_when_it_came),
		EACH(calls_beyond_the_connections_wait_and_beyond_that_fail),
		EACH(cancelled_calls_are_silent_in_every_state),
		EACH(freed_with_calls_in_every_state),
		EACH(an_answer_may_begin_the_next_call),
		EACH(without_an_address_it_says_so),
	};

	if (!backend_is_built()) {
		print_message("left out: built without hiredis\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
