/*
 * bench/sim: replays against cases worked out by hand and against the plainest recursions; what is refused; and the parts that
 * simulation and replay are made of.
 */
#include "bench/sim/sim.h"

#include "bench/sim/backlog.h"
#include "bench/sim/heap.h"
#include "bench/sim/levels.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 20000

static const struct policy roundrobin = {POLICY_RR, 0}, leastconn = {POLICY_LEAST, 0},
			   central = {POLICY_CENTRAL_OF, 1}, central_2 = {POLICY_CENTRAL_OF, 2},
			   shared = {POLICY_SHARED, 0};

static double many_arrivals[MANY], many_services[MANY], many_responses[MANY], expected[MANY];

/* --- by hand ------------------------------------------------------------------------------------------------------ */

static void assert_replay(const struct policy *p, unsigned workers, size_t n,
	const double *arrival_us, const double *service_us, const double *wanted_us)
{
	double response_us[32];

	assert_int_equal(
		sim_replay(p, workers, n, arrival_us, service_us, NULL, 1, response_us), 0);
	for (size_t i = 0; i < n; i++)
		if (response_us[i] != wanted_us[i])
			fail_msg("request %zu: %g, not %g", i, response_us[i], wanted_us[i]);
}

static void round_robin_by_hand(void **state)
{
	(void)state;
	/* Worker 0: 0 to 5, then request 2 from 5 to 6. Worker 1: 1 to 2, idle, 3 to 7. */
	assert_replay(&roundrobin, 2, 4, (double[]){0, 1, 2, 3}, (double[]){5, 1, 1, 4},
		(double[]){5, 1, 4, 4});
}

/* Both have one request when request 3 comes; worker 0 has had it for longer. */
static void least_prefers_whose_number_is_oldest(void **state)
{
	(void)state;
	assert_replay(&leastconn, 2, 5, (double[]){0, 1, 3, 4, 5}, (double[]){10, 1, 10, 1, 1},
		(double[]){10, 1, 10, 7, 9});
}

/* At 4 worker 0 goes from two requests to one, and so behind worker 1, which has had one since 0. */
static void least_puts_who_finished_behind_its_equals(void **state)
{
	(void)state;
	assert_replay(&leastconn, 2, 4, (double[]){0, 0, 1, 5}, (double[]){4, 20, 20, 1},
		(double[]){4, 20, 23, 16});
}

/* Request 1 ends in the very moment in which request 2 comes. */
static void who_ends_is_gone(void **state)
{
	(void)state;
	const double arrival[] = {0, 0, 1}, service[] = {5, 1, 1}, wanted[] = {5, 1, 1};

	assert_replay(&leastconn, 2, 3, arrival, service, wanted);
	assert_replay(&central, 2, 3, arrival, service, wanted);
}

static void central_by_hand(void **state)
{
	(void)state;
	/* Requests 2 and 3 wait; worker 0 is free first, both times. */
	assert_replay(&central, 2, 4, (double[]){0, 0, 1, 2}, (double[]){4, 6, 1, 3},
		(double[]){4, 6, 4, 6});
	/* Requests 2 and 3 fill the workers up. Request 4 goes to worker 1, which finishes first, at 4, and is behind 3 there. */
	assert_replay(&central_2, 2, 5, (double[]){0, 0, 1, 2, 3}, (double[]){10, 4, 1, 1, 2},
		(double[]){10, 4, 10, 3, 4});
}

/* Worker 1 accepts all three at 4. That worker 0 becomes idle at 5 does not help them: under central it does. */
static void shared_by_hand(void **state)
{
	(void)state;
	const double arrival[] = {0, 0, 1, 2, 3}, service[] = {5, 4, 1, 1, 2};

	assert_replay(&shared, 2, 5, arrival, service, (double[]){5, 4, 4, 4, 5});
	assert_replay(&central, 2, 5, arrival, service, (double[]){5, 4, 4, 4, 4});
}

/* Of the 17 that wait, the worker that is free at 10 accepts 16; the last is left for the other, free at 10.5. */
static void shared_accepts_sixteen_at_a_time(void **state)
{
	(void)state;
	double arrival[19] = {0}, service[19] = {10, 10.5}, wanted[19] = {10, 10.5};

	for (size_t i = 2; i < 19; i++) {
		arrival[i] = service[i] = 1;
		wanted[i] = i < 18 ? 10 + (double)(i - 2) : 10.5;
	}
	assert_replay(&shared, 2, 19, arrival, service, wanted);
}

