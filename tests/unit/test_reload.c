/* A configuration read again: what is taken how, what is kept, what is wrong. */
#include "server/reload.h"

#include "config/option.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file, the configuration in force that came from it, and what a reload makes of a changed one. */
struct fixture {
	char file[32];
	struct config old;
	struct reload_source source;
	struct buffer text;
};

static void write_file(const struct fixture *f, const char *json)
{
	FILE *out = fopen(f->file, "w");

	assert_non_null(out);
	assert_true(fputs(json, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct buffer none;

	assert_non_null(f);
	strcpy(f->file, "/tmp/quern-reload-XXXXXX");
	const int fd = mkstemp(f->file);
	assert_true(fd >= 0);
	close(fd);
	write_file(f, "{\"workers\": {\"count\": 2}}");
	f->source.file = f->file;
	buffer_init(&f->text);
	buffer_init(&none);
	assert_int_equal(config_load(&f->old, f->file, NULL, NULL, 0, &none, &none), 0);
	buffer_done(&none);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	config_done(&f->old);
	buffer_done(&f->text);
	unlink(f->file);
	free(f);
	return 0;
}

static const char *read_again(struct fixture *f, const char *json, struct reload *r)
{
	write_file(f, json);
	assert_int_equal(reload_read(r, &f->source, &f->old, &f->text), 0);
	return buffer_cstring(&f->text);
}

static void test_nothing(void **state)
{
	struct reload r;

	assert_string_equal(
		read_again(*state, "{\"workers\": {\"count\": 2}}", &r), "nothing has changed");
	assert_false(r.changed || r.rolls || r.admin_too);
	config_done(&r.config);
}

static void test_each_class(void **state)
{
	struct reload r;
	const char *text = read_again(*state,
		"{\"workers\": {\"count\": 3, \"max\": 40}, \"http\": {\"cache_control\": "
		"\"no-store\"}, "
		"\"limits\": {\"queue_ms\": 77}, \"balancer\": {\"policy\": \"leastconn\"}}",
		&r);

	assert_string_equal(text, "taken at once: workers.count, limits.queue_ms; by new workers: "
				  "http.cache_control; "
				  "for HAProxy, to be rendered and reloaded: balancer.policy; "
				  "not taken, but by an upgrade or a restart: workers.max");
	assert_true(r.changed && r.rolls && r.admin_too);
	assert_int_equal(r.config.workers_count, 3);
	assert_int_equal(r.config.limits_queue_ms, 77);
	assert_string_equal(r.config.http_cache_control, "no-store");
	config_done(&r.config);
}

/* What cannot be taken keeps its old value, so that what is in force is what is shown. */
static void test_kept(void **state)
{
	struct reload r;

	(void)read_again(*state,
		"{\"workers\": {\"count\": 2, \"max\": 40, \"base_port\": 9100}, \"admin\": "
		"{\"address\": "
		"\"127.0.0.1:9999\"}}",
		&r);
	assert_int_equal(r.config.workers_max, 32);
	assert_int_equal(r.config.workers_base_port, 8100);
	assert_string_equal(r.config.admin_address, "127.0.0.1:8090");
	assert_false(r.changed || r.rolls);
	config_done(&r.config);
}

static void run_with(struct fixture *f, const char *json)
{
	struct buffer none;

	config_done(&f->old);
	buffer_init(&none);
	write_file(f, json);
	assert_int_equal(config_load(&f->old, f->file, NULL, NULL, 0, &none, &none), 0);
	buffer_done(&none);
}

static void expect_refused(struct fixture *f, const char *json, const char *after_file)
{
	struct reload r = {.rolls = true};
	char expected[512];

	write_file(f, json);
	f->text.len = 0;
	assert_int_equal(reload_read(&r, &f->source, &f->old, &f->text), -EINVAL);
	(void)snprintf(expected, sizeof(expected), "%s: %s", f->file, after_file);
	assert_string_equal(buffer_cstring(&f->text), expected);
	assert_true(r.rolls);
}

#define ALONE(listen, lab)                                                                         \
	"{\"balancer\": {\"kind\": \"none\", \"listen\": \"" listen                                \
	":8080\"}, \"lab\": {\"enabled\": " lab "}}"

/* The lab is not let out by a file whose loopback address the running fleet does not listen on. */
static void test_lab_where_the_fleet_listens(void **state)
{
	struct fixture *f = *state;
	struct reload r;

	run_with(f, ALONE("0.0.0.0", "false"));
	expect_refused(f, ALONE("127.0.0.1", "true"),
		"lab.enabled: true is not allowed; allowed: with a loopback address only, or with "
		"lab.force "
		"(balancer.listen: \"0.0.0.0:8080\", in force until an upgrade)");
	/* The file by itself must be right, too. */
	run_with(f, ALONE("127.0.0.1", "false"));
	write_file(f, ALONE("0.0.0.0", "true"));
	f->text.len = 0;
	assert_int_equal(reload_read(&r, &f->source, &f->old, &f->text), -EINVAL);
	assert_null(strstr(buffer_cstring(&f->text), "until an upgrade"));
}

static void test_other_relations_to_what_runs(void **state)
{
	struct fixture *f = *state;

	expect_refused(f, "{\"workers\": {\"count\": 40, \"max\": 50}}",
		"workers.count: 40 is out of range; allowed: at most workers.max (workers.max: 32, "
		"in force until "
		"an upgrade)");
	/* Where the running value stands first. */
	write_file(f, "{\"admin\": {\"address\": \"127.0.0.1:7000\"}, \"balancer\": {\"stats\": "
		      "\"127.0.0.1:8090\"}}");
	struct reload r;
	f->text.len = 0;
	assert_int_equal(reload_read(&r, &f->source, &f->old, &f->text), -EINVAL);
	const char *text = buffer_cstring(&f->text);
	assert_non_null(strstr(text, "admin.address: \"127.0.0.1:8090\""));
	assert_non_null(strstr(text, "in force until an upgrade"));
}

/* A warning is about what will be in force: without HAProxy, its patience does not matter. */
static void test_warnings_are_of_what_comes_out(void **state)
{
	struct fixture *f = *state;
	struct reload r;
	const char *text;

	text = read_again(f,
		"{\"workers\": {\"count\": 2}, \"balancer\": {\"kind\": \"none\"}, \"limits\": "
		"{\"queue_ms\": 50000}}",
		&r);
	assert_non_null(strstr(text, "is no shorter than HAProxy waits"));
	f->text.len = 0;
	config_done(&r.config);
	run_with(f, ALONE("127.0.0.1", "false"));
	text = read_again(f, "{\"limits\": {\"queue_ms\": 50000}}", &r);
	assert_string_equal(text, "taken at once: limits.queue_ms; not taken, but by an upgrade or "
				  "a restart: balancer.kind");
	config_done(&r.config);
}

/* What is not about relations is told once, and stays. */
static void test_warning_of_a_variable_stays(void **state)
{
	static char variable[] = "QUERN_NONSENSE=1";
	static char *const environment[] = {variable, NULL};
	struct fixture *f = *state;
	struct reload r;

	f->source.environment = environment;
	const char *text = read_again(f, "{\"workers\": {\"count\": 2, \"max\": 40}}", &r);
	const char *hit = strstr(text, "QUERN_NONSENSE");
	assert_non_null(hit);
	assert_null(strstr(hit + 1, "QUERN_NONSENSE"));
	config_done(&r.config);
}

static void test_live_alone_rolls_nothing(void **state)
{
	struct reload r;

	assert_string_equal(
		read_again(*state, "{\"workers\": {\"count\": 2}, \"log\": {\"level\": \"debug\"}}",
			&r),
		"taken at once: log.level");
	assert_true(r.changed);
	assert_false(r.rolls || r.admin_too);
	config_done(&r.config);
}

static void test_pinned(void **state)
{
	static const char *const set[] = {"workers.count=2", "limits.queue_ms=5000"};
	struct fixture *f = *state;
	struct reload r;

	f->source.set = set;
	f->source.settings = 2;
	assert_string_equal(
		read_again(f, "{\"workers\": {\"count\": 7}, \"limits\": {\"queue_ms\": 9}}", &r),
		"nothing has changed; pinned by --set: workers.count, limits.queue_ms");
	assert_int_equal(r.config.workers_count, 2);
	config_done(&r.config);
}

static void test_wrong(void **state)
{
	struct fixture *f = *state;
	struct reload r = {.rolls = true};

	write_file(f, "{\"workers\": {\"count\": 99}, \"limits\": {\"queue_ms\": 0}}");
	assert_int_equal(reload_read(&r, &f->source, &f->old, &f->text), -EINVAL);
	const char *text = buffer_cstring(&f->text);
	assert_non_null(strstr(text, f->file));
	assert_non_null(strstr(text, "limits.queue_ms"));
	assert_non_null(strstr(text, "1 to 60000"));
	assert_non_null(strstr(text, "workers.count"));
	assert_true(r.rolls);
}

/* What is suspicious is told with the rest. */
static void test_warning(void **state)
{
	struct reload r;
	const char *text = read_again(
		*state, "{\"workers\": {\"count\": 2}, \"limits\": {\"queue_ms\": 50000}}", &r);

	assert_non_null(strstr(text, "taken at once: limits.queue_ms"));
	assert_non_null(strstr(text, "warning: "));
	assert_non_null(strstr(text, "balancer.timeout_ms"));
	config_done(&r.config);
}

static void test_file_gone(void **state)
{
	struct fixture *f = *state;
	struct reload r;

	unlink(f->file);
	assert_int_equal(reload_read(&r, &f->source, &f->old, &f->text), -EINVAL);
	assert_non_null(strstr(buffer_cstring(&f->text), f->file));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each_class, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_lab_where_the_fleet_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_other_relations_to_what_runs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_warnings_are_of_what_comes_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_warning_of_a_variable_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_live_alone_rolls_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pinned, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_warning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file_gone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
