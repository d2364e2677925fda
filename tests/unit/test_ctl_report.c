/* server/ctl/report: status.json as it is written, and things that are none. */
#include "server/ctl/report.h"

#include "server/stats/status_json.h"
#include "tests/unit/stats_fixture.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What quernd writes is what quernctl reads. */
static void the_real_thing(void **state)
{
	struct stats_region *region = fixture_region();
	struct buffer out, errors, warnings;
	struct sampler *sampler;
	struct config config;
	struct report r;

	(void)state;
	buffer_init(&out);
	buffer_init(&errors);
	buffer_init(&warnings);
	assert_non_null(region);
	assert_int_equal(config_load(&config, NULL, NULL, NULL, 0, &errors, &warnings), 0);
	region->guardian_pid = getppid();
	region->guardian_ticks = 7;
	assert_int_equal(sampler_new(&sampler, region), 0);
	fixture_serve(region);
	assert_int_equal(status_json_write(sampler, &config, "/etc/q.json", &out), 0);
	assert_int_equal(report_read(&r, out.data, out.len), 0);

	assert_string_equal(r.version, QUERN_VERSION);
	assert_int_equal(r.pid, getpid());
	assert_int_equal(r.start_ticks, 123456);
	assert_int_equal(r.guardian_pid, getppid());
	assert_int_equal(r.guardian_ticks, 7);
	assert_true(r.uptime_s >= 90);
	assert_string_equal(r.config, "/etc/q.json");
	assert_string_equal(r.listen, "127.0.0.1:8080");
	assert_string_equal(r.policy, "roundrobin");
	assert_int_equal(r.drain_ms, 10000);
	assert_int_equal(r.wanted, 2);
	assert_int_equal(r.ready, 1);
	assert_int_equal(r.max, 4);
	assert_string_equal(r.fleet.state, "degraded");
	assert_int_equal(r.fleet.restarts, 5);
	assert_int_equal(r.workers, 2);
	/* The fixture's master, admin process and worker are all this process; slot 2 has none. */
	assert_true(r.worker[0].memory_bytes > 0 && r.worker[1].memory_bytes == 0);
	assert_int_equal(r.fleet.memory_bytes, r.worker[0].memory_bytes);
	assert_true(r.master_bytes > 0 && r.admin_bytes > 0);
	assert_int_equal(r.worker[0].pid, getpid());
	assert_int_equal(r.worker[0].draining_pid, getppid());
	assert_int_equal(r.worker[0].connections, 6);
	assert_int_equal(r.worker[0].active, 6);
	assert_int_equal(r.worker[0].queue, 3);
	assert_int_equal(r.worker[0].requests, 100);
	assert_int_equal(r.worker[0].shed_full, 107);
	assert_int_equal(r.worker[0].shed_late, 108);
	assert_int_equal(r.worker[0].timeouts, 106);
	assert_int_equal(r.worker[0].abandoned, 105);
	assert_int_equal(r.worker[0].bytes_in, 1103);
	assert_int_equal(r.worker[0].bytes_out, 104);
	assert_true(r.worker[0].lag_ms.now == 1.5);
	assert_true(fabs(r.worker[0].response_ms.p99 - 99) < 1);
	assert_true(fabs(r.worker[0].service_ms.p50 - 49.9) < 0.5);
	assert_int_equal(r.worker[1].slot, 2);
	assert_string_equal(r.worker[1].state, "waiting");
	assert_int_equal(r.worker[1].pid, 0);
	assert_true(r.worker[1].next_start_s > 20 && r.worker[1].next_start_s <= 30);
	assert_int_equal(r.worker[0].hung, 11);
	assert_int_equal(r.worker[0].recycled, 12);
	assert_int_equal(r.worker[0].parked, 13);
	assert_int_equal(r.fleet.hung, 31);

	assert_true(r.tells_changes);
	assert_int_equal(r.changes, 2);
	assert_string_equal(r.change[0].kind, "reload");
	assert_string_equal(r.change[0].state, "failed");
	assert_string_equal(r.change[0].text, "q.json: no such option\nq.json: nor this one");
	assert_int_equal(r.change[0].ended_us - r.change[0].begun_us, 1000000);
	assert_int_equal(r.change[1].number, 2);
	assert_int_equal(r.change[1].target, 4);
	assert_int_equal(r.change[1].done, 3);
	assert_int_equal(r.change[1].total, 4);
	assert_true(isnan(r.worker[1].response_ms.p99));

	report_done(&r);
	sampler_free(sampler);
	stats_region_free(region);
	config_done(&config);
	buffer_done(&errors);
	buffer_done(&warnings);
	buffer_done(&out);
}

