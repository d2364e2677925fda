/* bench/load/response.c: every answer whole, byte by byte, and cut at every place, against an unreadable page. */
#include "bench/load/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ROOM (RESPONSE_HEAD_BYTES * 2)
#define N(table) (sizeof(table) / sizeof(*(table)))
#define OK "HTTP/1.1 200 OK\r\n"

/* Ends at a page which must not be touched. */
static char *place_end;

static int map_place(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map =
		mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	if (map == MAP_FAILED || mprotect(map + ROOM, page, PROT_NONE))
		return -1;
	place_end = map + ROOM;
	return 0;
}

static enum response_result feed(struct response *r, const char *data, size_t len, size_t *used)
{
	assert_true(len <= ROOM);
	memcpy(place_end - len, data, len);
	return response_feed(r, place_end - len, len, used);
}

/* In pieces: `cut` bytes, then `step` at a time. Returns how it came out and how many bytes were taken. */
static enum response_result feed_pieces(
	struct response *r, const char *data, size_t len, size_t cut, size_t step, size_t *ret_used)
{
	enum response_result result = RESPONSE_MORE;
	size_t at = 0, n = cut < len ? cut : len;

	for (;;) {
		size_t used = 0;

		result = feed(r, data + at, n, &used);
		assert_true(used <= n);
		at += used;
		if (result != RESPONSE_MORE || at == len)
			break;
		assert_int_equal(used, n);
		n = step < len - at ? step : len - at;
	}
	*ret_used = at;
	return result;
}

struct answer {
	const char *text;
	size_t whole; /* bytes that belong to it; 0: all */
	uint16_t status;
	bool keep_alive;
	bool head;
};

static const struct answer answers[] = {
	{OK "Content-Length: 5\r\n\r\nhello", 0, 200, true, false},
	{OK "Content-Length: 5\r\n\r\nhelloHTTP", 43, 200, true, false},
	{OK "Content-Length: 0\r\n\r\n", 0, 200, true, false},
	{OK "content-length:5\r\n\r\nhello", 0, 200, true, false},
	{OK "Content-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", 0, 200, true, false},
	{OK "X: y\r\nContent-Length: \t 5 \t\r\n\r\nhello", 0, 200, true, false},
	{OK "Content-Length: 5\r\n\r\n", 0, 200, true, true},
	{OK "Transfer-Encoding: chunked\r\n\r\n", 0, 200, true, true},
	{"HTTP/1.1 204 No Content\r\n\r\n", 0, 204, true, false},
	{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 0, 304, true, false},
	{"HTTP/1.1 503\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx", 0, 503, false, false},
	{"HTTP/1.1 599 \r\nContent-Length: 1\r\n\r\nx", 0, 599, true, false},
	{"HTTP/1.1 200 \xc3\xa9\r\nConnection: x, close ,y\r\nContent-Length: 0\r\n\r\n", 0, 200,
		false, false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 0, 200, false, false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx", 0, 200, true,
		false},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n"
	 "\r\n",
		0, 200, false, false},
	{"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 0, 200, true, false},
	{"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", 0, 200, true, false},
	{"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
	 "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx",
		0, 404, true, false},
	{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0, 200, true, false},
	{OK "Transfer-Encoding: gzip, Chunked\r\n\r\n0A;a=\"b\"\r\n0123456789\r\n1 \r\nx\r\n000\r\n"
	    "Trailer: yes\r\nContent-Length: 7\r\n\r\n",
		0, 200, true, false},
	{OK "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 200, true,
		false},
	/* The coding overrides the length, but the connection is no longer trusted. */
	{OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 200, false,
		false},
	{OK "X: a\r\n b\r\nContent-Length: 1\r\n\r\nx", 0, 200, true, false},
};

static void check_answer(const struct answer *a, size_t cut, size_t step)
{
	const size_t len = strlen(a->text);
	struct response r = {0};
	size_t used;

	response_begin(&r, a->head);
	if (feed_pieces(&r, a->text, len, cut, step, &used) != RESPONSE_DONE)
		fail_msg("row %td, cut %zu, step %zu: not complete", a - answers, cut, step);
	assert_int_equal(used, a->whole ? a->whole : len);
	assert_int_equal(r.status, a->status);
	assert_int_equal(r.keep_alive, a->keep_alive);
	assert_true(r.begun);
	response_done(&r);
}

