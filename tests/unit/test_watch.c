/* What the lab reads off a fleet from outside: /metrics, HAProxy's statistics, and the shares between two looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/fleet/ready.h"
#include "bench/fleet/watch.h"
#include "bench/fleet/watch_metrics.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static const char metrics[] = "# HELP quern_worker_cpu_seconds_total CPU time.\n"
			      "quern_worker_cpu_seconds_total{slot=\"0\"} 1.500001\n"
			      "quern_worker_cpu_seconds_total{slot=\"2\"} 0.25\n"
			      "quern_worker_cpu_seconds_total{slot=\"1\"} 9\n"
			      "quern_worker_state{slot=\"0\",state=\"ready\"} 1\n"
			      "quern_worker_state{slot=\"0\",state=\"waiting\"} 0\n"
			      "quern_worker_state{slot=\"1\",state=\"ready\"} 0\n"
			      "quern_worker_state{slot=\"1\",state=\"waiting\"} 1\n"
			      "quern_worker_state{slot=\"2\",state=\"ready\"} 1\n"
			      "quern_worker_idle_seconds_total{slot=\"0\"} 12.000007\n"
			      "quern_worker_idle_seconds_total{slot=\"2\"} 3\n"
			      "quern_jobs_total{slot=\"0\"} 123456789\n"
			      "quern_jobs_total{slot=\"2\"} 7\n"
			      "quern_worker_restarts_total{slot=\"2\"} 4\n"
			      "quern_requests_total{slot=\"0\",route=\"/qr\",status=\"200\"} 5\n"
			      "broken{slot=\"x\"} 1\nbroken{slot=\n{slot=\"0\"}\n";

static void test_metrics_of_the_workers_that_are_ready(void **state)
{
	struct watch_look *look = calloc(1, sizeof *look);

	(void)state;
	assert_non_null(look);
	assert_int_equal(watch_metrics_read(look, metrics, sizeof metrics - 1), 0);
	assert_int_equal(look->workers, 2);
	assert_int_equal(look->worker[0].slot, 0);
	assert_int_equal(look->worker[0].cpu_us, 1500001);
	assert_int_equal(look->worker[0].idle_us, 12000007);
	assert_int_equal(look->worker[0].jobs, 123456789);
	assert_int_equal(look->worker[0].restarts, 0);
	assert_int_equal(look->worker[1].slot, 2);
	assert_int_equal(look->worker[1].cpu_us, 250000);
	assert_int_equal(look->worker[1].restarts, 4);
	free(look);
}

static void test_metrics_of_somebody_else(void **state)
{
	static const char other[] = "http_requests_total{code=\"200\"} 3\n";
	struct watch_look *look = calloc(1, sizeof *look);

	(void)state;
	assert_non_null(look);
	assert_int_equal(watch_metrics_read(look, other, sizeof other - 1), -EPROTO);
	assert_int_equal(watch_metrics_read(look, "", 0), -EPROTO);
	free(look);
}

/* Two looks, 2 s apart, at two workers. */
static void make_looks(struct watch_look *a, struct watch_look *b)
{
	*a = (struct watch_look){.at_us = 1000000, .told_idle = true, .workers = 2};
	*b = (struct watch_look){.at_us = 3000000, .told_idle = true, .workers = 2};
	b->worker[0] = (struct watch_worker){.idle_us = 500000, .cpu_us = 100000, .jobs = 10};
	b->worker[1] = (struct watch_worker){.idle_us = 1000000, .cpu_us = 300000, .jobs = 5};
	b->balancer_cpu_us = 200000;
	b->own_cpu_us = 100000;
}

static void test_shares_by_idle_time(void **state)
{
	struct watch_look *look = calloc(2, sizeof *look);
	struct watch_shares s;
	const double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	(void)state;
	assert_non_null(look);
	make_looks(&look[0], &look[1]);
	/* All but 0.6 CPUs idle: 0.2 the workers, 0.1 HAProxy, 0.05 the lab; the rest is others. */
	look[1].machine_idle_us = (uint64_t)((cpus - 0.6) * 2e6);
	watch_between(&look[0], &look[1], &s);
	assert_int_equal(s.workers, 2);
	NEAR(s.busy[0], 0.75);
	NEAR(s.busy[1], 0.5);
	NEAR(s.busy_mean, 0.625);
	NEAR(s.busy_most, 0.75);
	NEAR(s.cpu[1], 0.15);
	NEAR(s.jobs, 15);
	NEAR(s.balancer, 0.1);
	NEAR(s.own, 0.05);
	assert_true(fabs(s.others - 0.25) < 1e-6);
	assert_false(s.restarted);
	free(look);
}

