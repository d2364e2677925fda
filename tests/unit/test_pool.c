/* A worker's threads: bounded, first come first served, everything comes back once, and on the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "server/pool.h"

#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JOBS 64

/* A job that says that it has begun and, where it has a gate, waits there. */
struct task {
	struct pool_job job;
	sem_t *gate;
	sem_t *begun;
	bool ran;
	unsigned done; /* how often it came back */
	pthread_t thread;
	sigset_t mask;
};

static struct world {
	struct event_base *base;
	struct pool *pool;
	sem_t gate, begun;
	struct task task[JOBS];
	const struct task *order[JOBS]; /* as they came back */
	unsigned done;
	unsigned most_in_turn, in_turn; /* of those that came back before the loop looked again */
	pthread_t loop;
} world;

/* In a thread cmocka's assertions have nowhere to go. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static struct task *task_of(struct pool_job *job)
{
	return (struct task *)((char *)job - offsetof(struct task, job));
}

static void run(struct pool_job *job)
{
	struct task *t = task_of(job);

	t->thread = pthread_self();
	require(pthread_sigmask(SIG_BLOCK, NULL, &t->mask) == 0);
	require(sem_post(t->begun) == 0);
	require(!t->gate || sem_wait(t->gate) == 0);
	t->ran = true;
}

static void on_done(struct pool_job *job, void *arg)
{
	struct world *w = arg;
	struct task *t = task_of(job);

	assert_true(pthread_equal(pthread_self(), w->loop));
	t->done++;
	if (w->done < JOBS)
		w->order[w->done] = t;
	w->done++;
	w->in_turn++;
	if (w->most_in_turn < w->in_turn)
		w->most_in_turn = w->in_turn;
}

static int begin(unsigned threads, unsigned queue)
{
	const struct pool_options options = {
		.threads = threads, .queue = queue, .on_done = on_done, .arg = &world};
	struct pool_options with_base = options;

	memset(&world, 0, sizeof(world));
	world.loop = pthread_self();
	assert_int_equal(sem_init(&world.gate, 0, 0), 0);
	assert_int_equal(sem_init(&world.begun, 0, 0), 0);
	world.base = event_base_new();
	assert_non_null(world.base);
	with_base.base = world.base;
	return pool_new(&world.pool, &with_base);
}

static void end(void)
{
	pool_free(world.pool);
	event_base_free(world.base);
	assert_int_equal(sem_destroy(&world.gate), 0);
	assert_int_equal(sem_destroy(&world.begun), 0);
}

static struct task *push(unsigned i, bool gated)
{
	struct task *t = &world.task[i];

	t->job.run = run;
	t->gate = gated ? &world.gate : NULL;
	t->begun = &world.begun;
	assert_true(pool_has_room(world.pool));
	pool_push(world.pool, &t->job);
	return t;
}

static void await_begun(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(sem_wait(&world.begun), 0);
}

static void open_gate(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(sem_post(&world.gate), 0);
}

static void turn(int flags)
{
	world.in_turn = 0;
	assert_true(event_base_loop(world.base, EVLOOP_ONCE | flags) >= 0);
}

static void await_done(unsigned n)
{
	while (world.done < n)
		turn(0);
	assert_int_equal(world.done, n);
}

static void assert_load(unsigned queued, unsigned active)
{
	const struct pool_load load = pool_load_of(world.pool);

	assert_int_equal(load.queued, queued);
	assert_int_equal(load.active, active);
	assert_int_equal(load.oldest_us != 0, active > 0);
}

static void test_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(begin(2, 3), 0);
	for (unsigned i = 0; i < 5; i++)
		push(i, true);
	assert_false(pool_has_room(world.pool));
	await_begun(2);
	assert_load(3, 2);
	open_gate(1);
	await_done(1);
	assert_true(pool_has_room(world.pool));
	push(5, true);
	assert_false(pool_has_room(world.pool));
	open_gate(5);
	await_done(6);
	assert_load(0, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_true(world.task[i].ran && world.task[i].done == 1);
	end();
}

/* Nobody may wait before the threads: each that is not free is taken. */
static void test_no_queue(void **state)
{
	(void)state;
	assert_int_equal(begin(1, 0), 0);
	push(0, true);
	assert_false(pool_has_room(world.pool));
	await_begun(1);
	assert_false(pool_has_room(world.pool));
	open_gate(1);
	await_done(1);
	assert_true(pool_has_room(world.pool));
	end();
}

static void test_order(void **state)
{
	(void)state;
	assert_int_equal(begin(1, JOBS), 0);
	for (unsigned i = 0; i < 20; i++)
		push(i, i == 0);
	open_gate(1);
	await_done(20);
	for (unsigned i = 0; i < 20; i++)
		assert_ptr_equal(world.order[i], &world.task[i]);
	end();
}

static void test_who_runs_it(void **state)
{
	(void)state;
	assert_int_equal(begin(3, 0), 0);
	for (unsigned i = 0; i < 3; i++)
		push(i, true);
	await_begun(3);
	open_gate(3);
	await_done(3);
	unsigned lanes = 0;
	for (unsigned i = 0; i < 3; i++) {
		const struct task *t = &world.task[i];

		assert_false(pthread_equal(t->thread, world.loop));
		lanes |= 1u << t->job.lane;
		/* Signals are the loop's. Those between 31 and SIGRTMIN are the C library's own. */
		for (int number = 1; number <= SIGSYS; number++)
			if (number != SIGKILL && number != SIGSTOP)
				assert_int_equal(sigismember(&t->mask, number), 1);
	}
	assert_int_equal(lanes, 7);
	end();
}

