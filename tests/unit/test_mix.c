/* bench/load/mix: templates, what is drawn from them, and every mistake with its place. */
#include "bench/load/mix.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AGENT "User-Agent: quern-bench/" QUERN_VERSION "\r\n"

static struct mix *parse(const char *text)
{
	struct buffer error;
	struct mix *m = NULL;

	buffer_init(&error);
	const int result = mix_parse(&m, "mix", text, strlen(text), &error);
	if (result < 0)
		fail_msg("%s", buffer_cstring(&error));
	buffer_done(&error);
	return m;
}

/* The next request, as a string that the buffer owns. */
static const char *draw(
	const struct mix *m, struct random *r, struct buffer *out, struct mix_request *request)
{
	buffer_reset(out);
	mix_draw(m, r, "host:81", out, request);
	return buffer_cstring(out);
}

static void test_single_is_literal(void **state)
{
	struct mix_request request;
	struct random random;
	struct buffer out;
	struct mix *m;

	(void)state;
	buffer_init(&out);
	random_init(&random, 1, 0);
	assert_int_equal(mix_single(&m, "/qr?text={text:5}"), 0);
	assert_int_equal(mix_templates(m), 1);
	assert_string_equal(mix_template_name(m, 0), "GET /qr?text={text:5}");
	assert_string_equal(draw(m, &random, &out, &request),
		"GET /qr?text={text:5} HTTP/1.1\r\nHost: host:81\r\n" AGENT "\r\n");
	assert_int_equal(request.template_index, 0);
	assert_true(request.asked_us == -1);
	assert_false(request.head);
	mix_free(m);
	mix_free(NULL);
	buffer_done(&out);
}

