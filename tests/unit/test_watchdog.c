/* When a worker hangs, and when the master may say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/watchdog.h"

#include <string.h>

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define NOW (1000 * SECOND)

static struct watchdog set_to(uint64_t limit_us)
{
	struct watchdog w = {0};

	watchdog_set(&w, limit_us, NOW);
	return w;
}

/*
 * A ready worker, forked and ready long ago, whose timer is due at due_us. Not on the stack: there gcc 12's
 * AddressSanitizer does not keep an alignment of 64 with detect_stack_use_after_return.
 */
static struct stats_seat *ready_seat(uint64_t due_us)
{
	static struct stats_seat s;

	memset(&s, 0, sizeof(s));
	atomic_store(&s.pid, 42);
	atomic_store(&s.state, SLOT_READY);
	stats_set(&s.spawned_us, NOW - 100 * SECOND);
	stats_set(&s.ready_us, NOW - 99 * SECOND);
	stats_set(&s.lag_due_us, due_us);
	return &s;
}

static void test_off(void **state)
{
	struct watchdog w = set_to(0);
	struct stats_seat *s = ready_seat(NOW - 90 * SECOND);

	(void)state;
	assert_true(w.due_us == UINT64_MAX);
	assert_false(watchdog_round(&w, NOW + SECOND));
	assert_true(w.due_us == UINT64_MAX);
	assert_false(watchdog_is_hung(&w, s, NOW));
}

/* Looked at often enough: found within the limit, the loop's timer and a round; killed after the grace. */
static void test_rounds_leave_time_for_the_kill(void **state)
{
	static const uint64_t limits[] = {SECOND, 2 * SECOND, 15 * SECOND, 3600 * SECOND};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct watchdog w = set_to(limits[i]);

		assert_true(w.due_us > NOW);
		assert_true(w.due_us - NOW + 100 * MS + WATCHDOG_GRACE_US < SECOND);
		assert_true(watchdog_round(&w, w.due_us));
		assert_true(w.due_us > NOW && w.due_us <= NOW + 400 * MS);
	}
	struct watchdog w = set_to(100 * MS);
	assert_true(w.due_us == NOW + 20 * MS);
}

static void test_silence(void **state)
{
	struct stats_seat *s = ready_seat(NOW + 30 * MS);

	(void)state;
	assert_int_equal(watchdog_silence_us(s, NOW), 0);
	stats_set(&s->lag_due_us, NOW - 700 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 700 * MS);
	/* One that drains turns its loop all the same. */
	atomic_store(&s->state, SLOT_DRAINING);
	assert_int_equal(watchdog_silence_us(s, NOW), 700 * MS);
	/* Nobody is there. */
	atomic_store(&s->pid, 0);
	assert_int_equal(watchdog_silence_us(s, NOW), 0);
}

static void test_silence_before_ready(void **state)
{
	struct stats_seat *s = ready_seat(0);

	(void)state;
	stats_set(&s->ready_us, 0);
	stats_set(&s->spawned_us, NOW - 3 * SECOND);
	assert_int_equal(watchdog_silence_us(s, NOW), 3 * SECOND);
	stats_set(&s->spawned_us, NOW + 1); /* forked after the clock was read */
	assert_int_equal(watchdog_silence_us(s, NOW), 0);
}

/* Whatever an earlier worker of the seat left behind, the new one is as old as its fork. */
static void test_silence_of_a_new_worker(void **state)
{
	struct stats_seat *s = ready_seat(NOW - 50 * SECOND);

	(void)state;
	stats_set(&s->spawned_us, NOW - 5 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 5 * MS);
	stats_set(&s->ready_us, NOW - 2 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 2 * MS);
	stats_set(&s->lag_due_us, 0);
	assert_int_equal(watchdog_silence_us(s, NOW), 2 * MS);
}

/* A job that shares a CPU with those of three other threads may take four times as long. */
static void test_patience_with_threads(void **state)
{
	struct stats_seat *s = ready_seat(NOW + 30 * MS);
	struct watchdog w = {0};

	(void)state;
	watchdog_set(&w, 1000 * MS, NOW - 5000 * MS);
	stats_set(&s->pool_since_us, NOW - 1001 * MS);
	assert_true(watchdog_is_hung(&w, s, NOW));
	stats_set(&s->pool_threads, 4);
	stats_set(&s->pool_since_us, NOW - 4000 * MS);
	assert_false(watchdog_is_hung(&w, s, NOW));
	stats_set(&s->pool_since_us, NOW - 4001 * MS);
	assert_true(watchdog_is_hung(&w, s, NOW));
	assert_true(watchdog_blames_thread(s, NOW));
	/* The loop is not given more for that. */
	stats_set(&s->pool_since_us, NOW - 3000 * MS);
	stats_set(&s->lag_due_us, NOW - 1001 * MS);
	assert_true(watchdog_is_hung(&w, s, NOW));
	assert_false(watchdog_blames_thread(s, NOW));
	assert_int_equal(watchdog_silence_us(s, NOW), 1001 * MS);
}