static void complete_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		const size_t len = strlen(answers[i].text);

		check_answer(&answers[i], 1, 1);
		for (size_t cut = 0; cut <= len; cut++)
			check_answer(&answers[i], cut, len);
	}
}

/* No beginning of an answer is taken for a whole one, and none is complete because the connection ends. */
static void answers_end_where_they_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		const size_t len = answers[i].whole ? answers[i].whole : strlen(answers[i].text);

		for (size_t n = 0; n < len; n++) {
			struct response r = {0};
			size_t used;

			response_begin(&r, answers[i].head);
			assert_int_equal(feed(&r, answers[i].text, n, &used), RESPONSE_MORE);
			assert_int_equal(used, n);
			assert_int_equal(r.begun, n > 0);
			assert_int_equal(response_end(&r), RESPONSE_BROKEN);
			response_done(&r);
		}
	}
}

static void bodies_that_the_close_ends(void **state)
{
	static const char *const texts[] = {
		OK "\r\nhello",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
		OK "Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nhello",
		OK "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < N(texts); i++) {
		struct response r = {0};
		size_t used;

		response_begin(&r, false);
		assert_int_equal(
			feed_pieces(&r, texts[i], strlen(texts[i]), 1, 1, &used), RESPONSE_MORE);
		assert_int_equal(response_end(&r), RESPONSE_DONE);
		assert_int_equal(r.status, 200);
		assert_false(r.keep_alive);
		response_done(&r);
	}
}

static void broken_answers(void **state)
{
	static const char *const texts[] = {
		"\r\n" OK,
		"hello\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/2.0 200 OK\r\n",
		"HTTP/1.1  200 OK\r\n",
		"HTTP/1.1 20\r\n",
		"HTTP/1.1 2000\r\n",
		"HTTP/1.1 20x OK\r\n",
		"HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 600 OK\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n",
		"HTTP/1.1 200 a\rb\r\n",
		OK "no colon\r\n",
		OK ": no name\r\n",
		OK "Blank : x\r\n",
		OK " folded: from nothing\r\n",
		OK "Content-Length: 1\r\n 0\r\n",
		OK "X: a\rb\r\n",
		OK "Content-Length: \r\n",
		OK "Content-Length: -1\r\n",
		OK "Content-Length: +1\r\n",
		OK "Content-Length: 1x\r\n",
		OK "Content-Length: 1 2\r\n",
		OK "Content-Length: 1,\r\n",
		OK "Content-Length: 1, 2\r\n",
		OK "Content-Length: 1\r\nContent-Length: 2\r\n",
		OK "Content-Length: 18446744073709551616\r\n",
		OK "Transfer-Encoding: chunked, chunked\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n0x1\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n;a\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
	};

	(void)state;
	for (size_t i = 0; i < N(texts); i++) {
		const size_t len = strlen(texts[i]);

		for (size_t step = 1; step <= len; step += len - 1) {
			struct response r = {0};
			size_t used;

			response_begin(&r, false);
			if (feed_pieces(&r, texts[i], len, step, step, &used) != RESPONSE_BROKEN)
				fail_msg("row %zu is not broken", i);
			/* And stays so. */
			assert_int_equal(feed(&r, OK "\r\n", 19, &used), RESPONSE_BROKEN);
			assert_int_equal(response_end(&r), RESPONSE_BROKEN);
			response_done(&r);
		}
	}
}

static void timing_of_the_answer(void **state)
{
	static const char text[] =
		"HTTP/1.1 103 Early Hints\r\nServer-Timing: queue;dur=9\r\n\r\n" OK
		"Server-Timing: qr;dur=1.5, worker;desc=\"2\"\r\n"
		"server-timing: total;dur=7\r\nContent-Length: 0\r\n\r\n";
	struct response r = {0};
	size_t used;

	(void)state;
	response_begin(&r, false);
	assert_int_equal(feed_pieces(&r, text, strlen(text), 1, 1, &used), RESPONSE_DONE);
	assert_true(r.timing.queue_us < 0);
	assert_true(r.timing.service_us > 1499 && r.timing.service_us < 1501);
	assert_int_equal(r.timing.worker, 2);

	/* Nothing of it is left for the next answer. */
	response_begin(&r, false);
	assert_int_equal(feed(&r, OK "Content-Length: 0\r\n\r\n", 38, &used), RESPONSE_DONE);
	assert_true(r.timing.service_us < 0 && r.timing.worker < 0);
	response_done(&r);
}