/* 64 draws of two workers miss one of them with a probability of 2^-63. */
static void random_takes_the_worker_with_fewer(void **state)
{
	(void)state;
	const struct policy p = {POLICY_RANDOM_OF, 64};

	assert_replay(&p, 2, 4, (double[]){0, 1, 20, 21}, (double[]){10, 10, 10, 10},
		(double[]){10, 10, 10, 10});
}

static void given_workers_are_lindleys_queues(void **state)
{
	(void)state;
	const double arrival[] = {0, 1, 2, 3}, service[] = {5, 1, 1, 4};
	const int worker[] = {2, 2, 0, 2};
	double response[4];

	assert_int_equal(sim_replay(&central, 3, 4, arrival, service, worker, 1, response), 0);
	assert_true(response[0] == 5 && response[1] == 5 && response[2] == 1 && response[3] == 7);
}

static void refuses_what_cannot_be_replayed(void **state)
{
	(void)state;
	double response[2];
	const double up[] = {0, 1}, down[] = {1, 0}, nan_at[] = {0, NAN}, minus[] = {1, -1};
	const double early[] = {-1, 0};
	const int high[] = {0, 2}, low[] = {0, -1};

	assert_int_equal(sim_replay(&central, 0, 2, up, up, NULL, 1, response), -EINVAL);
	assert_int_equal(
		sim_replay(&central, SIM_WORKERS_MOST + 1, 2, up, up, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, down, up, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, early, up, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, nan_at, up, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, up, nan_at, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, up, minus, NULL, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, up, up, high, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 2, up, up, low, 1, response), -EINVAL);
	assert_int_equal(sim_replay(&central, 2, 0, NULL, NULL, NULL, 1, NULL), 0);
}

/* --- against the plainest recursions -------------------------------------------------------------------------------- */

/* Poisson arrivals, exponential service of mean 1. rho of 1 and more: the queue outgrows what it began with. */
static void make_load(unsigned workers, double rho, uint64_t seed)
{
	struct random gaps, services;
	double at = 0;

	random_init(&gaps, seed, 11);
	random_init(&services, seed, 12);
	for (size_t i = 0; i < MANY; i++) {
		at += random_exp(&gaps) / (rho * workers);
		many_arrivals[i] = at;
		many_services[i] = random_exp(&services);
	}
}

static void assert_as_expected(const struct policy *p, unsigned workers)
{
	assert_int_equal(
		sim_replay(p, workers, MANY, many_arrivals, many_services, NULL, 1, many_responses),
		0);
	for (size_t i = 0; i < MANY; i++)
		if (fabs(many_responses[i] - expected[i]) > 1e-9 * (1 + expected[i]))
			fail_msg(
				"request %zu: %.17g, not %.17g", i, many_responses[i], expected[i]);
}

/* One queue: whoever is free first serves the next (Kiefer and Wolfowitz 1955). */
static void expect_central(unsigned workers)
{
	double free_at[8] = {0};

	for (size_t i = 0; i < MANY; i++) {
		size_t first = 0;

		for (size_t w = 1; w < workers; w++)
			if (free_at[w] < free_at[first])
				first = w;
		free_at[first] = fmax(free_at[first], many_arrivals[i]) + many_services[i];
		expected[i] = free_at[first] - many_arrivals[i];
	}
}

static void central_is_one_queue(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 8; workers++) {
		make_load(workers, workers == 3 ? 1.2 : 0.9, workers);
		expect_central(workers);
		assert_as_expected(&central, workers);
	}
}

/* The end of each request, by worker, and when its number of requests last changed. */
struct plain_worker {
	double *end;
	size_t first, count;
	double changed_at;
};

/* Ends until `at`; since every end is an event of its own, the time of the last one is when the number changed. */
static void leave_plainly(struct plain_worker *w, double at)
{
	while (w->first < w->count && w->end[w->first] <= at)
		w->changed_at = w->end[w->first++];
}

static struct plain_worker *least_plainly(struct plain_worker *w, unsigned workers)
{
	struct plain_worker *best = w;

	for (unsigned i = 1; i < workers; i++) {
		const size_t here = w[i].count - w[i].first, there = best->count - best->first;

		if (here < there || (here == there && w[i].changed_at < best->changed_at))
			best = &w[i];
	}
	return best;
}

static void expect_least(unsigned workers)
{
	struct plain_worker w[8] = {0};

	for (unsigned i = 0; i < workers; i++) {
		w[i].end = calloc(MANY, sizeof(double));
		assert_non_null(w[i].end);
	}
	for (size_t i = 0; i < MANY; i++) {
		for (unsigned j = 0; j < workers; j++)
			leave_plainly(&w[j], many_arrivals[i]);
		struct plain_worker *best = least_plainly(w, workers);
		const double before = best->count > 0 ? best->end[best->count - 1] : 0;
		best->end[best->count] = fmax(before, many_arrivals[i]) + many_services[i];
		expected[i] = best->end[best->count++] - many_arrivals[i];
		best->changed_at = many_arrivals[i];
	}
	for (unsigned i = 0; i < workers; i++)
		free(w[i].end);
}