static int read_text(struct report *r, const char *text)
{
	return report_read(r, text, strlen(text));
}

static void things_that_are_no_status(void **state)
{
	static const char *const texts[] = {
		"",
		"hello",
		"[]",
		"null",
		"{}",
		"{\"error\":{}}",
		"{\"version\":\"1\",\"pid\":1,\"fleet\":{}}",
		"{\"version\":\"1\",\"pid\":1,\"fleet\":[],\"workers\":[]}",
		"{\"version\":1,\"pid\":1,\"fleet\":{},\"workers\":[]}",
		"{\"version\":\"1\",\"pid\":0,\"fleet\":{},\"workers\":[]}",
		"{\"version\":\"1\",\"pid\":-5,\"fleet\":{},\"workers\":[]}",
		"{\"version\":\"1\",\"pid\":4294967297,\"fleet\":{},\"workers\":[]}",
		"{\"version\":\"1\",\"pid\":1,\"fleet\":{},\"workers\":[]} x",
	};
	struct report r, untouched;

	(void)state;
	memset(&r, 0x5a, sizeof(r));
	memcpy(&untouched, &r, sizeof(r));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (read_text(&r, texts[i]) != -EINVAL)
			fail_msg("accepted: %s", texts[i]);
		assert_memory_equal(&r, &untouched, sizeof(r));
	}
}

static void what_is_missing_is_zero_or_unknown(void **state)
{
	struct report r;

	(void)state;
	assert_int_equal(
		read_text(&r, "{\"version\":\"1\",\"pid\":7,\"fleet\":{},\"workers\":[3,{\"slot\":"
			      "-1,\"pid\":\"x\",\"busy\":null}]}"),
		0);
	assert_int_equal(r.workers, 2);
	assert_null(r.config);
	assert_int_equal(r.worker[1].slot, 0);
	assert_int_equal(r.worker[1].pid, 0);
	assert_true(r.worker[1].busy == 0);
	assert_true(isnan(r.worker[1].lag_ms.p95));
	assert_string_equal(r.worker[0].state, "");
	assert_false(r.tells_changes);
	assert_int_equal(r.changes, 0);
	report_done(&r);
}

/* They end up on a terminal, which obeys what is written to it. */
static void control_characters_are_taken_out(void **state)
{
	struct report r;

	(void)state;
	assert_int_equal(
		read_text(&r, "{\"version\":\"1\\u001b[2J\",\"pid\":7,\"config\":\"a\\u009b31m"
			      "\\u00e4\\u007f\\n\",\"fleet\":{\"state\":\"averyveryverylongstate\"}"
			      ",\"workers\":[]}"),
		0);
	assert_string_equal(r.version, "1?[2J");
	assert_string_equal(r.config, "a??31m\xc3\xa4??");
	assert_string_equal(r.fleet.state, "averyveryverylo");
	report_done(&r);
}

static void the_last_changes_are_kept(void **state)
{
	struct buffer text;
	struct report r;

	(void)state;
	buffer_init(&text);
	buffer_puts(
		&text, "{\"version\":\"1\",\"pid\":7,\"fleet\":{},\"workers\":[],\"changes\":[0");
	for (int i = 1; i <= REPORT_CHANGES + 4; i++)
		buffer_printf(&text,
			",{\"number\":%d,\"kind\":\"scale\",\"text\":\"a\\tb\\nc\\n\\n\"}", i);
	buffer_puts(&text, "]}");
	assert_int_equal(report_read(&r, text.data, text.len), 0);
	assert_int_equal(r.changes, REPORT_CHANGES);
	assert_int_equal(r.change[0].number, 5);
	assert_int_equal(r.change[REPORT_CHANGES - 1].number, REPORT_CHANGES + 4);
	assert_string_equal(r.change[0].text, "a?b\nc");
	report_done(&r);
	buffer_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_real_thing),
		cmocka_unit_test(things_that_are_no_status),
		cmocka_unit_test(what_is_missing_is_zero_or_unknown),
		cmocka_unit_test(control_characters_are_taken_out),
		cmocka_unit_test(the_last_changes_are_kept),
	};

	return cmocka_run_group_tests_name("ctl_report", tests, NULL, NULL);
}
