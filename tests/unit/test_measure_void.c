/* bench/measure/measure_void: which measured loads do not count, and what is said of them. */
#include "bench/measure/measure_void.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 1000 good answers in one second, and nothing else on the machine. */
static int set_up(void **state)
{
	static struct measure m;

	m = (struct measure){.totals = {.offered_rps = 1000,
				     .intended_rps = 1000,
				     .elapsed_us = 1e6,
				     .intended = 1000}};
	if (recorder_init(&m.recorder, 1, false, NULL) < 0)
		return -1;
	for (int i = 0; i < 1000; i++)
		recorder_take(&m.recorder, &(struct sample){.intended_us = i * 1e3,
						   .due_us = i * 1e3,
						   .sent_us = i * 1e3,
						   .done_us = i * 1e3 + 500,
						   .asked_us = -1,
						   .queue_us = -1,
						   .service_us = -1,
						   .worker = -1,
						   .status = 200});
	*state = &m;
	return 0;
}

static int tear_down(void **state)
{
	measure_done(*state);
	return 0;
}

static void expect(const struct measure *m, const struct measure_void_options *o, const char *said)
{
	struct buffer reason;

	buffer_init(&reason);
	assert_int_equal(measure_is_void(m, o, &reason), *said != '\0');
	assert_string_equal(buffer_cstring(&reason), said);
	buffer_done(&reason);
}

static void it_counts(void **state)
{
	expect(*state, &(struct measure_void_options){0}, "");
}

static void all_reasons_are_told(void **state)
{
	const struct measure_void_options own = {0}, foreign = {.foreign = true};
	struct measure *m = *state;

	m->shares.balancer = 0.9;
	m->shares.restarted = 1;
	m->shares.others = 0.5;
	expect(m, &own,
		"HAProxy was near full: 90 % of a CPU, at most 80 % is allowed; a worker died "
		"meanwhile; "
		"other programs used 0.50 CPUs, at most 0.25 is allowed");
	expect(m, &foreign,
		"HAProxy was near full: 90 % of a CPU, at most 80 % is allowed; a worker died "
		"meanwhile");
}

/* The share is one of all CPUs, the limit one of CPUs. */
static void what_the_host_takes_counts_in_cpus(void **state)
{
	const double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	struct measure *m = *state;

	m->shares.machine_steal = 0.09 / cpus;
	expect(m, &(struct measure_void_options){0}, "");
	m->shares.machine_steal = 0.12 / cpus;
	expect(m, &(struct measure_void_options){0},
		"the host took away 0.12 CPUs, at most 0.10 is allowed");
}

static void failed_requests_are_told_by_kind(void **state)
{
	struct measure *m = *state;
	struct sample s = {.sent_us = -1, .done_us = 500, .status = SAMPLE_TIMEOUT};

	recorder_take(&m->recorder, &s);
	s.status = 503;
	recorder_take(&m->recorder, &s);
	recorder_take(&m->recorder, &s);
	expect(m, &(struct measure_void_options){0},
		"3 of 1003 requests failed (timeout: 1) (503: 2)");
}

static void interrupted_is_reason_enough(void **state)
{
	struct measure *m = *state;
	const struct sample s = {.sent_us = -1, .done_us = 500, .status = SAMPLE_UNFINISHED};

	recorder_take(&m->recorder, &s);
	m->totals.interrupted = true;
	m->shares.others = 2;
	expect(m, &(struct measure_void_options){.planned_us = 20e6},
		"interrupted after 1.0 s of 20 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_reasons_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_host_takes_counts_in_cpus, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			failed_requests_are_told_by_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupted_is_reason_enough, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
