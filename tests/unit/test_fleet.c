/* server/stats/fleet: the state of the whole, by the states of its slots. */
#include "server/stats/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct stats_region *region;

static int set_up(void **state)
{
	(void)state;
	region = stats_region_new(4);
	if (!region)
		return -1;
	atomic_store(&region->wanted, 2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stats_region_free(region);
	return 0;
}

static void set(uint32_t slot, enum slot_state state)
{
	atomic_store(&region->slot[slot].seat[0].state, state);
}

static void it_goes_by_the_workers_that_are_ready(void **state)
{
	(void)state;
	assert_int_equal(fleet_state_of(region), FLEET_DOWN);
	set(0, SLOT_STARTING);
	set(1, SLOT_WAITING);
	set(2, SLOT_DRAINING);
	assert_int_equal(fleet_state_of(region), FLEET_DOWN);
	set(0, SLOT_READY);
	assert_int_equal(fleet_state_of(region), FLEET_DEGRADED);
	set(3, SLOT_READY);
	assert_int_equal(fleet_state_of(region), FLEET_OK);
	set(2, SLOT_READY);
	assert_int_equal(fleet_state_of(region), FLEET_OK);
}

/* A slot that is left alone is something to look at, even while the others are enough. */
static void a_parked_slot_degrades(void **state)
{
	(void)state;
	set(0, SLOT_READY);
	set(1, SLOT_READY);
	set(2, SLOT_PARKED);
	assert_int_equal(fleet_state_of(region), FLEET_DEGRADED);
	assert_int_equal(fleet_count(region, SLOT_PARKED), 1);
	set(0, SLOT_PARKED);
	set(1, SLOT_PARKED);
	assert_int_equal(fleet_state_of(region), FLEET_DOWN);
}

static void the_current_seat_counts(void **state)
{
	(void)state;
	set(0, SLOT_READY);
	atomic_store(&region->slot[1].seat[1].state, SLOT_READY);
	assert_int_equal(fleet_count(region, SLOT_READY), 1);
	atomic_store(&region->slot[1].current, 1);
	assert_int_equal(fleet_count(region, SLOT_READY), 2);
	/* Its predecessor drains. */
	set(1, SLOT_DRAINING);
	assert_int_equal(fleet_count(region, SLOT_DRAINING), 0);
	assert_int_equal(fleet_state_of(region), FLEET_OK);
}

static void stopping_goes_before_all(void **state)
{
	(void)state;
	atomic_store(&region->stopping, 1);
	assert_int_equal(fleet_state_of(region), FLEET_STOPPING);
	set(0, SLOT_READY);
	set(1, SLOT_READY);
	assert_int_equal(fleet_state_of(region), FLEET_STOPPING);
}

static void slots_are_counted_by_state(void **state)
{
	(void)state;
	assert_int_equal(fleet_count(region, SLOT_UNUSED), 4);
	set(1, SLOT_READY);
	set(3, SLOT_READY);
	set(2, SLOT_WAITING);
	assert_int_equal(fleet_count(region, SLOT_UNUSED), 1);
	assert_int_equal(fleet_count(region, SLOT_READY), 2);
	assert_int_equal(fleet_count(region, SLOT_WAITING), 1);
	assert_int_equal(fleet_count(region, SLOT_DRAINING), 0);
}

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(fleet_state_name(FLEET_OK), "ok");
	assert_string_equal(fleet_state_name(FLEET_DEGRADED), "degraded");
	assert_string_equal(fleet_state_name(FLEET_DOWN), "down");
	assert_string_equal(fleet_state_name(FLEET_STOPPING), "stopping");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_goes_by_the_workers_that_are_ready),
		TEST(a_parked_slot_degrades),
		TEST(the_current_seat_counts),
		TEST(stopping_goes_before_all),
		TEST(slots_are_counted_by_state),
		TEST(states_have_names),
	};

	return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
