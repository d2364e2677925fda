/*
 * The ring of a seat: what was put comes back whole, the last TRACE_ENTRIES of it, also while the writer laps its readers.
 * The writer gives all fields of an entry the same number, so that parts of two would show. Under ThreadSanitizer this
 * holds writer against reader.
 */
#include "server/stats/trace.h"

#include "lib/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Whole entries that a reader wants. */
#define READS 300000u

static struct trace_entry entry(uint64_t n)
{
	return (struct trace_entry){
		.kind = (enum trace_kind)(n % 4),
		.route = (enum stats_route)(n % ROUTE_COUNT),
		.status = (int)(n % 600),
		.lane = (unsigned)(n % 64),
		.pieces = (unsigned)(n % 60000),
		.job = n,
		.from_us = n * 3,
		.start_us = n * 5,
		.end_us = n * 7,
	};
}

static bool is_whole(const struct trace_entry *e, uint64_t n)
{
	const struct trace_entry x = entry(n);

	return e->kind == x.kind && e->route == x.route && e->status == x.status &&
	       e->lane == x.lane && e->pieces == x.pieces && e->job == x.job &&
	       e->from_us == x.from_us && e->start_us == x.start_us && e->end_us == x.end_us;
}

static void put(struct trace_ring *ring, uint64_t n)
{
	const struct trace_entry e = entry(n);

	trace_put(ring, &e);
}

static void rings_lie_behind_the_slots_and_apart(void **state)
{
	struct stats_region *r = stats_region_new(3);
	struct trace_entry e;
	(void)state;

	assert_non_null(r);
	for (uint32_t slot = 0; slot < 3; slot++)
		for (unsigned seat = 0; seat < STATS_SEATS; seat++) {
			struct trace_ring *ring = trace_ring_of(r, slot, seat);

			assert_true((char *)ring >= (char *)&r->slot[3]);
			assert_int_equal((uintptr_t)ring % STATS_LINE, 0);
			for (uint64_t i = 0; i < TRACE_ENTRIES; i++)
				put(ring, slot * 10 + seat + i);
		}
	for (uint32_t slot = 0; slot < 3; slot++)
		for (unsigned seat = 0; seat < STATS_SEATS; seat++)
			for (uint64_t i = 0; i < TRACE_ENTRIES; i++) {
				assert_true(trace_get(trace_ring_read(r, slot, seat), i, &e));
				assert_true(is_whole(&e, slot * 10 + seat + i));
			}
	assert_int_equal(stats_seat_requests(&r->slot[2].seat[1]), 0);
	stats_region_free(r);
}