/* A head of exactly `len` bytes. */
static void fill_head(char *text, size_t len)
{
	static const char end[] = "\r\nContent-Length: 0\r\n\r\n";

	memset(text, 'x', len);
	memcpy(text, OK "X: ", strlen(OK "X: "));
	memcpy(text + len - strlen(end), end, strlen(end));
}

static void head_bound(void **state)
{
	char *text = malloc(RESPONSE_HEAD_BYTES + 1);
	struct response r = {0};
	size_t used;

	(void)state;
	assert_non_null(text);
	for (size_t step = 7; step < 1000; step *= 11) {
		fill_head(text, RESPONSE_HEAD_BYTES);
		response_begin(&r, false);
		assert_int_equal(
			feed_pieces(&r, text, RESPONSE_HEAD_BYTES, 1, step, &used), RESPONSE_DONE);
		fill_head(text, RESPONSE_HEAD_BYTES + 1);
		response_begin(&r, false);
		assert_int_equal(feed_pieces(&r, text, RESPONSE_HEAD_BYTES + 1, 1, step, &used),
			RESPONSE_BROKEN);
	}
	response_done(&r);
	free(text);
}

/* Interim answers, and trailers, that never end. */
static void endless_lines(void **state)
{
	static const struct {
		const char *first, *again;
	} rows[] = {
		{"", "HTTP/1.1 100 Continue\r\n\r\n"},
		{OK, "X: y\r\n"},
		{OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"},
		{OK "Transfer-Encoding: chunked\r\n\r\n1;", "xxxxxxxx"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		enum response_result result;
		struct response r = {0};
		size_t used, given = 0;

		response_begin(&r, false);
		result = feed(&r, rows[i].first, strlen(rows[i].first), &used);
		while (result == RESPONSE_MORE && given <= 2 * RESPONSE_HEAD_BYTES) {
			given += strlen(rows[i].again);
			result = feed(&r, rows[i].again, strlen(rows[i].again), &used);
		}
		assert_int_equal(result, RESPONSE_BROKEN);
		assert_true(given > RESPONSE_HEAD_BYTES - 100 && given <= RESPONSE_HEAD_BYTES + 32);
		response_done(&r);
	}
}

/* Many chunks are no trouble: the bounds are for each. */
static void many_chunks(void **state)
{
	static const char chunk[] = "4;name=value\r\nbody\r\n";
	struct response r = {0};
	size_t used;

	(void)state;
	response_begin(&r, false);
	assert_int_equal(
		feed(&r, OK "Transfer-Encoding: chunked\r\n\r\n", 47, &used), RESPONSE_MORE);
	for (size_t given = 0; given < 3 * RESPONSE_HEAD_BYTES; given += sizeof(chunk) - 1)
		assert_int_equal(feed(&r, chunk, sizeof(chunk) - 1, &used), RESPONSE_MORE);
	assert_int_equal(feed(&r, "0\r\n\r\n", 5, &used), RESPONSE_DONE);
	response_done(&r);
}

/* 2^64 - 1 bytes are a length like any other. */
static void huge_body(void **state)
{
	static const char head[] = OK "Content-Length: 18446744073709551609\r\n\r\nxx";
	struct response r = {0};
	size_t used;

	(void)state;
	response_begin(&r, false);
	assert_int_equal(feed(&r, head, strlen(head), &used), RESPONSE_MORE);
	assert_int_equal(r.left, 18446744073709551607u);
	assert_int_equal(response_end(&r), RESPONSE_BROKEN);
	response_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_answers),
		cmocka_unit_test(answers_end_where_they_end),
		cmocka_unit_test(bodies_that_the_close_ends),
		cmocka_unit_test(broken_answers),
		cmocka_unit_test(timing_of_the_answer),
		cmocka_unit_test(head_bound),
		cmocka_unit_test(endless_lines),
		cmocka_unit_test(many_chunks),
		cmocka_unit_test(huge_body),
	};

	return cmocka_run_group_tests(tests, map_place, NULL);
}