/* A thread that is long in one job is as bad as a loop that does not turn; and it is said which of both it is. */
static void test_silence_of_a_thread(void **state)
{
	struct stats_seat *s = ready_seat(NOW + 30 * MS);

	(void)state;
	stats_set(&s->pool_since_us, NOW - 900 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 900 * MS);
	assert_true(watchdog_blames_thread(s, NOW));
	stats_set(&s->pool_since_us, NOW - 10 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 10 * MS);
	/* The loop has not told since when its threads were in what they are in now. */
	stats_set(&s->pool_since_us, NOW - 800 * MS);
	stats_set(&s->lag_due_us, NOW - 700 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 700 * MS);
	assert_false(watchdog_blames_thread(s, NOW));
	stats_set(&s->pool_since_us, 0);
	assert_int_equal(watchdog_silence_us(s, NOW), 700 * MS);
	assert_false(watchdog_blames_thread(s, NOW));
	/* Of an earlier worker. */
	stats_set(&s->pool_since_us, NOW - 800 * MS);
	stats_set(&s->spawned_us, NOW - 5 * MS);
	stats_set(&s->ready_us, NOW - 2 * MS);
	assert_int_equal(watchdog_silence_us(s, NOW), 2 * MS);
	stats_set(&s->ready_us, 0);
	assert_int_equal(watchdog_silence_us(s, NOW), 5 * MS);
}

static void test_limit(void **state)
{
	struct watchdog w = set_to(2 * SECOND);
	struct stats_seat *s = ready_seat(NOW - 2 * SECOND);

	(void)state;
	assert_false(watchdog_is_hung(&w, s, NOW));
	assert_true(watchdog_is_hung(&w, s, NOW + 1));
}

/* Rounds that come in time, a bit late as on a busy machine, or early count. */
static void test_rounds_in_time(void **state)
{
	struct watchdog w = set_to(SECOND);
	uint64_t now = NOW;

	(void)state;
	for (int i = 0; i < 20; i++) {
		now = w.due_us + (i % 3 == 0 ? 250 * MS : 0);
		assert_true(watchdog_round(&w, now));
	}
	assert_true(watchdog_round(&w, now + 1));
}

/* The master slept: no verdict for a second, whatever the length. */
static void test_late_rounds(void **state)
{
	static const uint64_t late[] = {251 * MS, SECOND, 3600 * SECOND};

	(void)state;
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		struct watchdog w = set_to(SECOND);
		const uint64_t woke = w.due_us + late[i];

		assert_false(watchdog_round(&w, woke));
		while (w.due_us < woke + SECOND)
			assert_false(watchdog_round(&w, w.due_us));
		assert_true(watchdog_round(&w, woke + SECOND));
	}
	/* With a long limit, a second is no matter. */
	struct watchdog w = set_to(15 * SECOND);
	assert_true(watchdog_round(&w, w.due_us + SECOND));
	assert_false(watchdog_round(&w, w.due_us + SECOND + 1));
}

/* Somebody who reloads all the time neither keeps it from looking, nor hides that it was away. */
static void test_set_again(void **state)
{
	struct watchdog w = set_to(SECOND);
	const uint64_t due = w.due_us;

	(void)state;
	watchdog_set(&w, 15 * SECOND, NOW + 100 * MS);
	assert_true(w.due_us == due);
	watchdog_set(&w, SECOND, due + 10 * SECOND);
	assert_false(watchdog_round(&w, due + 10 * SECOND));
	watchdog_set(&w, 100 * MS, w.due_us - 100 * MS);
	assert_true(w.due_us == due + 10 * SECOND + 120 * MS);
	watchdog_set(&w, 0, NOW);
	assert_true(w.due_us == UINT64_MAX);
	watchdog_set(&w, SECOND, 2 * NOW);
	assert_true(w.due_us == 2 * NOW + 200 * MS);
	assert_true(watchdog_round(&w, w.due_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_rounds_leave_time_for_the_kill),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_before_ready),
		cmocka_unit_test(test_silence_of_a_new_worker),
		cmocka_unit_test(test_silence_of_a_thread),
		cmocka_unit_test(test_patience_with_threads),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_rounds_in_time),
		cmocka_unit_test(test_late_rounds),
		cmocka_unit_test(test_set_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
