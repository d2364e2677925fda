/* The job queue: first come first served, bounded, and a job may leave before its turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/job.h"

#define JOBS 5

static void test_order_and_limit(void **state)
{
	struct job_queue q;
	struct job job[JOBS] = {0};

	(void)state;
	job_queue_init(&q, JOBS - 1);
	for (int i = 0; i < JOBS - 1; i++)
		assert_true(job_push(&q, &job[i]));
	assert_false(job_push(&q, &job[JOBS - 1]));
	assert_null(job[JOBS - 1].in);
	assert_int_equal(q.len, JOBS - 1);
	for (int i = 0; i < JOBS - 1; i++)
		assert_ptr_equal(job_pop(&q), &job[i]);
	assert_null(job_pop(&q));
	assert_int_equal(q.len, 0);
}

static void test_new_limit(void **state)
{
	struct job_queue q;
	struct job job[3] = {0};

	(void)state;
	job_queue_init(&q, 2);
	for (int i = 0; i < 2; i++)
		assert_true(job_push(&q, &job[i]));
	/* Nobody is sent away by a lower one. */
	job_queue_limit(&q, 1);
	assert_int_equal(q.len, 2);
	assert_ptr_equal(job_pop(&q), &job[0]);
	assert_false(job_push(&q, &job[2]));
	job_queue_limit(&q, 2);
	assert_true(job_push(&q, &job[2]));
}

static void test_remove(void **state)
{
	struct job_queue q;
	struct job job[3] = {0};

	(void)state;
	job_queue_init(&q, 3);
	for (int i = 0; i < 3; i++)
		assert_true(job_push(&q, &job[i]));
	job_remove(&job[1]);
	job_remove(&job[1]); /* nothing to do the second time */
	assert_int_equal(q.len, 2);
	assert_ptr_equal(job_pop(&q), &job[0]);
	assert_ptr_equal(job_pop(&q), &job[2]);
	job_remove(&job[2]); /* nor after its turn */
	assert_int_equal(q.len, 0);
}

static void test_again(void **state)
{
	struct job_queue q, other;
	struct job job[3] = {0};

	(void)state;
	job_queue_init(&q, 1);
	job_queue_init(&other, 0);
	assert_true(job_push(&q, &job[0]));
	assert_false(job_push(&q, &job[1]));
	/* Who had a turn is not turned away, but waits behind the others. */
	job_push_again(&q, &job[1]);
	job_push_again(&other, &job[2]);
	assert_int_equal(q.len, 2);
	assert_ptr_equal(job[2].in, &other);
	job_remove(&job[2]);
	assert_int_equal(other.len, 0);
	assert_ptr_equal(job_pop(&q), &job[0]);
	assert_ptr_equal(job_pop(&q), &job[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_limit),
		cmocka_unit_test(test_new_limit),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