static struct trace_ring *ring_new(void)
{
	void *p = mmap(NULL, sizeof(struct trace_ring), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void the_last_ones_stay(void **state)
{
	struct trace_ring *ring = ring_new();
	const uint64_t all = 3 * TRACE_ENTRIES + 17;
	struct trace_entry e = {.job = 4711};
	(void)state;

	assert_int_equal(trace_written(ring), 0);
	assert_false(trace_get(ring, 0, &e));
	for (uint64_t i = 0; i < all; i++) {
		put(ring, i);
		assert_int_equal(trace_written(ring), i + 1);
		assert_true(trace_get(ring, i, &e));
		assert_true(is_whole(&e, i));
	}
	e.job = 4711;
	assert_false(trace_get(ring, all, &e));
	assert_false(trace_get(ring, all - TRACE_ENTRIES - 1, &e));
	assert_false(trace_get(ring, 0, &e));
	assert_int_equal(e.job, 4711);
	for (uint64_t i = all - TRACE_ENTRIES; i < all; i++) {
		assert_true(trace_get(ring, i, &e));
		assert_true(is_whole(&e, i));
	}
	munmap(ring, sizeof(*ring));
}

static void what_does_not_fit_says_the_most_that_does(void **state)
{
	struct trace_ring *ring = ring_new();
	const struct trace_entry many = {.kind = TRACE_JOB,
		.pieces = 65536,
		.lane = 1u << 20,
		.status = 504,
		.job = UINT64_MAX};
	struct trace_entry e;
	(void)state;

	trace_put(ring, &many);
	assert_true(trace_get(ring, 0, &e));
	assert_int_equal(e.pieces, 65535);
	assert_int_equal(e.lane, 65535);
	assert_int_equal(e.status, 504);
	assert_true(e.job == UINT64_MAX);
	munmap(ring, sizeof(*ring));
}

/* An entry that its writer has not finished, because it was killed, is none, and costs the next one nothing. */
static void a_half_written_entry_is_none(void **state)
{
	struct trace_ring *ring = ring_new();
	struct trace_entry e;
	(void)state;

	for (uint64_t i = 0; i <= TRACE_ENTRIES; i++)
		put(ring, i);
	atomic_store(&ring->record[1].serial, 0);
	atomic_store(&ring->record[1].word[1], 99);
	assert_int_equal(trace_written(ring), TRACE_ENTRIES + 1);
	assert_false(trace_get(ring, 1, &e));
	put(ring, TRACE_ENTRIES + 1);
	assert_true(trace_get(ring, TRACE_ENTRIES + 1, &e));
	assert_true(is_whole(&e, TRACE_ENTRIES + 1));
	munmap(ring, sizeof(*ring));
}

/* What it costs a worker: stands in docs/metrics.md. */
static void to_put_one_takes_no_time(void **state)
{
	struct trace_ring *ring = ring_new();
	const uint64_t many = UINT64_C(10) * TRACE_ENTRIES;
	uint64_t best_us = UINT64_MAX;
	(void)state;

	for (int round = 0; round < 10; round++) {
		const uint64_t begin_us = clock_us();

		for (uint64_t i = 0; i < many; i++)
			put(ring, i);
		const uint64_t took_us = clock_us() - begin_us;
		best_us = took_us < best_us ? took_us : best_us;
	}
	print_message("an entry is put in %.1f ns at best\n", (double)best_us * 1e3 / (double)many);
	/* With ThreadSanitizer it is some thousands. */
	assert_true(best_us * 1000 / many < 20000);
	munmap(ring, sizeof(*ring));
}

/* --- readers against the writer --------------------------------------------------------------- */

struct race {
	struct trace_ring ring;
	_Atomic bool enough;
	bool torn;
	uint32_t whole, lapped;
};

/* At the writer's heels: the newest entry, and the oldest, which it is about to overwrite. */
static void *read_race(void *arg)
{
	struct race *race = arg;
	struct trace_entry e;

	while (!race->torn && race->whole < READS) {
		const uint64_t end = trace_written(&race->ring);
		const uint64_t at[] = {end - 1, end - TRACE_ENTRIES, end - TRACE_ENTRIES + 1, end};

		for (size_t i = 0; end > TRACE_ENTRIES && i < sizeof(at) / sizeof(at[0]); i++) {
			if (!trace_get(&race->ring, at[i], &e)) {
				race->lapped++;
				continue;
			}
			race->whole++;
			race->torn |= !is_whole(&e, at[i]);
		}
	}
	race->enough = true;
	return NULL;
}

static void write_race(struct race *race)
{
	for (uint64_t n = 0; !race->enough; n++)
		put(&race->ring, n);
}

static struct race *race_new(void)
{
	void *p = mmap(NULL, sizeof(struct race), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void check_race(struct race *race)
{
	assert_false(race->torn);
	assert_true(race->whole >= READS);
	/* Else it was no race. */
	assert_true(race->lapped > 0);
	munmap(race, sizeof(*race));
}

static void a_thread_never_reads_a_torn_entry(void **state)
{
	struct race *race = race_new();
	pthread_t reader;
	(void)state;

	assert_int_equal(pthread_create(&reader, NULL, read_race, race), 0);
	write_race(race);
	assert_int_equal(pthread_join(reader, NULL), 0);
	check_race(race);
}

static void another_process_never_reads_a_torn_entry(void **state)
{
	struct race *race = race_new();
	int status = -1;
	(void)state;

	const pid_t reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		(void)read_race(race);
		_exit(0);
	}
	write_race(race);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	check_race(race);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_lie_behind_the_slots_and_apart),
		cmocka_unit_test(the_last_ones_stay),
		cmocka_unit_test(what_does_not_fit_says_the_most_that_does),
		cmocka_unit_test(a_half_written_entry_is_none),
		cmocka_unit_test(to_put_one_takes_no_time),
		cmocka_unit_test(a_thread_never_reads_a_torn_entry),
		cmocka_unit_test(another_process_never_reads_a_torn_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
