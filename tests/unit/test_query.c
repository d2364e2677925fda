/* server/routes/query.c: the few fields that a route of the lab takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/routes/query.h"

#include <stdlib.h>
#include <string.h>

static struct {
	int64_t us, rounds;
	struct form_text text;
	struct buffer scratch;
	struct http_refusal refusal;
} got;

/* As read from memory that ends where the query ends, so that AddressSanitizer sees an over-read. */
static bool read_bytes(const char *query, size_t len)
{
	const struct query_field fields[] = {
		{.name = "us",
			.required = true,
			.unit = "microseconds",
			.min = -5,
			.max = 100,
			.number = &got.us},
		{.name = "rounds",
			.unit = "rounds",
			.min = 1,
			.max = INT64_MAX,
			.number = &got.rounds},
		{.name = "text", .max = 4, .text = &got.text},
	};
	const struct http_request request = {.query = {.at = 3, .len = len}};
	char *data = malloc(3 + len);
	struct exchange x = {.request = &request, .data = data, .scratch = &got.scratch};

	assert_non_null(data);
	memcpy(data + 3, query, len);
	got.us = got.rounds = 77;
	got.text = (struct form_text){0};
	const bool good = query_read(&x, fields, sizeof(fields) / sizeof(fields[0]), &got.refusal);
	/* What a text points to is no part of the request. */
	free(data);
	return good;
}

static bool read_query(const char *query)
{
	return read_bytes(query, strlen(query));
}

static void assert_text(const char *text, size_t len)
{
	assert_int_equal(got.text.len, len);
	assert_memory_equal(got.text.at, text, len);
}

static void test_good(void **state)
{
	(void)state;
	assert_true(read_query("us=5"));
	assert_int_equal(got.us, 5);
	assert_int_equal(got.rounds, 77); /* kept, as it was not given */
	assert_int_equal(got.text.len, 0);
	assert_true(read_query("text=ab%20c&rounds=9223372036854775807&us=-5"));
	assert_int_equal(got.us, -5);
	assert_true(got.rounds == INT64_MAX);
	assert_text("ab c", 4);
	/* In whatever form names and values are written. */
	assert_true(read_query("%75s=%31%30&te%78t=+%2B"));
	assert_int_equal(got.us, 10);
	assert_text(" +", 2);
	assert_true(read_query("&&us=100&"));
	assert_int_equal(got.us, 100);
}

static void test_any_bytes_in_a_text(void **state)
{
	(void)state;
	assert_true(read_query("us=1&text=%00%ff%0a"));
	assert_text("\0\xff\n", 3);
	assert_true(read_bytes("us=1&text=a\0b", 13));
	assert_text("a\0b", 3);
}

static void test_other_names_are_ignored(void **state)
{
	(void)state;
	assert_true(read_query("us=1&other=x&us%00=3&US=4&u=5&uss=6&=7"));
	assert_int_equal(got.us, 1);
	assert_true(read_query("x=1&x=2&us=3&x=%20"));
	assert_int_equal(got.us, 3);
	/* All of them lie in front of the text in the same store. */
	assert_true(read_query("aaaaaaaaaaaa=bbbbbbbbbbbbbbbbb&text=abcd&cccccccc=ddddddd&us=1"));
	assert_text("abcd", 4);
}

static void assert_refused(const char *query, const char *parameter, const char *message)
{
	assert_false(read_query(query));
	assert_int_equal(got.refusal.status, 400);
	assert_string_equal(got.refusal.code, "bad_parameter");
	assert_string_equal(got.refusal.parameter, parameter);
	assert_string_equal(got.refusal.message, message);
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = {"us=101", "us=-6", "us=", "us", "us=1x", "us=+1",
		"us=%201", "us=1.0", "us=0x1", "us=99999999999999999999", "us=1%00", "rounds=5",
		"text=a", "", "us=1&us=1", "us=1&%75s=1", "us=1&us=x"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], "us",
			"us must be given once, a whole number of microseconds from -5 to 100");
	assert_refused("us=1&rounds=0", "rounds",
		"rounds must be given at most once, a whole number of rounds from 1 to "
		"9223372036854775807");
	assert_refused("us=1&rounds=3&rounds=3", "rounds",
		"rounds must be given at most once, a whole number of rounds from 1 to "
		"9223372036854775807");
}

static void test_bad_texts(void **state)
{
	static const char *const bad[] = {"us=1&text=", "us=1&text", "us=1&text=abcde",
		"text=a&text=a&us=1", "text=%61%62%63%64%65&us=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(
			bad[i], "text", "text must be given at most once, a text of 1 to 4 bytes");
}

static void test_broken_encoding(void **state)
{
	static const char *const bad[] = {
		"us=1&text=%", "us=%zz", "us=1&%4=1", "us=1&other=%1", "us=1%3"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i], "query", "broken percent-encoding in the query");
}

static int set_up(void **state)
{
	(void)state;
	buffer_init(&got.scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_done(&got.scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_any_bytes_in_a_text),
		cmocka_unit_test(test_other_names_are_ignored),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_bad_texts),
		cmocka_unit_test(test_broken_encoding),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
