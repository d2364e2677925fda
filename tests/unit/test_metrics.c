/*
 * server/stats/metrics: the page from a region written by hand. promtool reads the real one in
 * tests/integration.
 */
#include "server/stats/metrics.h"

#include "tests/unit/stats_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct stats_region *region;
static struct sampler *sampler;
static struct buffer page;

static void write_page(void)
{
	buffer_reset(&page);
	assert_int_equal(metrics_write(sampler, &page), 0);
	assert_non_null(buffer_cstring(&page));
}

static int set_up(void **state)
{
	(void)state;
	region = fixture_region();
	assert_non_null(region);
	assert_int_equal(sampler_new(&sampler, region), 0);
	fixture_serve(region);
	buffer_init(&page);
	write_page();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&page);
	sampler_free(sampler);
	stats_region_free(region);
	return 0;
}

/* What follows the series on its line, or NULL. */
static const char *value_of(const char *series)
{
	size_t len = strlen(series);

	for (const char *line = page.data; line && *line;) {
		if (strncmp(line, series, len) == 0 && line[len] == ' ')
			return line + len + 1;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}

static void is(const char *series, const char *value)
{
	const char *found = value_of(series);
	size_t len = strlen(value);

	if (!found || strncmp(found, value, len) != 0 || found[len] != '\n')
		fail_msg("%s is not %s but %.20s", series, value, found ? found : "missing");
}

static void the_fleet_is_described(void **state)
{
	(void)state;
	is("quern_build_info{version=\"" QUERN_VERSION "\"}", "1");
	is("quern_start_time_seconds", "1700000000.25");
	assert_true(atof(value_of("quern_uptime_seconds")) >= 90);
	is("quern_fleet_state{state=\"ok\"}", "0");
	is("quern_fleet_state{state=\"degraded\"}", "1");
	is("quern_workers_wanted", "2");
	is("quern_workers_ready", "1");
	is("quern_workers_max", "4");
	is("quern_admin_restarts_total", "3");
	is("quern_master_log_lines_lost_total", "77");
}

/* The scaling that runs does not hide that the reload before it has failed. */
static void changes_are_counted(void **state)
{
	struct change c;

	(void)state;
	is("quern_changes_total", "2");
	is("quern_change_failed", "1");
	assert_true(change_read(&region->changes, 2, &c));
	change_end(&region->changes, &c, CHANGE_SUPERSEDED, clock_us(), "another one");
	write_page();
	is("quern_change_failed", "0");
	for (int i = 0; i < 2 * STATS_CHANGES; i++)
		change_begin(&region->changes, &c, CHANGE_RELOAD, clock_us(), "reading");
	write_page();
	is("quern_changes_total", "66");
	is("quern_change_failed", "0");
	change_end(&region->changes, &c, CHANGE_FAILED, clock_us(), "no");
	write_page();
	is("quern_change_failed", "1");
}

static void slots_that_were_used_have_series(void **state)
{
	(void)state;
	is("quern_worker_state{slot=\"0\",state=\"ready\"}", "1");
	is("quern_worker_state{slot=\"0\",state=\"waiting\"}", "0");
	is("quern_worker_state{slot=\"2\",state=\"waiting\"}", "1");
	is("quern_worker_state{slot=\"2\",state=\"parked\"}", "0");
	is("quern_worker_restarts_total{slot=\"2\"}", "4");
	is("quern_worker_hung_total{slot=\"0\"}", "11");
	is("quern_worker_recycled_total{slot=\"0\"}", "12");
	is("quern_worker_parked_total{slot=\"0\"}", "13");
	is("quern_worker_cpu_seconds_total{slot=\"2\"}", "2.5");
	is("quern_worker_queued_requests{slot=\"0\"}", "3");
	is("quern_worker_loop_lag_seconds{slot=\"0\"}", "0.0015");
	is("quern_worker_busy_ratio{slot=\"2\"}", "0.000000");
	assert_null(strstr(page.data, "slot=\"1\""));
	assert_null(strstr(page.data, "slot=\"3\""));
}

static void a_parked_slot_says_so(void **state)
{
	(void)state;
	atomic_store(&region->slot[2].seat[0].state, SLOT_PARKED);
	write_page();
	is("quern_worker_state{slot=\"2\",state=\"parked\"}", "1");
	is("quern_worker_state{slot=\"2\",state=\"waiting\"}", "0");
}

/* Whoever sits where, and whichever seat is the current one. */
static void both_seats_are_counted(void **state)
{
	struct stats_seat *other = &region->slot[0].seat[1];

	(void)state;
	stats_count_answer(other, ROUTE_QR, 200);
	histogram_record(&other->response_time, 1000000);
	for (uint32_t current = 0; current < STATS_SEATS; current++) {
		atomic_store(&region->slot[0].current, current);
		write_page();
		is("quern_requests_total{slot=\"0\",route=\"/qr\",status=\"200\"}", "100");
		is("quern_response_seconds_count{slot=\"0\"}", "101");
		is("quern_response_seconds_sum{slot=\"0\"}", "6.05");
		is("quern_received_bytes_total{slot=\"0\"}", "1103");
		is("quern_worker_connections{slot=\"0\"}", "6");
	}
	assert_true(atof(value_of("quern_worker_memory_bytes{slot=\"0\"}")) > 0);
}

static void counters_carry_their_labels(void **state)
{
	(void)state;
	is("quern_connections_accepted_total{slot=\"0\"}", "101");
	is("quern_received_bytes_total{slot=\"0\"}", "1103");
	is("quern_requests_shed_total{slot=\"0\",reason=\"queue_full\"}", "107");
	is("quern_requests_shed_total{slot=\"0\",reason=\"too_late\"}", "108");
	is("quern_jobs_total{slot=\"0\"}", "2111");
	is("quern_jobs_total{slot=\"2\"}", "9");
}

static void requests_appear_with_the_first_answer(void **state)
{
	const char *series = "quern_requests_total{slot=\"0\",route=\"/qr\",status=\"400\"}";

	(void)state;
	is("quern_requests_total{slot=\"0\",route=\"/qr\",status=\"200\"}", "99");
	is("quern_requests_total{slot=\"0\",route=\"none\",status=\"404\"}", "1");
	is("quern_requests_total{slot=\"2\",route=\"/qr\",status=\"200\"}", "0");
	assert_null(value_of(series));
	stats_count_answer(&region->slot[0].seat[0], ROUTE_QR, 400);
	write_page();
	is(series, "1");
}

static void histograms_are_cumulative_and_exact(void **state)
{
	(void)state;
	is("quern_response_seconds_bucket{slot=\"0\",le=\"0.000125\"}", "0");
	is("quern_response_seconds_bucket{slot=\"0\",le=\"0.008\"}", "7");
	is("quern_response_seconds_bucket{slot=\"0\",le=\"0.064\"}", "63");
	is("quern_response_seconds_bucket{slot=\"0\",le=\"65.536\"}", "100");
	is("quern_response_seconds_bucket{slot=\"0\",le=\"+Inf\"}", "100");
	is("quern_response_seconds_count{slot=\"0\"}", "100");
	is("quern_response_seconds_sum{slot=\"0\"}", "5.05");
	is("quern_queue_seconds_bucket{slot=\"0\",le=\"0.000125\"}", "100");
	is("quern_service_seconds_count{slot=\"2\"}", "0");
}

/* Prometheus wants all lines of a metric together, after its HELP and TYPE. */
static void metrics_are_in_one_piece(void **state)
{
	struct buffer seen;
	char name[128];

	(void)state;
	buffer_init(&seen);
	for (const char *line = page.data; (line = strstr(line, "# TYPE ")) != NULL; line++) {
		size_t len = strcspn(line + 7, " ");

		assert_true(len < sizeof(name) - 2);
		(void)snprintf(name, sizeof(name), " %.*s ", (int)len, line + 7);
		if (strstr(buffer_cstring(&seen), name))
			fail_msg("%s is declared twice", name);
		buffer_puts(&seen, name);
	}
	assert_true(seen.len > 500);
	buffer_done(&seen);
}

static void appending_keeps_what_was_there(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out);
	buffer_puts(&out, "# before\n");
	assert_int_equal(metrics_write(sampler, &out), 0);
	assert_memory_equal(out.data, "# before\n# HELP", 15);
	buffer_done(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_fleet_is_described),
		TEST(slots_that_were_used_have_series),
		TEST(changes_are_counted),
		TEST(a_parked_slot_says_so),
		TEST(both_seats_are_counted),
		TEST(counters_carry_their_labels),
		TEST(requests_appear_with_the_first_answer),
		TEST(histograms_are_cumulative_and_exact),
		TEST(metrics_are_in_one_piece),
		TEST(appending_keeps_what_was_there),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
