/*
 * server/stats/sample: figures over time, from a region that is written by hand and ticks at given
 * times.
 */
#include "server/stats/sample.h"

#include "lib/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000)

static struct stats_region *region;
static struct sampler *sampler;
static uint64_t now_us;
static struct sample_window window;

static int set_up(void **state)
{
	(void)state;
	region = stats_region_new(4);
	assert_non_null(region);
	atomic_store(&region->wanted, 2);
	assert_int_equal(sampler_new(&sampler, region), 0);
	now_us = clock_us();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sampler_free(sampler);
	stats_region_free(region);
	return 0;
}

/* A worker without CPU time: no process has that pid, which is above what the kernel gives. */
#define NO_PROCESS 0x7ffffff0

static struct stats_seat *start_in(uint32_t slot, uint32_t seat, pid_t pid)
{
	struct stats_seat *s = &region->slot[slot].seat[seat];

	atomic_store(&s->pid, pid);
	atomic_store(&s->state, SLOT_READY);
	stats_set(&s->spawned_us, now_us);
	return s;
}

static struct stats_seat *start(uint32_t slot, pid_t pid)
{
	return start_in(slot, 0, pid);
}

/* As the master leaves a seat whose worker has died. */
static void bury(struct stats_seat *s, enum slot_state state)
{
	atomic_store(&s->pid, 0);
	stats_set(&s->idle_since_us, 0);
	stats_set(&s->connections, 0);
	stats_set(&s->active, 0);
	stats_set(&s->queue, 0);
	atomic_store(&s->state, state);
}

static void make_current(uint32_t slot, uint32_t seat)
{
	atomic_store(&region->slot[slot].current, seat);
}

static void tick(void)
{
	now_us += SECOND;
	sampler_tick_at(sampler, now_us);
}

static struct slot_view view(uint32_t slot)
{
	struct slot_view v;

	assert_true(sampler_view(sampler, slot, &v));
	return v;
}

static uint64_t responses(uint32_t slot)
{
	memset(&window, 0, sizeof(window));
	sampler_window_add(sampler, slot, &window);
	return window.response.count;
}

static void assert_near(double a, double b)
{
	assert_true(a > b - 1e-6 && a < b + 1e-6);
}

static void an_unused_slot_has_no_view(void **state)
{
	struct slot_view v;

	(void)state;
	tick();
	assert_false(sampler_view(sampler, 0, &v));
	assert_int_equal(responses(0), 0);
	start(0, NO_PROCESS);
	assert_int_equal(view(0).pid, NO_PROCESS);
}

static void a_slot_stays_once_it_was_used(void **state)
{
	struct stats_seat *s = start(1, NO_PROCESS);

	(void)state;
	tick();
	atomic_store(&s->pid, 0);
	atomic_store(&s->state, SLOT_UNUSED);
	stats_set(&s->spawned_us, 0);
	tick();
	assert_int_equal(view(1).pid, 0);
	assert_int_equal(view(1).state, SLOT_UNUSED);
	assert_true(view(1).busy == 0);
}

static void rates_are_those_of_the_last_second(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	assert_true(view(0).requests_per_s == 0);
	for (int i = 0; i < 40; i++)
		stats_count_answer(s, ROUTE_QR, 200);
	stats_count_answer(s, ROUTE_HEALTHZ, 200); /* not counted */
	now_us += SECOND;			   /* two seconds to the next tick */
	tick();
	assert_near(view(0).requests_per_s, 20);
	assert_int_equal(view(0).requests, 40);
	tick();
	assert_near(view(0).requests_per_s, 0);
}

static void busy_is_what_was_not_idle(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	stats_add(&s->idle_us, SECOND / 4);
	tick();
	assert_near(view(0).busy, 0.75);

	/* A wait that is under way counts as far as it has come, and not again when it is over. */
	stats_set(&s->idle_since_us, now_us + SECOND / 2);
	tick();
	assert_near(view(0).busy, 0.5);
	stats_add(&s->idle_us, SECOND / 2 + SECOND / 10);
	stats_set(&s->idle_since_us, 0);
	tick();
	assert_near(view(0).busy, 0.9);
}

static void a_blocked_worker_is_busy(void **state)
{
	(void)state;
	start(0, NO_PROCESS);
	tick();
	tick();
	assert_near(view(0).busy, 1);
	assert_near(view(0).cpu, 0);
}

