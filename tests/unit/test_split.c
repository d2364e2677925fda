/* The split of a measured load: a run whose imperfections are known, so that each stage must find its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/measure/split.h"
#include "lib/random.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS 4000
#define WORKERS 3

/* What the made-up fleet adds to each request, in us. */
struct flaws {
	double timer, fixed, proxy, generator;
	bool misplaced; /* all requests go to worker 0 */
};

/*
 * Round robin over three workers, exponential work of 1 ms, Poisson arrivals: each worker's queue by Lindley's recursion,
 * written here a second time. Seeded, so always the same run.
 */
static struct sample *make_run(const struct flaws *f)
{
	struct sample *s = calloc(REQUESTS, sizeof *s);
	struct random r;
	double at = 0, free_at[WORKERS] = {0};

	assert_non_null(s);
	random_init(&r, 7, 0);
	for (int i = 0; i < REQUESTS; i++) {
		const int worker = f->misplaced ? 0 : i % WORKERS;

		at += 400 * random_exp(&r) * (f->misplaced ? WORKERS : 1);
		const double asked = 1000 * random_exp(&r);
		const double sent = at + f->generator;
		const double begins = fmax(sent, free_at[worker]);
		const double ends = begins + asked + f->timer + f->fixed;

		free_at[worker] = ends;
		s[i] = (struct sample){.intended_us = at,
			.due_us = at,
			.sent_us = sent,
			.done_us = ends + f->proxy,
			.asked_us = asked,
			.service_us = asked + f->timer,
			.queue_us = begins - sent,
			.worker = worker,
			.status = 200};
	}
	return s;
}

static int by_done(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->done_us > y->done_us) - (x->done_us < y->done_us);
}

static struct split split_of(struct sample *s, double fixed_us, double from_us)
{
	const struct split_options o = {.sample = s,
		.samples = REQUESTS,
		.from_us = from_us,
		.policy = {POLICY_RR, 0},
		.workers = WORKERS,
		.fixed_us = fixed_us,
		.seed = 1};
	struct split split;

	/* A load gives them in order of ending. */
	qsort(s, REQUESTS, sizeof *s, by_done);
	assert_int_equal(split_make(&split, &o), 0);
	return split;
}

static double added(const struct split *s, int f, int stage)
{
	return s->us[f][stage] - s->us[f][stage - 1];
}

/* Sums of some thousand numbers of some thousand us, in binary. */
#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-6)

static void test_a_perfect_fleet_is_its_replay(void **state)
{
	const struct flaws none = {.timer = 0};
	struct sample *s = make_run(&none);
	struct split split = split_of(s, 0, 0);

	(void)state;
	assert_int_equal(split.requests, REQUESTS);
	for (int f = 0; f < SPLIT_FIGURES; f++)
		for (int stage = SPLIT_TIMER; stage < SPLIT_STAGES; stage++)
			NEAR(added(&split, f, stage), 0);
	assert_true(split.us[SPLIT_P99][SPLIT_REPLAY] > split.us[SPLIT_P95][SPLIT_REPLAY]);
	assert_int_equal(split.replay.count, REQUESTS);
	split_done(&split);
	free(s);
}

static void test_what_is_outside_of_the_workers(void **state)
{
	const struct flaws flaws = {.proxy = 130, .generator = 17};
	struct sample *s = make_run(&flaws);
	struct split split = split_of(s, 0, 0);

	(void)state;
	for (int f = 0; f < SPLIT_FIGURES; f++) {
		NEAR(added(&split, f, SPLIT_TIMER), 0);
		NEAR(added(&split, f, SPLIT_DISPATCH), 0);
		NEAR(added(&split, f, SPLIT_LOOP), 0);
		NEAR(added(&split, f, SPLIT_PROXY), 130);
		NEAR(added(&split, f, SPLIT_MEASURED), 17);
	}
	split_done(&split);
	free(s);
}

/* Longer work queues up: it costs more than its own length. */
static void test_what_is_inside_of_the_workers(void **state)
{
	const struct flaws flaws = {.timer = 60, .fixed = 40};
	struct sample *s = make_run(&flaws);
	struct split split = split_of(s, 40, 0);

	(void)state;
	assert_true(added(&split, SPLIT_MEAN, SPLIT_TIMER) > 60);
	assert_true(added(&split, SPLIT_MEAN, SPLIT_LOOP) > 40);
	for (int f = 0; f < SPLIT_FIGURES; f++) {
		NEAR(added(&split, f, SPLIT_DISPATCH), 0);
		NEAR(added(&split, f, SPLIT_PROXY), 0);
	}
	split_done(&split);
	free(s);
}