static void test_body_and_braces(void **state)
{
	struct mix *m = parse(
		"# a comment\r\n\n \t\n"
		"5\tPOST  /qr?a={{}}\tapplication/json   {{\"a\": \"{text:3}\"}} \xc3\xa9\r\n");
	struct mix_request request;
	struct random random;
	struct buffer out;
	char expected[256];

	(void)state;
	buffer_init(&out);
	random_init(&random, 7, 0);
	assert_string_equal(mix_template_name(m, 0), "POST /qr?a={{}}");
	const char *text = draw(m, &random, &out, &request);
	const char *drawn = strstr(text, "\"a\": \"");
	assert_non_null(drawn);
	(void)snprintf(expected, sizeof expected,
		"POST /qr?a={} HTTP/1.1\r\nHost: host:81\r\n" AGENT
		"Content-Type: application/json\r\nContent-Length: 15\r\n\r\n"
		"{\"a\": \"%.3s\"} \xc3\xa9",
		drawn + 6);
	assert_string_equal(text, expected);
	assert_int_equal(
		strspn(drawn + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
		3);
	mix_free(m);
	buffer_done(&out);
}

static void test_methods(void **state)
{
	struct mix *m = parse("1 HEAD /a");
	struct mix_request request;
	struct random random;
	struct buffer out;

	(void)state;
	buffer_init(&out);
	random_init(&random, 7, 0);
	assert_string_equal(draw(m, &random, &out, &request),
		"HEAD /a HTTP/1.1\r\nHost: host:81\r\n" AGENT "\r\n");
	assert_true(request.head);
	mix_free(m);

	m = parse("1 POST /a");
	assert_string_equal(draw(m, &random, &out, &request),
		"POST /a HTTP/1.1\r\nHost: host:81\r\n" AGENT "Content-Length: 0\r\n\r\n");
	assert_false(request.head);
	mix_free(m);
	buffer_done(&out);
}

/* Each of 62 characters as often as the others: chi-square with 61 degrees of freedom is below 114.7 with probability
 * 0.99997; the seed is fixed. Lengths reach both ends of their range and nothing beyond. */
static void test_text(void **state)
{
	struct mix *m = parse("1 GET /{text:0-40}");
	unsigned seen[256] = {0}, lengths[64] = {0};
	struct mix_request request;
	struct random random;
	struct buffer out;
	double total = 0, chi_square = 0;

	(void)state;
	buffer_init(&out);
	random_init(&random, 42, 0);
	for (int i = 0; i < 20000; i++) {
		const char *text = draw(m, &random, &out, &request) + strlen("GET /");
		const size_t len = strcspn(text, " ");

		assert_true(len <= 40);
		lengths[len]++;
		for (size_t at = 0; at < len; at++)
			seen[(unsigned char)text[at]]++;
		total += (double)len;
	}
	assert_true(lengths[0] > 0 && lengths[40] > 0);
	unsigned kinds = 0;
	for (int c = 0; c < 256; c++) {
		if (seen[c] == 0)
			continue;
		const double wanted = total / 62;

		assert_true(
			(c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
		chi_square += (seen[c] - wanted) * (seen[c] - wanted) / wanted;
		kinds++;
	}
	assert_int_equal(kinds, 62);
	assert_true(chi_square < 114.7);
	mix_free(m);
	buffer_done(&out);
}

static void test_numbers(void **state)
{
	struct mix *m = parse("1 GET /{int:7-9}/{us:det:250us}/{us:exp:1ms}");
	unsigned seen[10] = {0};
	struct mix_request request;
	struct random random;
	struct buffer out;
	double sum = 0;

	(void)state;
	buffer_init(&out);
	random_init(&random, 3, 0);
	for (int i = 0; i < 10000; i++) {
		char *end;
		const char *text = draw(m, &random, &out, &request) + strlen("GET /");
		const unsigned long drawn = strtoul(text, &end, 10);

		assert_true(drawn >= 7 && drawn <= 9);
		seen[drawn]++;
		assert_memory_equal(end, "/250/", 5);
		const unsigned long us = strtoul(end + 5, &end, 10);
		assert_true(*end == ' ');
		/* What was asked for is what was written: whole, and the sum of both. */
		assert_true(request.asked_us == (double)us + 250);
		sum += (double)us;
	}
	assert_true(seen[7] > 0 && seen[8] > 0 && seen[9] > 0);
	/* The mean of 10,000 exponential times is within 4 standard deviations, 1000 / sqrt(10000) each. */
	assert_true(fabs(sum / 10000 - 1000) < 40);
	mix_free(m);
	buffer_done(&out);
}

/* 100,000 draws of a share p vary by sqrt(p (1 - p) / 100000); four of that. */
static void test_weights(void **state)
{
	static const double share[] = {0.99 * 0.5, 0.01 * 0.5, 0.5};
	struct mix *m = parse("99 GET /a\n1 GET /b\n100 GET /c\n");
	unsigned seen[3] = {0};
	struct mix_request request;
	struct random random;
	struct buffer out;

	(void)state;
	buffer_init(&out);
	random_init(&random, 5, 0);
	assert_int_equal(mix_templates(m), 3);
	for (int i = 0; i < 100000; i++) {
		const char *text = draw(m, &random, &out, &request);

		assert_int_equal(text[5], 'a' + (int)request.template_index);
		seen[request.template_index]++;
	}
	for (int i = 0; i < 3; i++)
		assert_true(
			fabs(seen[i] / 1e5 - share[i]) < 4 * sqrt(share[i] * (1 - share[i]) / 1e5));
	mix_free(m);
	buffer_done(&out);
}

static void test_same_seed_same_requests(void **state)
{
	struct mix *m =
		parse("1 GET /{text:1-50}\n1 POST /{int:1-9} text/plain {text:9}{us:exp:1ms}\n");
	struct random first, second;
	struct buffer a, b;
	struct mix_request request;

	(void)state;
	buffer_init(&a);
	buffer_init(&b);
	random_init(&first, 11, 2);
	random_init(&second, 11, 2);
	for (int i = 0; i < 100; i++)
		assert_string_equal(draw(m, &first, &a, &request), draw(m, &second, &b, &request));
	mix_free(m);
	buffer_done(&a);
	buffer_done(&b);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "mix: no template in it"},
		{"# only a comment\n", "mix: no template in it"},
		{"x GET /", "mix:1:1: \"x\" is no weight"},
		{"0 GET /", "mix:1:1: \"0\" is no weight"},
		{"-1 GET /", "mix:1:1: \"-1\" is no weight"},
		{"nan GET /", "mix:1:1: \"nan\" is no weight"},
		{"1e3 GET /", "mix:1:1: \"1e3\" is no weight"},
		{"1 GET /\n\n  1 GTE /", "mix:3:5: \"GTE\" is no method; allowed: GET, HEAD, POST"},
		{"1 \x1b[2J /", "mix:1:3: \"?[2J\" is no method"},
		{"1 get /", "mix:1:3: \"get\" is no method"},
		{"1", "mix:1:2: the method is missing"},
		{"1 GET", "mix:1:6: the target is missing"},
		{"1 GET qr", "mix:1:7: a target begins with \"/\", not \"qr\""},
		{"1 GET /a#b", "mix:1:9: a target cannot hold this byte; write it as %23"},
		{"1 GET /\xc3\xa9", "mix:1:8: a target cannot hold this byte; write it as %C3"},
		{"1 GET /a b", "mix:1:10: a GET has no body"},
		{"1 GET /{text:20", "mix:1:8: this { has no }"},
		{"1 GET /{text:20 }", "mix:1:8: this { has no }"},
		{"1 GET /a}", "mix:1:9: a } without its {"},
		{"1 GET /{txt:20}", "mix:1:8: {txt:20} is no placeholder; allowed: {text:N}"},
		{"1 GET /{text:}", "mix:1:14: \"\" is not allowed; allowed: N or N-M"},
		{"1 GET /{text:9-3}", "mix:1:14: \"9-3\" is not allowed"},
		{"1 GET /{text:1048577}", "mix:1:14: \"1048577\" is not allowed"},
		{"1 GET /{text:-3}", "mix:1:14: \"-3\" is not allowed"},
		{"1 GET /{int:5}", "mix:1:13: \"5\" is no range"},
		{"1 GET /{int:5-x}", "mix:1:13: \"5-x\" is not allowed; allowed: N-M"},
		{"1 GET /{us:exp:1}", "mix:1:12: "},
		{"1 GET /{us:hist:/nowhere/at/all}", "mix:1:12: "},
		{"1 POST / json x", "mix:1:10: \"json\" is no content type"},
		{"1 POST / text/plain", "mix:1:20: the body is missing"},
		{"1 POST / text/plain  ", "mix:1:22: the body is missing"},
		/* The column counts characters: two bytes of UTF-8 are one. */
		{"1 POST / text/plain \xc3\xa9{", "mix:1:22: this { has no }"},
		{"1 POST / text/plain a\x01", "mix:1:22: control character 0x01"},
		{"1 POST / text/pl\xc3\xa4in a", "mix:1:17: a content type cannot hold byte 0xC3"},
	};
	struct buffer error;

	(void)state;
	buffer_init(&error);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mix *m = NULL;

		buffer_reset(&error);
		assert_int_equal(mix_parse(&m, "mix", cases[i].text, strlen(cases[i].text), &error),
			-EINVAL);
		assert_null(m);
		const char *message = buffer_cstring(&error);
		if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("%s: got %s", cases[i].text, message);
		assert_true(strlen(message) > strlen("mix:1:12: "));
	}
	buffer_done(&error);
}