static void cpu_time_makes_busy_where_idle_does_not(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	stats_add(&s->idle_us, SECOND);
	stats_add(&s->dead_cpu_us, 300000);
	tick();
	assert_near(view(0).cpu, 0.3);
	assert_near(view(0).busy, 0.3);
}

static void cpu_time_is_that_of_the_process(void **state)
{
	uint64_t before_us = clock_cpu_of_us(getpid());

	(void)state;
	stats_set(&start(0, getpid())->dead_cpu_us, 5 * SECOND);
	tick();
	assert_true(view(0).cpu_us >= 5 * SECOND + before_us);
	assert_true(view(0).cpu_us <= 5 * SECOND + clock_cpu_of_us(getpid()));
}

/* Between waitpid() and the master's own sum the CPU time of a worker is nowhere. */
static void cpu_time_never_goes_back(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&s->dead_cpu_us, 7 * SECOND);
	tick();
	stats_set(&s->dead_cpu_us, 1 * SECOND);
	assert_int_equal(view(0).cpu_us, 7 * SECOND);
	tick();
	assert_int_equal(view(0).cpu_us, 7 * SECOND);
	assert_near(view(0).cpu, 0);
}

/* A wait that was under way when its worker died may be forgotten, but not taken back. */
static void idle_time_never_goes_back(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&s->idle_us, 5 * SECOND);
	stats_set(&s->idle_since_us, now_us);
	tick();
	assert_true(view(0).idle_us >= 6 * SECOND);
	bury(s, SLOT_WAITING);
	assert_true(view(0).idle_us >= 6 * SECOND);
	tick();
	assert_true(view(0).idle_us >= 6 * SECOND);
	assert_near(view(0).busy, 0);
}

static void a_slot_without_worker_is_not_busy(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	atomic_store(&s->pid, 0);
	atomic_store(&s->state, SLOT_WAITING);
	stats_set(&s->lag_due_us, 1);
	stats_set(&s->connections, 3);
	tick();
	assert_near(view(0).busy, 0);
	assert_int_equal(view(0).lag_us, 0);
	assert_int_equal(view(0).connections, 0);
	assert_int_equal(view(0).age_us, 0);
}

static void a_new_worker_is_judged_by_its_own_life(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	/* Born in the middle of the second, idle ever since. */
	atomic_store(&s->pid, NO_PROCESS + 1);
	stats_set(&s->spawned_us, now_us + SECOND / 2);
	stats_add(&s->idle_us, SECOND / 2);
	tick();
	assert_near(view(0).busy, 0);
}

static void a_window_is_ten_seconds(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	tick();
	histogram_record(&s->response_time, 1000);
	assert_int_equal(responses(0), 1); /* at once, before any tick */
	for (int i = 0; i < SAMPLE_WINDOW_S; i++) {
		tick();
		assert_int_equal(responses(0), 1);
	}
	tick();
	assert_int_equal(responses(0), 0);
}

static void a_window_is_the_sum_of_its_seconds(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	for (uint64_t second = 1; second <= 30; second++) {
		for (uint64_t i = 0; i < second; i++) {
			histogram_record(&s->queue_time, second);
			histogram_record(&s->service_time, second * 100);
			histogram_record(&s->response_time, second * 1000);
			histogram_record(&s->loop_lag, second * 10000);
		}
		tick();
	}
	/* Seconds 21 to 30, which hold 21 + ... + 30 values. */
	assert_int_equal(responses(0), 255);
	assert_int_equal(window.queue.count, 255);
	assert_int_equal(window.queue.sum_us, 6585);
	assert_int_equal(window.service.sum_us, 658500);
	assert_int_equal(window.response.sum_us, 6585000);
	assert_int_equal(window.lag.sum_us, 65850000);
	assert_int_equal(window.queue.bucket[20], 0);
	assert_int_equal(window.queue.bucket[21], 21);
	assert_int_equal(window.queue.bucket[30], 30);
}

static void a_new_sampler_starts_with_empty_windows(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	histogram_record(&s->response_time, 1000);
	sampler_free(sampler);
	sampler = NULL;
	assert_int_equal(sampler_new(&sampler, region), 0);
	assert_int_equal(responses(0), 0);
	histogram_record(&s->response_time, 1000);
	assert_int_equal(responses(0), 1);
	tick();
	assert_int_equal(responses(0), 1);
}

static void lag_is_the_last_or_the_present_one(void **state)
{
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&s->lag_us, 700);
	stats_set(&s->lag_due_us, clock_us() + 60 * SECOND);
	assert_int_equal(view(0).lag_us, 700);
	stats_set(&s->lag_due_us, clock_us() - 3 * SECOND);
	assert_true(view(0).lag_us >= 3 * SECOND && view(0).lag_us < 60 * SECOND);
}