/* A loop of 20 ms of CPU time, after one that only waits. */
static void burn(struct pool_job *job)
{
	struct timespec now;

	(void)job;
	do
		require(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
	while (now.tv_sec == 0 && now.tv_nsec < 20000000);
}

static void test_times(void **state)
{
	(void)state;
	const uint64_t before_us = clock_us();

	assert_int_equal(begin(1, 1), 0);
	const struct pool_job *waits = &push(0, true)->job;
	struct pool_job *burns = &world.task[1].job;
	burns->run = burn;
	pool_push(world.pool, burns);
	await_begun(1);
	const struct pool_load load = pool_load_of(world.pool);
	assert_true(load.oldest_us >= before_us && load.oldest_us <= clock_us());
	open_gate(1);
	await_done(2);
	assert_true(waits->start_us == load.oldest_us && waits->end_us >= waits->start_us);
	assert_true(burns->start_us >= waits->end_us && burns->end_us <= clock_us());
	const struct pool_load after = pool_load_of(world.pool);
	const uint64_t waits_us = waits->end_us - waits->start_us;
	const uint64_t burns_us = burns->end_us - burns->start_us;
	assert_int_equal(after.spent_us, waits_us + burns_us);
	/* The thread is given its CPU time for both, and for itself. */
	assert_true(pool_cpu_us(world.pool) >= 20000);
	assert_true(burns_us >= 15000 && pool_cpu_us(world.pool) < burns_us + waits_us + 15000);
	end();
}

/* The longest of those that are active, not the one that began last. */
static void test_oldest(void **state)
{
	(void)state;
	assert_int_equal(begin(2, 0), 0);
	push(0, true);
	await_begun(1);
	const uint64_t first_us = pool_load_of(world.pool).oldest_us;
	while (clock_us() == first_us)
		continue;
	push(1, true);
	await_begun(1);
	const struct pool_load load = pool_load_of(world.pool);
	assert_int_equal(load.oldest_us, first_us);
	/* Both are in a job still, and their time counts. */
	assert_true(load.spent_us >= 1);
	open_gate(2);
	await_done(2);
	end();
}

/* Input is looked for between the hearing of some and of others. */
static void test_few_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(begin(1, JOBS), 0);
	for (unsigned i = 0; i < JOBS; i++)
		push(i, false);
	await_begun(JOBS);
	while (pool_load_of(world.pool).active > 0)
		continue;
	await_done(JOBS);
	assert_in_range(world.most_in_turn, 1, JOBS / 4);
	turn(EVLOOP_NONBLOCK);
	end();
}

static void *open_gate_soon(void *arg)
{
	const struct timespec soon = {.tv_nsec = 20000000};
	(void)arg;

	(void)nanosleep(&soon, NULL);
	for (unsigned i = 0; i < JOBS; i++)
		require(sem_post(&world.gate) == 0);
	return NULL;
}

/* How many of ten have run: one is done but not told, one is in the thread, and eight wait. */
static unsigned free_with_jobs(void)
{
	pthread_t other;
	unsigned ran = 0;

	assert_int_equal(begin(1, JOBS), 0);
	push(0, false);
	await_begun(1);
	for (unsigned i = 1; i < 10; i++)
		push(i, true);
	await_begun(1);
	assert_load(8, 1);
	assert_int_equal(pthread_create(&other, NULL, open_gate_soon, NULL), 0);
	pool_free(world.pool);
	world.pool = NULL;
	assert_int_equal(pthread_join(other, NULL), 0);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(world.task[i].done, 1);
		ran += world.task[i].ran;
	}
	assert_true(world.task[0].ran && world.task[1].ran);
	end();
	return ran;
}

/*
 * All of them come back, and those that no thread has begun are not run. If the gate opens before pool_free() got to tell
 * the thread that it is over, more are: so the best of several rounds counts.
 */
static void test_free_with_jobs(void **state)
{
	unsigned least = JOBS;

	(void)state;
	for (int i = 0; i < 5; i++) {
		const unsigned ran = free_with_jobs();

		least = ran < least ? ran : least;
	}
	assert_int_equal(least, 2);
}

static void test_free_nothing(void **state)
{
	(void)state;
	assert_int_equal(begin(4, 4), 0);
	pool_free(NULL);
	end();
}

/* Quick jobs, pushed from where they come back: nothing is lost, and no wakeup. */
#define MANY 50000u

static struct flood {
	struct task task[16];
	struct pool *pool;
	unsigned pushed, done;
	atomic_uint ran;
} flood;

static void count_run(struct pool_job *job)
{
	(void)job;
	atomic_fetch_add(&flood.ran, 1);
}

static void on_flood_done(struct pool_job *job, void *arg)
{
	(void)arg;
	flood.done++;
	if (flood.pushed < MANY) {
		flood.pushed++;
		pool_push(flood.pool, job);
	}
}

static void test_no_lost_wakeups(void **state)
{
	struct event_base *base = event_base_new();
	const struct pool_options options = {
		.threads = 4, .queue = 12, .base = base, .on_done = on_flood_done};

	(void)state;
	assert_non_null(base);
	assert_int_equal(pool_new(&flood.pool, &options), 0);
	for (unsigned i = 0; i < 16; i++) {
		flood.task[i].job.run = count_run;
		flood.pushed++;
		pool_push(flood.pool, &flood.task[i].job);
	}
	while (flood.done < MANY)
		assert_true(event_base_loop(base, EVLOOP_ONCE) >= 0);
	assert_int_equal(flood.done, MANY);
	assert_int_equal(atomic_load(&flood.ran), MANY);
	pool_free(flood.pool);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_no_queue),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_who_runs_it),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_oldest),
		cmocka_unit_test(test_few_at_a_time),
		cmocka_unit_test(test_free_with_jobs),
		cmocka_unit_test(test_free_nothing),
		cmocka_unit_test(test_no_lost_wakeups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
