#include "bench/latency.h"
#include "bench/output.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/quern-test-output-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static void check_content(const char *path, const char *expected)
{
	char text[512];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	const size_t n = fread(text, 1, sizeof text - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	assert_string_equal(text, expected);
}

static void test_text_replaces_a_file(void **state)
{
	(void)state;
	struct buffer text;
	const char *path = path_of("text");

	buffer_init(&text);
	buffer_puts(&text, "one\n");
	assert_int_equal(output_text(path, &text), 0);
	buffer_puts(&text, "two\n");
	assert_int_equal(output_text(path, &text), 0);
	check_content(path, "one\ntwo\n");
	assert_int_equal(output_text(directory, &text), -EISDIR);
	assert_int_equal(output_text("/nonexistent/x", &text), -ENOENT);
	assert_int_equal(output_text("/dev/full", &text), -ENOSPC);
	text.failed = true;
	assert_int_equal(output_text(path, &text), -ENOMEM);
	check_content(path, "one\ntwo\n");
	buffer_done(&text);
	assert_int_equal(unlink(path),
		0); /* and no .part beside it: the directory must be empty at the end */
}

static void test_lines_are_appended_whole(void **state)
{
	(void)state;
	const char *path = path_of("lines");
	json_t *object = json_pack("{s: i}", "a", 1);

	assert_int_equal(output_append_line(path, object), 0);
	FILE *file = fopen(path, "a");
	assert_non_null(file);
	assert_true(fputs("{\"cut", file) >= 0); /* a writer that was killed */
	assert_int_equal(fclose(file), 0);
	assert_int_equal(output_append_line(path, object), 0);
	check_content(path, "{\"a\":1}\n{\"a\":1}\n");
	assert_int_equal(output_append_line(path, NULL), -ENOMEM);
	json_decref(object);
	assert_int_equal(unlink(path), 0);
}

static void test_json_is_indented(void **state)
{
	(void)state;
	const char *path = path_of("json");
	json_t *object = json_pack("{s: f}", "a", 0.1);

	assert_int_equal(output_json(path, object), 0);
	check_content(path, "{\n    \"a\": 0.1\n}\n");
	json_decref(object);
	assert_int_equal(unlink(path), 0);
}

static void test_latency_text(void **state)
{
	(void)state;
	static const struct {
		double us;
		const char *text;
	} cases[] = {{0, "0.00 us"}, {1.234, "1.23 us"}, {12.34, "12.3 us"}, {999.4, "999 us"},
		{999.6, "1.00 ms"}, {1000, "1.00 ms"}, {23456, "23.5 ms"}, {999600, "1.00 s"},
		{7.2e9, "7200 s"}};
	char text[LATENCY_TEXT_BYTES];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(latency_text(cases[i].us, text, sizeof text), cases[i].text);
}

static void test_latency_json(void **state)
{
	(void)state;
	struct batches b;

	assert_int_equal(batches_init(&b, 0), 0);
	json_t *empty = latency_json(&b);
	assert_true(json_is_null(json_object_get(empty, "p99")));
	assert_true(json_is_null(json_object_get(empty, "p99_interval")));
	json_decref(empty);
	for (int i = 1; i <= 20000; i++)
		batches_record(&b, (double)(i * 7919 % 20000 + 1)); /* 1 to 20,000 us, mixed */
	json_t *full = latency_json(&b);
	const double p99 = json_real_value(json_object_get(full, "p99"));
	assert_true(p99 > 19.7 && p99 < 19.9);
	assert_true(json_real_value(json_object_get(full, "mean")) == 10.0005);
	assert_true(json_real_value(json_object_get(full, "max")) == 20.0);
	const json_t *interval = json_object_get(full, "p99_interval");
	assert_int_equal(json_array_size(interval), 2);
	assert_true(json_real_value(json_array_get(interval, 0)) < p99);
	assert_true(json_real_value(json_array_get(interval, 1)) > p99);
	json_decref(full);
	batches_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_replaces_a_file),
		cmocka_unit_test(test_lines_are_appended_whole),
		cmocka_unit_test(test_json_is_indented),
		cmocka_unit_test(test_latency_text),
		cmocka_unit_test(test_latency_json),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