static void test_shares_without_idle_time_are_cpu(void **state)
{
	struct watch_look *look = calloc(2, sizeof *look);
	struct watch_shares s;

	(void)state;
	assert_non_null(look);
	make_looks(&look[0], &look[1]);
	look[0].told_idle = look[1].told_idle = false;
	watch_between(&look[0], &look[1], &s);
	NEAR(s.busy[0], 0.05);
	NEAR(s.busy_most, 0.15);
	free(look);
}

static void test_a_worker_that_died_is_seen(void **state)
{
	struct watch_look *look = calloc(2, sizeof *look);
	struct watch_shares s;

	(void)state;
	assert_non_null(look);
	make_looks(&look[0], &look[1]);
	look[1].worker[1].restarts = 1;
	watch_between(&look[0], &look[1], &s);
	assert_true(s.restarted);
	look[1].worker[1].restarts = 0;
	look[1].workers = 1;
	watch_between(&look[0], &look[1], &s);
	assert_true(s.restarted);
	assert_int_equal(s.workers, 1);
	free(look);
}

static void test_own_process_by_pid(void **state)
{
	struct watch_look *look = calloc(2, sizeof *look);
	struct watch_shares s;
	struct buffer error;
	const pid_t self = getpid();
	const struct watch w = {.pids = &self, .pid_count = 1};
	volatile uint64_t spin = 0;

	(void)state;
	assert_non_null(look);
	buffer_init(&error);
	assert_int_equal(watch_look(&w, &look[0], &error), 0);
	do {
		spin++;
		assert_int_equal(watch_look(&w, &look[1], &error), 0);
	} while (look[1].worker[0].cpu_us < look[0].worker[0].cpu_us + 20000);
	watch_between(&look[0], &look[1], &s);
	/* The only worker is this process, so both clocks tell the same. */
	assert_true(s.cpu[0] > 0 && fabs(s.cpu[0] - s.own) < 0.1 * s.own);
	assert_true(s.machine_idle >= 0 && s.machine_idle <= 1);
	buffer_done(&error);
	free(look);
}

static void test_a_process_that_is_gone(void **state)
{
	struct watch_look *look = calloc(1, sizeof *look);
	struct buffer error;
	const pid_t nobody = 4194304; /* the kernel's PID_MAX_LIMIT: pids are below */
	const struct watch w = {.pids = &nobody, .pid_count = 1};

	(void)state;
	assert_non_null(look);
	buffer_init(&error);
	assert_int_equal(watch_look(&w, look, &error), -ESRCH);
	assert_string_equal(buffer_cstring(&error), "process 4194304 is gone");
	buffer_done(&error);
	free(look);
}

static int count(int (*of)(const struct buffer *), const char *text)
{
	struct buffer page;

	buffer_init(&page);
	buffer_puts(&page, text);
	const int n = of(&page);
	buffer_done(&page);
	return n;
}

static void test_servers_that_are_up(void **state)
{
	(void)state;
	assert_int_equal(count(ready_servers, "# pxname,svname,qcur,status,weight,\n"
					      "front,FRONTEND,,OPEN,,\n"
					      "workers,worker0,0,UP,1,\n"
					      "workers,worker1,0,DOWN,1,\n"
					      "workers,worker2,0,UP 1/3,1,\n"
					      "workers,BACKEND,0,UP,2,\n"),
		2);
	assert_int_equal(count(ready_servers, "pxname,svname\n"), -EPROTO);
	assert_int_equal(count(ready_servers, "# pxname,svname\nworkers,worker0\n"), -EPROTO);
	assert_int_equal(count(ready_servers, "# pxname,svname,status\nworkers\n"), 0);
}

static void test_workers_that_are_ready(void **state)
{
	(void)state;
	assert_int_equal(count(ready_workers, "{\"workers\": [{\"state\": \"ready\"}, {\"state\": "
					      "\"starting\"}, {\"state\": \"ready\"}]}"),
		2);
	assert_int_equal(count(ready_workers, "{\"workers\": []}"), 0);
	assert_int_equal(count(ready_workers, "{}"), -EPROTO);
	assert_int_equal(count(ready_workers, "<html>"), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_of_the_workers_that_are_ready),
		cmocka_unit_test(test_metrics_of_somebody_else),
		cmocka_unit_test(test_shares_by_idle_time),
		cmocka_unit_test(test_shares_without_idle_time_are_cpu),
		cmocka_unit_test(test_a_worker_that_died_is_seen),
		cmocka_unit_test(test_own_process_by_pid),
		cmocka_unit_test(test_a_process_that_is_gone),
		cmocka_unit_test(test_servers_that_are_up),
		cmocka_unit_test(test_workers_that_are_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