/* --- two workers in a slot */

static void figures_are_the_sums_of_both_seats(void **state)
{
	struct stats_seat *old = start(0, NO_PROCESS), *new;

	(void)state;
	stats_set(&old->dead_cpu_us, 3 * SECOND);
	stats_set(&old->connections, 5);
	stats_set(&old->active, 4);
	stats_set(&old->queue, 3);
	tick();
	new = start_in(0, 1, NO_PROCESS + 1);
	stats_set(&new->dead_cpu_us, 2 * SECOND);
	stats_set(&new->idle_us, SECOND / 4);
	stats_set(&new->connections, 10);
	stats_set(&new->active, 20);
	stats_set(&new->queue, 30);
	for (int i = 0; i < 3; i++)
		stats_count_answer(old, ROUTE_QR, 200);
	stats_count_answer(new, ROUTE_QR, 200);
	histogram_record(&old->response_time, 1000);
	histogram_record(&new->response_time, 2000);
	for (uint32_t current = 0; current < STATS_SEATS; current++) {
		make_current(0, current);
		assert_int_equal(view(0).cpu_us, 5 * SECOND);
		assert_int_equal(view(0).idle_us, SECOND / 4);
		assert_int_equal(view(0).connections, 15);
		assert_int_equal(view(0).active, 24);
		assert_int_equal(view(0).queue, 33);
		assert_int_equal(view(0).requests, 4);
		assert_int_equal(responses(0), 2);
		assert_int_equal(window.response.sum_us, 3000);
	}
	tick();
	assert_near(view(0).requests_per_s, 4);
	assert_int_equal(responses(0), 2);
}

static void the_current_worker_is_shown(void **state)
{
	struct stats_seat *old = start(0, NO_PROCESS), *new;

	(void)state;
	stats_set(&old->lag_us, 700);
	now_us += 1000;
	new = start_in(0, 1, NO_PROCESS + 1);
	atomic_store(&new->state, SLOT_STARTING);
	stats_set(&new->lag_us, 20);
	assert_int_equal(view(0).pid, NO_PROCESS);
	assert_int_equal(view(0).state, SLOT_READY);
	assert_int_equal(view(0).lag_us, 700);
	assert_int_equal(view(0).draining_pid, 0); /* a successor that starts does not drain */
	atomic_store(&new->state, SLOT_READY);
	assert_int_equal(view(0).draining_pid, 0);

	make_current(0, 1);
	assert_int_equal(view(0).pid, NO_PROCESS + 1);
	assert_int_equal(view(0).spawned_us, stats_get(&new->spawned_us));
	assert_int_equal(view(0).lag_us, 20);
	assert_int_equal(view(0).draining_pid, NO_PROCESS); /* before it says so itself, too */
	atomic_store(&old->state, SLOT_DRAINING);
	assert_int_equal(view(0).state, SLOT_READY);
	assert_int_equal(view(0).draining_pid, NO_PROCESS);
	bury(old, SLOT_UNUSED);
	assert_int_equal(view(0).draining_pid, 0);
}

/* The busy one is the one that leaves, and then the one that comes: each by its own seat. */
static void busy_is_that_of_the_current_worker(void **state)
{
	struct stats_seat *old = start(0, NO_PROCESS), *new;

	(void)state;
	stats_set(&old->idle_us, 100 * SECOND); /* of a long life */
	tick();
	new = start_in(0, 1, NO_PROCESS + 1);
	stats_add(&old->idle_us, SECOND / 10);
	stats_add(&new->idle_us, SECOND);
	tick();
	assert_near(view(0).busy, 0.9);

	/* The switch between two ticks: its whole second is the new one's. */
	make_current(0, 1);
	assert_near(view(0).busy, 0.9); /* of the last second, as before */
	stats_add(&new->idle_us, 3 * SECOND / 4);
	tick();
	assert_near(view(0).busy, 0.25);

	/* And back, where the seat has counted on meanwhile. */
	bury(old, SLOT_UNUSED);
	tick();
	old = start_in(0, 0, NO_PROCESS + 2);
	stats_add(&old->idle_us, SECOND / 2);
	tick();
	make_current(0, 0);
	stats_add(&old->idle_us, SECOND / 2);
	tick();
	assert_near(view(0).busy, 0.5);
}

