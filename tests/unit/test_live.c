/* What differs between two configurations, and what crosses to running processes in shared memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/live.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The defaults, changed by n "section.key=value". */
static struct config loaded(const char *const *set, size_t n)
{
	struct config c;
	struct buffer lines;

	buffer_init(&lines);
	assert_int_equal(config_load(&c, NULL, NULL, set, n, &lines, &lines), 0);
	buffer_done(&lines);
	return c;
}

#define LOADED(...)                                                                                \
	loaded((const char *const[]){__VA_ARGS__},                                                 \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const struct config_option *option(const char *name)
{
	const struct config_option *o = config_option_find_name(name, strlen(name));

	assert_non_null(o);
	return o;
}

static void expect_differ(const struct config *a, const struct config *b, enum config_takes takes,
	unsigned n, const char *names)
{
	struct buffer out;

	buffer_init(&out);
	assert_int_equal(config_differ(a, b, takes, NULL), n);
	assert_int_equal(config_differ(a, b, takes, &out), n);
	assert_string_equal(out.len > 0 ? buffer_cstring(&out) : "", names);
	buffer_done(&out);
}

/* Text has no room in shared memory, and each worker would have to make its own. */
static void test_live_options_are_no_text(void **state)
{
	unsigned live = 0;

	(void)state;
	for (int i = 0; i < CONFIG_IDS; i++) {
		if (config_options[i].takes != TAKES_LIVE)
			continue;
		live++;
		if (config_is_text(&config_options[i]))
			fail_msg("%s.%s is text and LIVE", config_options[i].section,
				config_options[i].key);
	}
	assert_true(live > 0);
}

static void test_nothing_differs(void **state)
{
	(void)state;
	struct config a = LOADED("workers.count=3");
	struct config b = LOADED("workers.count=3");

	for (int takes = TAKES_LIVE; takes <= TAKES_BALANCER; takes++)
		expect_differ(&a, &b, (enum config_takes)takes, 0, "");
	config_done(&a);
	config_done(&b);
}

static void test_differences_by_class(void **state)
{
	(void)state;
	struct config a = LOADED("workers.count=3");
	struct config b = LOADED("workers.count=auto", "http.access_log=true",
		"qr.engine=libqrencode", "http.cache_control=", "workers.base_port=9000",
		"balancer.policy=leastconn", "balancer.stats=127.0.0.1:8405");

	expect_differ(&a, &b, TAKES_LIVE, 3, "workers.count, qr.engine, http.access_log");
	expect_differ(&a, &b, TAKES_ROLL, 1, "http.cache_control");
	expect_differ(&a, &b, TAKES_UPGRADE, 1, "workers.base_port");
	expect_differ(&a, &b, TAKES_BALANCER, 2, "balancer.stats, balancer.policy");
	assert_false(config_same(option("workers.count"), &a, &b));
	assert_true(config_same(option("workers.max"), &a, &b));
	assert_true(config_same(option("log.destination"), &a, &b));
	config_done(&a);
	config_done(&b);
}

static void test_copies_are_their_own(void **state)
{
	(void)state;
	struct config a = LOADED("http.cache_control=no-store", "lab.enabled=true",
		"limits.queue=7", "balancer.kind=none", "log.level=debug");
	struct config copy;

	assert_int_equal(config_copy(&copy, &a), 0);
	for (int i = 0; i < CONFIG_IDS; i++)
		assert_true(config_same(&config_options[i], &a, &copy));
	assert_ptr_not_equal(copy.http_cache_control, a.http_cache_control);
	config_done(&a);
	assert_string_equal(copy.http_cache_control, "no-store");
	assert_true(copy.lab_enabled);
	assert_int_equal(copy.limits_queue, 7);
	assert_int_equal(copy.balancer_kind, BALANCER_NONE);
	config_done(&copy);
}

/* Copied option by option, a configuration becomes the other, and only in what was asked for. */
static void test_one_option(void **state)
{
	(void)state;
	struct config a = LOADED("workers.count=3", "lab.enabled=true", "log.level=warn",
		"http.allow_origin=https://a.example", "limits.queue=7");
	struct config b = LOADED("workers.count=auto");

	assert_int_equal(config_copy_option(option("workers.count"), &b, &a), 0);
	assert_int_equal(b.workers_count, 3);
	assert_int_equal(config_copy_option(option("lab.enabled"), &b, &a), 0);
	assert_true(b.lab_enabled);
	assert_int_equal(config_copy_option(option("log.level"), &b, &a), 0);
	assert_int_equal(b.log_level, 1);
	assert_int_equal(config_copy_option(option("http.allow_origin"), &b, &a), 0);
	assert_string_equal(b.http_allow_origin, "https://a.example");
	expect_differ(&a, &b, TAKES_LIVE, 1, "limits.queue");
	/* Onto itself. */
	assert_int_equal(config_copy_option(option("http.allow_origin"), &b, &b), 0);
	assert_string_equal(b.http_allow_origin, "https://a.example");
	config_done(&a);
	config_done(&b);
}

static void test_live_values_cross(void **state)
{
	static _Atomic int64_t value[CONFIG_IDS];

	(void)state;
	struct config a = LOADED("workers.count=auto", "workers.max_requests=1000000000000",
		"lab.enabled=true", "log.level=debug", "limits.queue=7",
		"http.cache_control=", "workers.base_port=9000");
	struct config b = LOADED("workers.count=3");

	for (int i = 0; i < CONFIG_IDS; i++)
		atomic_store(&value[i], -77);
	config_live_put(&a, value);
	for (int i = 0; i < CONFIG_IDS; i++)
		assert_int_equal(
			atomic_load(&value[i]) == -77, config_options[i].takes != TAKES_LIVE);
	config_live_take(&b, value);
	expect_differ(&a, &b, TAKES_LIVE, 0, "");
	assert_int_equal(b.workers_count, CONFIG_AUTO);
	assert_int_equal(b.workers_max_requests, 1000000000000);
	assert_true(b.lab_enabled);
	assert_int_equal(b.log_level, 3);
	/* What is not live stays. */
	expect_differ(&a, &b, TAKES_ROLL, 1, "http.cache_control");
	expect_differ(&a, &b, TAKES_UPGRADE, 1, "workers.base_port");
	config_done(&a);
	config_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_options_are_no_text),
		cmocka_unit_test(test_nothing_differs),
		cmocka_unit_test(test_differences_by_class),
		cmocka_unit_test(test_copies_are_their_own),
		cmocka_unit_test(test_one_option),
		cmocka_unit_test(test_live_values_cross),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