static void test_limits(void **state)
{
	struct buffer text, error;
	struct mix *m = NULL;

	(void)state;
	buffer_init(&text);
	buffer_init(&error);
	for (int i = 0; i < 1000; i++)
		buffer_puts(&text, "1 GET /\n");
	assert_int_equal(mix_parse(&m, "mix", text.data, text.len, &error), 0);
	assert_int_equal(mix_templates(m), 1000);
	mix_free(m);
	buffer_puts(&text, "1 GET /\n");
	assert_int_equal(mix_parse(&m, "mix", text.data, text.len, &error), -EINVAL);
	assert_string_equal(buffer_cstring(&error), "mix:1001:1: more than 1000 templates");
	buffer_reset(&error);
	/* A NUL byte is a control character like others. */
	assert_int_equal(mix_parse(&m, "mix", "1 GET /\0", 8, &error), -EINVAL);
	assert_string_equal(
		buffer_cstring(&error), "mix:1:8: a target cannot hold this byte; write it as %00");
	buffer_done(&text);
	buffer_done(&error);
}

static void test_files(void **state)
{
	struct buffer error;
	struct mix *m = NULL;

	(void)state;
	buffer_init(&error);
	assert_int_equal(mix_read(&m, "/nowhere/mix", &error), -ENOENT);
	assert_string_equal(
		buffer_cstring(&error), "cannot read /nowhere/mix: No such file or directory");
	buffer_reset(&error);
	assert_int_equal(mix_read(&m, "/", &error), -EISDIR);
	assert_string_equal(buffer_cstring(&error), "cannot read /: Is a directory");
	buffer_reset(&error);
	assert_int_equal(mix_read(&m, "/dev/null", &error), -EINVAL);
	/* A file without end is not read to it. */
	buffer_reset(&error);
	assert_int_equal(mix_read(&m, "/dev/zero", &error), -EFBIG);
	assert_null(m);
	buffer_done(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_is_literal),
		cmocka_unit_test(test_body_and_braces),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_same_seed_same_requests),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