static void a_successor_of_this_second_is_judged_by_its_own_life(void **state)
{
	struct stats_seat *old = start(0, NO_PROCESS), *new;

	(void)state;
	tick();
	/* Born a quarter of a second before the tick, idle for half of that, current at once. */
	new = start_in(0, 1, NO_PROCESS + 1);
	stats_set(&new->spawned_us, now_us + 3 * SECOND / 4);
	stats_add(&new->idle_us, SECOND / 8);
	make_current(0, 1);
	atomic_store(&old->state, SLOT_DRAINING);
	tick();
	assert_near(view(0).busy, 0.5);
}

/* Whatever the seats go through, nothing that counts goes back. */
static void sums_never_go_back(void **state)
{
	struct slot_view before, after;
	uint32_t current = 0;
	pid_t pid = NO_PROCESS;
	struct stats_seat *s = start(0, pid);

	(void)state;
	tick();
	before = view(0);
	for (int round = 0; round < 20; round++) {
		struct stats_seat *old = s;

		current = 1 - current;
		s = start_in(0, current, --pid);
		stats_add(&s->idle_us, 1000);
		stats_count_answer(s, ROUTE_QR, 200);
		stats_set(&old->idle_since_us, now_us - 5000);
		if (round % 3 == 0)
			tick();
		make_current(0, current);
		if (round % 3 == 1)
			tick();
		stats_count_answer(old, ROUTE_QR, 200);
		/* A wait under way that the master forgets, and CPU time that is nowhere. */
		bury(old, SLOT_UNUSED);
		if (round % 3 == 2)
			tick();
		after = view(0);
		assert_true(after.idle_us >= before.idle_us);
		assert_true(after.cpu_us >= before.cpu_us);
		assert_int_equal(after.requests, before.requests + 2);
		assert_true(after.requests_per_s >= 0 && after.requests_per_s <= 10);
		assert_true(after.busy >= 0 && after.busy <= 1 && after.cpu >= 0);
		before = after;
	}
}

static void a_slot_is_used_by_either_seat(void **state)
{
	(void)state;
	start_in(3, 1, NO_PROCESS);
	make_current(3, 1);
	assert_int_equal(view(3).pid, NO_PROCESS);
	tick();
	assert_int_equal(view(3).pid, NO_PROCESS);
}

static void the_next_start_is_awaited_while_there_is_none(void **state)
{
	struct stats_slot *slot = &region->slot[0];
	struct stats_seat *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&slot->start_us, clock_us() + 60 * SECOND);
	assert_int_equal(view(0).next_start_us, 0); /* of the past: a worker lives */
	bury(s, SLOT_PARKED);
	assert_true(view(0).next_start_us > 50 * SECOND && view(0).next_start_us <= 60 * SECOND);
	atomic_store(&s->state, SLOT_WAITING);
	assert_true(view(0).next_start_us > 50 * SECOND);
	stats_set(&slot->start_us, clock_us() - SECOND);
	assert_int_equal(view(0).next_start_us, 0);
	stats_set(&slot->hung, 1);
	stats_set(&slot->recycled, 2);
	stats_set(&slot->parked, 3);
	assert_int_equal(view(0).hung, 1);
	assert_int_equal(view(0).recycled, 2);
	assert_int_equal(view(0).parked, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unused_slot_has_no_view),
		TEST(a_slot_stays_once_it_was_used),
		TEST(rates_are_those_of_the_last_second),
		TEST(busy_is_what_was_not_idle),
		TEST(a_blocked_worker_is_busy),
		TEST(cpu_time_makes_busy_where_idle_does_not),
		TEST(cpu_time_is_that_of_the_process),
		TEST(cpu_time_never_goes_back),
		TEST(idle_time_never_goes_back),
		TEST(a_slot_without_worker_is_not_busy),
		TEST(a_new_worker_is_judged_by_its_own_life),
		TEST(a_window_is_ten_seconds),
		TEST(a_window_is_the_sum_of_its_seconds),
		TEST(a_new_sampler_starts_with_empty_windows),
		TEST(lag_is_the_last_or_the_present_one),
		TEST(figures_are_the_sums_of_both_seats),
		TEST(the_current_worker_is_shown),
		TEST(busy_is_that_of_the_current_worker),
		TEST(a_successor_of_this_second_is_judged_by_its_own_life),
		TEST(sums_never_go_back),
		TEST(a_slot_is_used_by_either_seat),
		TEST(the_next_start_is_awaited_while_there_is_none),
	};

	return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
