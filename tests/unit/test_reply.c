/* An answer's bytes on the wire, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/reply.h"

#include <stdio.h>
#include <string.h>

static const struct http_reply_style style = {
	.cache_control = "public, max-age=60", .allow_origin = "*", .worker = 3};
static const struct http_reply_timing timing = {.queue_us = 1234567, .work_us = 8, .work = "qr"};

struct fixture {
	struct http_reply reply;
	struct buffer out;
};

static int setup(void **state)
{
	static struct fixture f;

	http_reply_init(&f.reply);
	buffer_init(&f.out);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_reply_done(&f->reply);
	buffer_done(&f->out);
	return 0;
}

/* The head without its Date line, which must be there once. */
static const char *head(struct fixture *f, const struct http_reply_wire *wire)
{
	static char text[2048];

	buffer_reset(&f->out);
	http_reply_head(&f->reply, &style, &timing, wire, &f->out);
	(void)snprintf(text, sizeof(text), "%s", buffer_cstring(&f->out));
	char *date = strstr(text, "\r\nDate: ");
	assert_non_null(date);
	char *end = strstr(date + 2, "\r\n");
	assert_int_equal(end - date, strlen("\r\nDate: Sat, 21 Nov 2026 22:00:00 GMT"));
	memmove(date, end, strlen(end) + 1);
	assert_null(strstr(text, "Date:"));
	return text;
}

static void test_picture(void **state)
{
	struct fixture *f = *state;
	struct http_reply_wire wire = {.keep_alive = true, .minor = 1};

	f->reply.content_type = "image/png";
	f->reply.cacheable = true;
	buffer_puts(&f->reply.body, "12345");
	(void)strcpy(f->reply.etag, "W/\"1\"");
	assert_string_equal(head(f, &wire), "HTTP/1.1 200 OK\r\n"
					    "Content-Type: image/png\r\n"
					    "Content-Length: 5\r\n"
					    "ETag: W/\"1\"\r\n"
					    "Cache-Control: public, max-age=60\r\n"
					    "Access-Control-Allow-Origin: *\r\n"
					    "X-Content-Type-Options: nosniff\r\n"
					    "Server-Timing: queue;dur=1234.567, qr;dur=0.008, "
					    "worker;desc=\"3\"\r\n"
					    "\r\n");
	assert_true(http_reply_sends_body(&f->reply, &wire));
	wire.head_only = true;
	assert_non_null(strstr(head(f, &wire), "Content-Length: 5\r\n"));
	assert_false(http_reply_sends_body(&f->reply, &wire));
}

static void test_connection_field(void **state)
{
	struct fixture *f = *state;

	assert_null(strstr(
		head(f, &(struct http_reply_wire){.keep_alive = true, .minor = 1}), "Connection"));
	assert_non_null(strstr(head(f, &(struct http_reply_wire){.keep_alive = true, .minor = 0}),
		"\r\nConnection: keep-alive\r\n"));
	assert_non_null(strstr(
		head(f, &(struct http_reply_wire){.minor = 1}), "\r\nConnection: close\r\n"));
}

static void test_no_content(void **state)
{
	static const int statuses[] = {204, 304};
	struct fixture *f = *state;
	struct http_reply_wire wire = {.keep_alive = true, .minor = 1};

	for (int i = 0; i < 2; i++) {
		http_reply_reset(&f->reply);
		f->reply.status = statuses[i];
		f->reply.content_type = "image/png";
		buffer_puts(&f->reply.body, "never sent");
		assert_null(strstr(head(f, &wire), "Content-Length"));
		assert_false(http_reply_sends_body(&f->reply, &wire));
	}
}

static void test_refusal(void **state)
{
	struct fixture *f = *state;
	struct http_reply_wire wire = {.keep_alive = true, .minor = 1};
	struct http_refusal refusal;

	buffer_puts(&f->reply.body, "half a picture");
	f->reply.cacheable = true;
	(void)http_refuse(&refusal, 503, "overloaded", "text", "a \"quoted\" %d", 7);
	http_reply_refuse(&f->reply, &refusal);
	assert_string_equal(buffer_cstring(&f->reply.body),
		"{\"error\": {\"code\": \"overloaded\", \"message\": \"a \\\"quoted\\\" 7\", "
		"\"parameter\": \"text\"}}\n");
	const char *text = head(f, &wire);
	assert_int_equal(strncmp(text, "HTTP/1.1 503 Service Unavailable\r\n", 34), 0);
	assert_non_null(strstr(text, "\r\nRetry-After: 1\r\n"));
	assert_non_null(strstr(text, "\r\nCache-Control: no-store\r\n"));
}

static void test_preflight(void **state)
{
	struct fixture *f = *state;
	struct http_reply_wire wire = {.keep_alive = true, .minor = 1};

	f->reply.status = 204;
	f->reply.allow = "GET, HEAD";
	f->reply.preflight = true;
	const char *text = head(f, &wire);
	assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
	assert_non_null(strstr(text, "\r\nAccess-Control-Allow-Methods: GET, HEAD\r\n"));
	assert_non_null(strstr(text, "\r\nAccess-Control-Allow-Headers: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_picture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connection_field, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preflight, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