static void test_requests_at_the_wrong_worker(void **state)
{
	const struct flaws flaws = {.misplaced = true};
	struct sample *s = make_run(&flaws);
	struct split split = split_of(s, 0, 0);

	(void)state;
	assert_true(added(&split, SPLIT_MEAN, SPLIT_DISPATCH) > 100);
	NEAR(added(&split, SPLIT_MEAN, SPLIT_PROXY), 0);
	split_done(&split);
	free(s);
}

static void test_the_warm_up_is_replayed_but_not_counted(void **state)
{
	const struct flaws none = {.timer = 0};
	struct sample *s = make_run(&none);
	size_t later = 0;

	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		later += s[i].intended_us >= 500000;
	struct split split = split_of(s, 0, 500000);
	assert_true(later > 0 && later < REQUESTS);
	assert_int_equal(split.requests, later);
	/* The queues at its end are those of the run: nothing is left to explain. */
	NEAR(added(&split, SPLIT_P99, SPLIT_PROXY), 0);
	split_done(&split);
	free(s);
}

static void test_servers_that_tell_less(void **state)
{
	const struct flaws flaws = {.timer = 60};
	struct sample *s = make_run(&flaws);

	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		s[i].worker = -1;
	struct split split = split_of(s, 0, 0);
	for (int f = 0; f < SPLIT_FIGURES; f++)
		NEAR(added(&split, f, SPLIT_DISPATCH), 0);
	assert_true(added(&split, SPLIT_MEAN, SPLIT_TIMER) > 60);
	split_done(&split);
	/* Not asked for by time: the replay uses what was measured. */
	for (int i = 0; i < REQUESTS; i++)
		s[i].asked_us = -1;
	split = split_of(s, 0, 0);
	NEAR(added(&split, SPLIT_P99, SPLIT_TIMER), 0);
	split_done(&split);
	free(s);
}

static void test_nothing_to_replay(void **state)
{
	const struct flaws none = {.timer = 0};
	struct sample *s = make_run(&none);
	struct split_options o = {
		.sample = s, .samples = REQUESTS, .policy = {POLICY_RR, 0}, .workers = WORKERS};
	struct split split;

	(void)state;
	for (int i = 0; i < REQUESTS; i++)
		s[i].asked_us = s[i].service_us = -1;
	assert_int_equal(split_make(&split, &o), -ENODATA);
	for (int i = 0; i < REQUESTS; i++)
		s[i].status = 503;
	assert_int_equal(split_make(&split, &o), -ENODATA);
	o.samples = 0;
	assert_int_equal(split_make(&split, &o), -ENODATA);
	free(s);
}

static void test_json_adds_up(void **state)
{
	static const char *const parts[] = {"timer", "dispatch", "loop", "proxy", "generator"};
	const struct flaws flaws = {.timer = 30, .fixed = 20, .proxy = 100, .generator = 5};
	struct sample *s = make_run(&flaws);
	struct split split = split_of(s, 20, 0);
	json_t *json = split_json(&split), *figure;
	const char *name;

	(void)state;
	assert_int_equal(json_object_size(json), SPLIT_FIGURES);
	json_object_foreach(json, name, figure)
	{
		double sum = json_number_value(json_object_get(figure, "replay"));

		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
			assert_true(json_is_real(json_object_get(figure, parts[i])));
			sum += json_number_value(json_object_get(figure, parts[i]));
		}
		NEAR(sum, json_number_value(json_object_get(figure, "measured")));
	}
	json_decref(json);
	split_done(&split);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_perfect_fleet_is_its_replay),
		cmocka_unit_test(test_what_is_outside_of_the_workers),
		cmocka_unit_test(test_what_is_inside_of_the_workers),
		cmocka_unit_test(test_requests_at_the_wrong_worker),
		cmocka_unit_test(test_the_warm_up_is_replayed_but_not_counted),
		cmocka_unit_test(test_servers_that_tell_less),
		cmocka_unit_test(test_nothing_to_replay),
		cmocka_unit_test(test_json_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
