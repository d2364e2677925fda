#include "server/drain.h"

#include "config/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS UINT64_C(1000)
#define PERIOD (HEALTH_CHECK_MS * MS * (100 + HEALTH_CHECK_SPREAD) / 100)
#define HEARD (PERIOD + 100 * MS)
#define LIMIT (10000 * MS)
#define T UINT64_C(50000000) /* when the drain begins */

/* A drain that began at T; checked_us 0: nobody has asked. */
static struct drain begun(enum drain_kind kind, bool balanced, uint64_t checked_us)
{
	struct drain d = {0};

	if (checked_us > 0)
		drain_note_check(&d, checked_us);
	drain_begin(&d, kind, balanced, LIMIT, T);
	return d;
}

static void nothing_is_refused_before_it_begins(void **state)
{
	(void)state;
	struct drain d = {0};

	drain_note_check(&d, T);
	assert_false(drain_refuses_checks(&d));
	assert_int_equal(d.refused, 0);
	assert_true(drain_door_us(&d) == UINT64_MAX);
	assert_false(drain_closes_door(&d, UINT64_MAX));
}

static void hand_over_closes_at_once_and_stays_healthy(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_HAND_OVER, true, T - 10 * MS);

	drain_note_check(&d, T + 5 * MS);
	assert_false(drain_refuses_checks(&d));
	assert_int_equal(d.refused, 0);
	assert_true(drain_closes_door(&d, T));
	assert_true(drain_idle_us(&d) == 300 * MS);
}

static void retire_waits_until_it_was_heard(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_RETIRE, true, T - 10 * MS);

	assert_true(drain_refuses_checks(&d));
	assert_false(drain_closes_door(&d, T));
	drain_note_check(&d, T + 490 * MS);
	assert_int_equal(d.refused, 1);
	assert_true(drain_door_us(&d) == T + HEARD);
	assert_false(drain_closes_door(&d, T + HEARD - 1));
	assert_true(drain_closes_door(&d, T + HEARD));
	/* Not before HAProxy has heard of it do the requests on idle connections stop. */
	assert_true(drain_idle_us(&d) == HEARD);
}

/* The loop was blocked, and the check that waited for it was answered only now. */
static void a_late_answer_is_given_time_to_arrive(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_RETIRE, true, T - 10 * MS);
	uint64_t late_us = T + 2000 * MS;

	drain_note_check(&d, late_us);
	assert_false(drain_closes_door(&d, late_us));
	assert_true(drain_closes_door(&d, late_us + 20 * MS));
}

/* HAProxy has gone with its last check; then there is no 404 to wait for. */
static void checks_that_have_ended_hold_it_no_longer(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_RETIRE, true, T - 10 * MS);

	assert_true(drain_closes_door(&d, T + HEARD));
	assert_int_equal(d.refused, 0);
}

static void without_recent_checks_nobody_needs_the_time(void **state)
{
	(void)state;
	struct drain never = begun(DRAIN_RETIRE, true, 0);
	struct drain old = begun(DRAIN_RETIRE, true, T - HEARD - 1);
	struct drain last = begun(DRAIN_RETIRE, true, T - HEARD);

	assert_true(drain_closes_door(&never, T));
	assert_true(drain_idle_us(&never) == 300 * MS);
	assert_true(drain_closes_door(&old, T));
	assert_true(drain_idle_us(&old) == 300 * MS);
	assert_false(drain_closes_door(&last, T));
}

/* A check that came in the same turn of the loop as the signal, and was read after it. */
static void a_first_check_during_the_drain_counts(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_RETIRE, true, 0);

	drain_note_check(&d, T);
	assert_int_equal(d.refused, 1);
	assert_true(drain_door_us(&d) == T + HEARD);
}

/* Whoever asks for the health of a worker without HAProxy does not decide where clients go. */
static void without_haproxy_the_door_closes_at_once(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_RETIRE, false, T - 1);

	assert_true(drain_refuses_checks(&d));
	assert_true(drain_closes_door(&d, T));
	assert_true(drain_idle_us(&d) == LIMIT / 2);
	assert_true(drain_client_us(&d) == LIMIT / 2);
	assert_true(drain_idle_us(&(struct drain){.kind = DRAIN_HAND_OVER, .limit_us = LIMIT}) ==
		    LIMIT / 2);
}

static void half_of_the_time_bounds_everything(void **state)
{
	(void)state;
	struct drain d = {0};

	drain_note_check(&d, T);
	drain_begin(&d, DRAIN_RETIRE, true, 300 * MS, T);
	assert_true(drain_door_us(&d) == T + 150 * MS);
	assert_true(drain_idle_us(&d) == 150 * MS);
	assert_true(drain_client_us(&d) == 150 * MS);
	drain_note_check(&d, T + 140 * MS);
	assert_true(drain_closes_door(&d, T + 150 * MS));

	struct drain handed = {0};
	drain_begin(&handed, DRAIN_HAND_OVER, true, 300 * MS, T);
	assert_true(drain_idle_us(&handed) == 150 * MS);

	struct drain none = {0};
	drain_note_check(&none, T);
	drain_begin(&none, DRAIN_RETIRE, true, 0, T);
	assert_true(drain_closes_door(&none, T));
}

static void the_first_one_decides(void **state)
{
	(void)state;
	struct drain d = begun(DRAIN_HAND_OVER, true, T - 1);

	drain_begin(&d, DRAIN_RETIRE, true, 2 * LIMIT, T + 5 * MS);
	assert_int_equal(d.kind, DRAIN_HAND_OVER);
	assert_true(d.began_us == T && d.limit_us == LIMIT);
	assert_false(drain_refuses_checks(&d));

	d = begun(DRAIN_RETIRE, true, T - 1);
	drain_begin(&d, DRAIN_HAND_OVER, true, LIMIT, T + 5 * MS);
	assert_true(drain_refuses_checks(&d));
	assert_false(drain_closes_door(&d, T + 5 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_refused_before_it_begins),
		cmocka_unit_test(hand_over_closes_at_once_and_stays_healthy),
		cmocka_unit_test(retire_waits_until_it_was_heard),
		cmocka_unit_test(a_late_answer_is_given_time_to_arrive),
		cmocka_unit_test(checks_that_have_ended_hold_it_no_longer),
		cmocka_unit_test(without_recent_checks_nobody_needs_the_time),
		cmocka_unit_test(a_first_check_during_the_drain_counts),
		cmocka_unit_test(without_haproxy_the_door_closes_at_once),
		cmocka_unit_test(half_of_the_time_bounds_everything),
		cmocka_unit_test(the_first_one_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
