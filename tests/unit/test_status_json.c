/* server/stats/status_json: the whole object from a region written by hand. */
#include "server/stats/status_json.h"

#include "server/stats/counters.h"
#include "tests/unit/stats_fixture.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct stats_region *region;
static struct sampler *sampler;
static struct config config;
static json_t *status;

static json_t *written(const char *path)
{
	struct buffer out;
	json_t *o;

	buffer_init(&out);
	assert_int_equal(status_json_write(sampler, &config, path, &out), 0);
	assert_int_equal(out.data[out.len - 1], '\n');
	o = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	buffer_done(&out);
	return o;
}

static int set_up(void **state)
{
	struct buffer errors, warnings;

	(void)state;
	buffer_init(&errors);
	buffer_init(&warnings);
	assert_int_equal(config_load(&config, NULL, NULL, NULL, 0, &errors, &warnings), 0);
	buffer_done(&errors);
	buffer_done(&warnings);
	region = fixture_region();
	assert_non_null(region);
	assert_int_equal(sampler_new(&sampler, region), 0);
	fixture_serve(region);
	status = written("/etc/quern/quern.json");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	json_decref(status);
	sampler_free(sampler);
	stats_region_free(region);
	config_done(&config);
	return 0;
}

/* "a.b.0.c" from the status. */
static json_t *at(const char *path)
{
	char copy[128], *rest = copy;
	json_t *o = status;

	assert_true(snprintf(copy, sizeof(copy), "%s", path) < (int)sizeof(copy));
	for (char *word; (word = strsep(&rest, ".")) != NULL;) {
		o = json_is_array(o) ? json_array_get(o, (size_t)(*word - '0'))
				     : json_object_get(o, word);
		if (!o)
			fail_msg("no %s in the status", path);
	}
	return o;
}

static void is_number(const char *path, double value)
{
	double found = json_number_value(at(path));

	if (!json_is_number(at(path)) || fabs(found - value) > 1e-9)
		fail_msg("%s is %g, not %g", path, found, value);
}

static void is_close(const char *path, double value)
{
	double found = json_number_value(at(path));

	if (fabs(found - value) > 0.01 * value)
		fail_msg("%s is %g, not about %g", path, found, value);
}

static void is_text(const char *path, const char *value)
{
	assert_string_equal(json_string_value(at(path)), value);
}

static void it_names_the_master(void **state)
{
	(void)state;
	is_text("version", QUERN_VERSION);
	is_number("pid", getpid());
	is_number("start_ticks", 123456);
	is_text("start_time", "2023-11-14T22:13:20.250Z");
	assert_true(json_real_value(at("uptime_s")) >= 90);
	assert_true(json_real_value(at("uptime_s")) < 120);
	is_text("config", "/etc/quern/quern.json");
	is_number("window_s", 10);
	is_number("admin.restarts", 3);
	assert_true(json_integer_value(at("master.memory_bytes")) > 0);
	is_number("master.log_lost", 77);
}

static void the_process_that_ends_last_is_named(void **state)
{
	(void)state;
	assert_true(json_is_null(at("guardian")));
	region->guardian_pid = 4711;
	region->guardian_ticks = UINT64_C(12345678901);
	json_decref(status);
	status = written(NULL);
	is_number("guardian.pid", 4711);
	is_number("guardian.start_ticks", 12345678901.0);
	assert_int_equal(json_object_size(at("guardian")), 2);
}

static void it_tells_the_settings(void **state)
{
	(void)state;
	is_text("settings.listen", "127.0.0.1:8080");
	is_text("settings.balancer", "haproxy");
	is_text("settings.policy", "roundrobin");
	assert_true(json_is_false(at("settings.tls")));
	is_number("settings.drain_ms", 10000);
	is_number("settings.queue", 512);
}

static void without_a_file_config_is_null(void **state)
{
	(void)state;
	json_decref(status);
	status = written(NULL);
	assert_true(json_is_null(at("config")));
	json_decref(status);
	status = written("/tmp/\xff");
	assert_true(json_is_null(at("config")));
}