static void least_is_least(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 8; workers++) {
		make_load(workers, workers == 3 ? 1.2 : 0.9, workers);
		expect_least(workers);
		assert_as_expected(&leastconn, workers);
	}
}

/* No worker ever has 64 requests at 0.5. */
static void much_room_is_leastconn(void **state)
{
	(void)state;
	const struct policy p = {POLICY_CENTRAL_OF, 64};

	make_load(4, 0.5, 5);
	expect_least(4);
	assert_as_expected(&p, 4);
}

static void one_worker_is_one_queue_under_any_policy(void **state)
{
	(void)state;
	const struct policy all[] = {roundrobin, leastconn, central, central_2, shared,
		{POLICY_RANDOM_OF, 1}, {POLICY_RANDOM_OF, 3}};

	make_load(1, 0.9, 6);
	expect_central(1);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_as_expected(&all[i], 1);
}

/* --- the parts ------------------------------------------------------------------------------------------------------------ */

static void heap_gives_the_earliest(void **state)
{
	(void)state;
	struct heap h;
	struct random random;
	struct heap_entry last = {-1, 0};

	assert_int_equal(heap_init(&h, 1000), 0);
	random_init(&random, 3, 0);
	for (uint32_t w = 0; w < 1000; w++)
		heap_push(&h, (struct heap_entry){(double)random_below(&random, 100), w});
	/* A later time in place of the earliest, as when a worker goes on with its next job. */
	for (int i = 0; i < 500; i++)
		heap_replace(&h, (struct heap_entry){h.entry[0].at_us + 50, h.entry[0].worker});
	while (h.count > 0) {
		const struct heap_entry e = h.entry[0];

		assert_true(e.at_us > last.at_us ||
			    (e.at_us == last.at_us && e.worker > last.worker) || last.at_us < 0);
		last = e;
		heap_pop(&h);
	}
	heap_done(&h);
}

/* Grows while its first is in the middle of the ring. */
static void backlog_keeps_the_order(void **state)
{
	(void)state;
	struct backlog b;
	double in = 0, out = 0;

	assert_int_equal(backlog_init(&b), 0);
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(backlog_put(&b, (struct backlog_request){in++, 1}), 0);
		if (i % 3 == 0)
			assert_true(backlog_take(&b).arrival_us == out++);
	}
	while (b.count > 0)
		assert_true(backlog_take(&b).arrival_us == out++);
	assert_true(in == out);
	backlog_done(&b);
}

static void levels_keep_the_order_of_change(void **state)
{
	(void)state;
	struct levels l;

	assert_int_equal(levels_init(&l, 3), 0);
	assert_int_equal(levels_first(&l), 0);
	assert_int_equal(levels_move(&l, 0, 0), 0);
	assert_int_equal(levels_first(&l), 1);
	/* 1 and 2 go to a level that has to be made first. */
	assert_int_equal(levels_move(&l, 1, 1000), 0);
	assert_int_equal(levels_move(&l, 2, 1000), 0);
	assert_int_equal(levels_first(&l), 0);
	assert_int_equal(levels_move(&l, 0, 1000), 0);
	assert_int_equal(l.lowest, 1000);
	assert_int_equal(levels_first(&l), 1);
	assert_int_equal(levels_move(&l, 2, 999), 0);
	assert_int_equal(levels_first(&l), 2);
	levels_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_by_hand),
		cmocka_unit_test(least_prefers_whose_number_is_oldest),
		cmocka_unit_test(least_puts_who_finished_behind_its_equals),
		cmocka_unit_test(who_ends_is_gone),
		cmocka_unit_test(central_by_hand),
		cmocka_unit_test(shared_by_hand),
		cmocka_unit_test(shared_accepts_sixteen_at_a_time),
		cmocka_unit_test(random_takes_the_worker_with_fewer),
		cmocka_unit_test(given_workers_are_lindleys_queues),
		cmocka_unit_test(refuses_what_cannot_be_replayed),
		cmocka_unit_test(central_is_one_queue),
		cmocka_unit_test(least_is_least),
		cmocka_unit_test(much_room_is_leastconn),
		cmocka_unit_test(one_worker_is_one_queue_under_any_policy),
		cmocka_unit_test(heap_gives_the_earliest),
		cmocka_unit_test(backlog_keeps_the_order),
		cmocka_unit_test(levels_keep_the_order_of_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
