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

static struct stats_slot *start(uint32_t slot, pid_t pid)
{
	struct stats_slot *s = &region->slot[slot];

	atomic_store(&s->pid, pid);
	atomic_store(&s->state, SLOT_READY);
	stats_set(&s->spawned_us, now_us);
	return s;
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
	struct stats_slot *s = start(1, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&s->dead_cpu_us, 7 * SECOND);
	tick();
	stats_set(&s->dead_cpu_us, 1 * SECOND);
	assert_int_equal(view(0).cpu_us, 7 * SECOND);
	tick();
	assert_int_equal(view(0).cpu_us, 7 * SECOND);
	assert_near(view(0).cpu, 0);
}

static void a_slot_without_worker_is_not_busy(void **state)
{
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

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
	struct stats_slot *s = start(0, NO_PROCESS);

	(void)state;
	stats_set(&s->lag_us, 700);
	stats_set(&s->lag_due_us, clock_us() + 60 * SECOND);
	assert_int_equal(view(0).lag_us, 700);
	stats_set(&s->lag_due_us, clock_us() - 3 * SECOND);
	assert_true(view(0).lag_us >= 3 * SECOND && view(0).lag_us < 60 * SECOND);
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
		TEST(a_slot_without_worker_is_not_busy),
		TEST(a_new_worker_is_judged_by_its_own_life),
		TEST(a_window_is_ten_seconds),
		TEST(a_window_is_the_sum_of_its_seconds),
		TEST(a_new_sampler_starts_with_empty_windows),
		TEST(lag_is_the_last_or_the_present_one),
	};

	return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