static void only_slots_that_were_used_are_listed(void **state)
{
	(void)state;
	assert_int_equal(json_array_size(at("workers")), 2);
	is_number("workers.0.slot", 0);
	is_number("workers.1.slot", 2);
	is_text("workers.0.state", "ready");
	is_text("workers.1.state", "waiting");
	is_number("workers.0.pid", getpid());
	is_number("workers.1.pid", 0);
	is_number("workers.1.memory_bytes", 0);
	is_number("workers.1.age_s", 0);
	is_number("workers.1.cpu_s", 2.5);
	assert_true(json_real_value(at("workers.0.age_s")) >= 60);
	assert_true(json_integer_value(at("workers.0.memory_bytes")) > 100000);
}

static void gauges_are_there(void **state)
{
	(void)state;
	is_number("workers.0.connections", 6);
	is_number("workers.0.active", 6);
	is_number("workers.0.queue", 3);
	is_number("workers.0.requests", 100);
	is_number("workers.0.restarts", 1);
	is_number("workers.0.loop_lag_ms.now", 1.5);
	is_number("fleet.connections", 6);
	is_number("fleet.requests", 100);
	is_number("fleet.restarts", 5);
	is_number("workers.0.hung", 11);
	is_number("workers.0.recycled", 12);
	is_number("workers.0.parked", 13);
	is_number("workers.1.hung", 20);
	is_number("fleet.hung", 31);
	is_number("fleet.recycled", 12);
	is_number("fleet.parked", 13);
	is_number("fleet.loop_lag_ms.now", 1.5);
}

static void every_counter_is_there_and_summed(void **state)
{
	char path[64];

	(void)state;
	for (size_t i = 0; i < COUNTERS; i++) {
		uint64_t a = counter_get(&region->slot[0], &counters[i]);
		uint64_t b = counter_get(&region->slot[2], &counters[i]);

		assert_true(a > 0);
		(void)snprintf(path, sizeof(path), "workers.0.%s", counters[i].name);
		is_number(path, (double)a);
		(void)snprintf(path, sizeof(path), "fleet.%s", counters[i].name);
		is_number(path, (double)(a + b));
	}
	is_number("fleet.jobs", 2120);
	is_number("workers.0.shed_late", 108);
}

static void percentiles_are_those_of_the_window(void **state)
{
	const char *const owners[] = {"workers.0", "fleet"};
	const struct {
		const char *name;
		double ms;
	} expected[] = {{"count", 100}, {"mean", 50.5}, {"p50", 50}, {"p90", 90}, {"p95", 95},
		{"p99", 99}, {"p999", 100}, {"max", 100}};
	char path[64];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof(expected) / sizeof(expected[0]); k++) {
			(void)snprintf(path, sizeof(path), "%s.latency_ms.%s", owners[i],
				expected[k].name);
			is_close(path, expected[k].ms);
		}
		(void)snprintf(path, sizeof(path), "%s.queue_ms.p99", owners[i]);
		is_number(path, 0.1);
		(void)snprintf(path, sizeof(path), "%s.service_ms.p50", owners[i]);
		is_close(path, 49.9);
	}
}

static void two_workers_in_a_slot_are_told(void **state)
{
	double both, one;

	(void)state;
	is_number("workers.0.draining_pid", getppid());
	is_number("workers.1.draining_pid", 0);
	assert_true(json_number_value(at("workers.1.next_start_s")) > 20);
	assert_true(json_number_value(at("workers.1.next_start_s")) <= 30);
	is_number("workers.0.next_start_s", 0);
	/* This process twice: its own growth between two reports can be more than a small parent has. */
	atomic_store(&region->slot[0].seat[1].pid, getpid());
	json_decref(status);
	status = written(NULL);
	both = json_number_value(at("workers.0.memory_bytes"));
	atomic_store(&region->slot[0].seat[1].pid, 0);
	json_decref(status);
	status = written(NULL);
	one = json_number_value(at("workers.0.memory_bytes"));
	is_number("workers.0.draining_pid", 0);
	assert_true(both > 1.5 * one && one > 0);
}

