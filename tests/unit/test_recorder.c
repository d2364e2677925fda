/* bench/load/recorder: what samples add up to, and which runs do not count. */
#include "bench/load/recorder.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A good answer after 1 ms, sent at once, by a server that tells nothing. */
static struct sample sample_at(double intended_us)
{
	return (struct sample){.intended_us = intended_us,
		.due_us = intended_us + 10,
		.sent_us = intended_us + 12,
		.done_us = intended_us + 1000,
		.asked_us = -1,
		.queue_us = -1,
		.service_us = -1,
		.worker = -1,
		.status = 200};
}

static void test_sums(void **state)
{
	struct recorder r;
	struct sample s = sample_at(0);

	(void)state;
	assert_int_equal(recorder_init(&r, 2, false, NULL), 0);
	recorder_take(&r, &s);

	s = sample_at(100);
	s.status = 503;
	s.template_index = 1;
	s.queue_us = 30;
	s.service_us = 400;
	recorder_take(&r, &s);

	/* Never sent: it counts with the time that it took, and has waited for no connection that it got. */
	s = sample_at(200);
	s.status = SAMPLE_TIMEOUT;
	s.sent_us = -1;
	s.done_us = 5000200;
	s.template_index = 1;
	recorder_take(&r, &s);

	/* A clock's grain may put an event before its cause. */
	s = sample_at(300);
	s.due_us = 299.5;
	s.sent_us = 299.4;
	recorder_take(&r, &s);

	assert_int_equal(r.latency.all.count, 4);
	assert_true(r.latency.all.max == 5000000);
	assert_true(r.latency.all.sum == 3 * 1000 + 5000000);
	assert_int_equal(r.errors, 2);
	assert_int_equal(r.status[200], 2);
	assert_int_equal(r.status[503], 1);
	assert_int_equal(r.status[SAMPLE_TIMEOUT], 1);
	assert_int_equal(r.of_template[0].count, 2);
	assert_int_equal(r.of_template[1].count, 2);
	assert_int_equal(r.errors_of_template[0], 0);
	assert_int_equal(r.errors_of_template[1], 2);
	assert_true(r.lateness.max == 10 && r.lateness.min == 0);
	assert_int_equal(r.blocked.count, 3);
	assert_true(r.blocked.max == 2 && r.blocked.min == 0);
	assert_int_equal(r.queue.count, 1);
	assert_true(r.queue.max == 30);
	assert_true(r.service.max == 400);
	assert_null(r.sample);
	recorder_done(&r);
	/* Once more, as after a failed init. */
	recorder_done(&r);
}

static void test_keeps_samples_in_order(void **state)
{
	struct recorder r;

	(void)state;
	assert_int_equal(recorder_init(&r, 1, true, NULL), 0);
	for (int i = 0; i < 10000; i++) {
		const struct sample s = sample_at(i);

		recorder_take(&r, &s);
	}
	assert_int_equal(r.samples, 10000);
	assert_false(r.no_memory);
	for (int i = 0; i < 10000; i++)
		assert_true(r.sample[i].intended_us == i && r.sample[i].done_us == i + 1000);
	recorder_done(&r);
}

static void test_full_disk(void **state)
{
	FILE *full = fopen("/dev/full", "we");
	const struct sample s = sample_at(0);
	struct recorder r;

	(void)state;
	assert_non_null(full);
	assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
	assert_int_equal(recorder_init(&r, 1, false, full), 0);
	recorder_take(&r, &s);
	recorder_take(&r, &s);
	assert_int_equal(r.record_errno, ENOSPC);
	assert_int_equal(r.latency.all.count, 2);
	recorder_done(&r);
	(void)fclose(full);
}

static void check_void(const struct recorder *r, const struct load_totals *t,
	const struct recorder_limits *limits, const char *expected)
{
	struct buffer reason;

	buffer_init(&reason);
	assert_int_equal(recorder_is_void(r, t, limits, &reason), expected != NULL);
	assert_string_equal(buffer_cstring(&reason), expected ? expected : "");
	buffer_done(&reason);
}

static void test_void(void **state)
{
	const struct load_totals good = {.offered_rps = 1000,
		.intended_rps = 1000,
		.elapsed_us = 10e6,
		.cpu_share = 0.1,
		.intended = 10000};
	struct recorder_limits limits = recorder_default_limits;
	struct load_totals t = good;
	struct recorder r;

	(void)state;
	assert_int_equal(recorder_init(&r, 1, false, NULL), 0);
	check_void(&r, &t, &limits, "no request was measured");
	for (int i = 0; i < 1000; i++) {
		struct sample s = sample_at(i * 1000);

		/* 1 % are 3 ms late: p99 is the 990th of 1,000, the last one that is not. */
		if (i % 100 == 0)
			s.due_us = s.intended_us + 3000;
		recorder_take(&r, &s);
	}
	check_void(&r, &t, &limits, NULL);

	const struct sample late = {.due_us = 3000, .done_us = 3000, .status = 200};
	recorder_take(&r, &late);
	check_void(&r, &t, &limits,
		"the generator was late: p99 of its lateness is 3.00 ms, at most 1.00 ms is "
		"allowed");
	limits.lateness_p99_us = 5000;
	check_void(&r, &t, &limits, NULL);

	/* 1 % and three times sqrt(10000) of 10,000, 3 %, may be missing. */
	t.intended_rps = 961;
	check_void(&r, &t, &limits, NULL);
	t.intended_rps = 959;
	check_void(&r, &t, &limits, "the generator fell short: 959 requests/s instead of 1000");

	t = good;
	t.cpu_share = 0.9;
	check_void(&r, &t, &limits,
		"the generator was itself near full: 90 % of a CPU, at most 85 % is allowed");

	/* Several reasons are all told. */
	t.intended_rps = 500;
	check_void(&r, &t, &limits,
		"the generator fell short: 500 requests/s instead of 1000; the generator was "
		"itself "
		"near full: 90 % of a CPU, at most 85 % is allowed");
	recorder_done(&r);
}

static void test_interrupted(void **state)
{
	struct load_totals t = {.offered_rps = 1000,
		.intended_rps = 500,
		.elapsed_us = 3.21e6,
		.intended = 3210,
		.interrupted = true};
	struct recorder_limits limits = recorder_default_limits;
	const struct sample s = sample_at(0);
	struct recorder r;

	(void)state;
	assert_int_equal(recorder_init(&r, 1, false, NULL), 0);
	check_void(&r, &t, &limits, "interrupted after 3.2 s; no request was measured");
	recorder_take(&r, &s);
	check_void(&r, &t, &limits, "interrupted after 3.2 s");
	limits.planned_us = 10e6;
	check_void(&r, &t, &limits, "interrupted after 3.2 s of 10 s");
	limits.planned_us = 0;
	limits.planned_requests = 10000;
	check_void(&r, &t, &limits, "interrupted after 3.2 s, 3210 of 10000 requests");
	recorder_done(&r);
}

static void test_status_names(void **state)
{
	char text[8];

	(void)state;
	assert_string_equal(sample_status_name(SAMPLE_CONNECT, text), "connect");
	assert_string_equal(sample_status_name(SAMPLE_RESET, text), "reset");
	assert_string_equal(sample_status_name(SAMPLE_TIMEOUT, text), "timeout");
	assert_string_equal(sample_status_name(SAMPLE_BROKEN, text), "broken");
	assert_string_equal(sample_status_name(SAMPLE_UNFINISHED, text), "unfinished");
	assert_string_equal(sample_status_name(503, text), "503");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_keeps_samples_in_order),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_void),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_status_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