static void changes_are_listed(void **state)
{
	(void)state;
	assert_int_equal(json_array_size(at("changes")), 2);
	is_number("changes.0.number", 1);
	is_text("changes.0.kind", "reload");
	is_text("changes.0.state", "failed");
	is_text("changes.0.text", "q.json: no such option\nq.json: nor this one\n");
	is_number("changes.0.ended_us", json_number_value(at("changes.0.begun_us")) + 1000000);
	assert_true(json_real_value(at("changes.0.age_s")) >= 10);
	is_number("changes.1.number", 2);
	is_text("changes.1.kind", "scale");
	is_text("changes.1.state", "running");
	is_number("changes.1.target", 4);
	is_number("changes.1.done", 3);
	is_number("changes.1.total", 4);
	is_number("changes.1.ended_us", 0);
}

static void the_last_changes_are_kept(void **state)
{
	struct change c;

	(void)state;
	for (int i = 0; i < STATS_CHANGES + 3; i++)
		change_begin(&region->changes, &c, CHANGE_UPGRADE, clock_us(), "caf\xe9");
	json_decref(status);
	status = written(NULL);
	assert_int_equal(json_array_size(at("changes")), STATS_CHANGES);
	is_number("changes.0.number", 6);
	is_number("changes.7.number", 13);
	is_text("changes.7.text", "caf?"); /* no UTF-8, but not lost */
}

static void an_empty_window_is_null(void **state)
{
	(void)state;
	assert_true(json_is_null(at("workers.1.latency_ms.mean")));
	assert_true(json_is_null(at("workers.1.latency_ms.p99")));
	assert_true(json_is_null(at("workers.1.loop_lag_ms.max")));
	is_number("workers.1.latency_ms.count", 0);
	is_number("workers.1.loop_lag_ms.now", 0);
}

static void answers_are_told_by_route_and_status(void **state)
{
	(void)state;
	is_number("workers.0.answers./qr.200", 99);
	is_number("fleet.answers.none.404", 1);
	is_number("fleet.answers./healthz.200", 1);
	assert_int_equal(json_object_size(at("fleet.answers")), 3);
	assert_int_equal(json_object_size(at("workers.1.answers")), 0);
}

static void the_fleet_is_counted(void **state)
{
	(void)state;
	is_number("fleet.workers", 2);
	is_number("fleet.ready", 1);
	is_number("fleet.max", 4);
	is_text("fleet.state", "degraded");
	assert_true(json_integer_value(at("fleet.memory_bytes")) >
		    json_integer_value(at("workers.0.memory_bytes")));
	atomic_store(&region->stopping, 1);
	json_decref(status);
	status = written(NULL);
	is_text("fleet.state", "stopping");
}

static void appending_keeps_what_was_there(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out);
	buffer_puts(&out, "before");
	assert_int_equal(status_json_write(sampler, &config, NULL, &out), 0);
	assert_memory_equal(out.data, "before{", 7);
	buffer_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_names_the_master),
		TEST(the_process_that_ends_last_is_named),
		TEST(it_tells_the_settings),
		TEST(without_a_file_config_is_null),
		TEST(only_slots_that_were_used_are_listed),
		TEST(gauges_are_there),
		TEST(every_counter_is_there_and_summed),
		TEST(percentiles_are_those_of_the_window),
		TEST(two_workers_in_a_slot_are_told),
		TEST(changes_are_listed),
		TEST(the_last_changes_are_kept),
		TEST(an_empty_window_is_null),
		TEST(answers_are_told_by_route_and_status),
		TEST(the_fleet_is_counted),
		TEST(appending_keeps_what_was_there),
	};

	return cmocka_run_group_tests_name("status_json", tests, NULL, NULL);
}
