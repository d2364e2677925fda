/* server/http/parse.c: every request whole, byte by byte, cut at every place, always against an
 * unreadable page. */
#include "server/http/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/http/chars.h"

#define ROOM 65536
#define N(table) (sizeof(table) / sizeof(*(table)))

struct text {
	const char *at;
	size_t len;
};
#define T(literal)                                                                                 \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static const struct http_limits limits = {1024, 64};

/* The row of a table that is being tried, printed behind each test for whoever has to find a
 * failure. */
static size_t row;

static int print_row(void **state)
{
	(void)state;
	print_message("last row: %zu\n", row);
	return 0;
}

/* Two places that end at a page which must not be touched; the request moves between them. */
static char *place_end[2];

static int map_places(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *map = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED || mprotect(map + ROOM, page, PROT_NONE))
			return -1;
		place_end[i] = map + ROOM;
	}
	return 0;
}

struct run {
	struct http_request request;
	enum http_parse_result result;
	size_t seen;	  /* bytes given by the last call */
	char bytes[ROOM]; /* the buffer afterwards */
};

/* Gives the first cut bytes, then `step` more at a time, at a new address each time, until
 * something comes out. */
static void run_pieces(struct run *run, const struct http_limits *bounds, struct text text,
	size_t cut, size_t step)
{
	size_t len = cut < text.len ? cut : text.len;

	assert_true(text.len <= ROOM);
	http_request_init(&run->request);
	memcpy(run->bytes, text.at, text.len);
	for (int turn = 0;; turn ^= 1) {
		char *data = place_end[turn] - len;

		memcpy(data, run->bytes, len);
		run->result = http_parse(&run->request, bounds, data, len);
		memcpy(run->bytes, data, len);
		memset(data, 0xee, len);
		run->seen = len;
		if (run->result != HTTP_PARSE_MORE || len == text.len)
			return;
		len = text.len - len < step ? text.len : len + step;
	}
}

static void assert_span(struct http_span a, struct http_span b)
{
	assert_int_equal(a.at, b.at);
	assert_int_equal(a.len, b.len);
}

static void assert_same(const struct run *a, const struct run *b)
{
	const struct http_request *x = &a->request, *y = &b->request;

	assert_int_equal(a->result, b->result);
	assert_int_equal(x->refusal.status, y->refusal.status);
	assert_string_equal(x->refusal.message, y->refusal.message);
	assert_int_equal(x->method, y->method);
	assert_int_equal(x->minor, y->minor);
	assert_span(x->method_name, y->method_name);
	assert_span(x->target, y->target);
	assert_span(x->path, y->path);
	assert_span(x->query, y->query);
	assert_span(x->content_type, y->content_type);
	assert_span(x->if_none_match, y->if_none_match);
	assert_span(x->request_start, y->request_start);
	assert_span(x->request_id, y->request_id);
	assert_span(x->forwarded_for, y->forwarded_for);
	assert_int_equal(x->keep_alive, y->keep_alive);
	assert_int_equal(x->wants_continue, y->wants_continue);
	assert_int_equal(x->head_done, y->head_done);
	assert_int_equal(x->consumed, y->consumed);
	if (a->result == HTTP_PARSE_DONE) {
		assert_span(x->body, y->body);
		assert_memory_equal(a->bytes + x->body.at, b->bytes + y->body.at, x->body.len);
	}
}

/* Parses in one piece; then in every other way, which must come to the same. */
static void run_all_ways(struct run *whole, const struct http_limits *bounds, struct text text)
{
	static struct run other;

	run_pieces(whole, bounds, text, text.len, 1);
	run_pieces(&other, bounds, text, 0, 1);
	assert_same(whole, &other);
	for (size_t cut = 1; cut < text.len; cut++) {
		run_pieces(&other, bounds, text, cut, text.len);
		assert_same(whole, &other);
	}
	run_pieces(&other, bounds, text, 3, 7);
	assert_same(whole, &other);
}

static void assert_text(const struct run *run, struct http_span span, const char *expected)
{
	assert_int_equal(span.len, strlen(expected));
	assert_memory_equal(run->bytes + span.at, expected, span.len);
}

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST /qr HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct good {
	struct text text;
	enum http_method method;
	const char *path, *query, *body;
	bool close, wants_continue;
} good[] = {
	{T(GET "\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("\r\n" GET "\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("HEAD /qr?text=a%20b&x HTTP/1.1\r\nhOST:a\r\n\r\n"), HTTP_HEAD, "/qr", "text=a%20b&x",
		"", 0, 0},
	{T("GET /? HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("GET //x/../?a?b HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "//x/../", "a?b", "", 0, 0},
	{T("GET /{}|\\^`\"<> HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "/{}|\\^`\"<>", "", "", 0, 0},
	{T("GET http://b:80/p?q HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "/p", "q", "", 0, 0},
	{T("GET HTTPS://[::1]:8443 HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("GET http://b?q=/ HTTP/1.1\r\n" H "\r\n"), HTTP_GET, "/", "q=/", "", 0, 0},
	{T("OPTIONS * HTTP/1.1\r\n" H "\r\n"), HTTP_OPTIONS, "*", "", "", 0, 0},
	{T("OPTIONS /qr HTTP/1.1\r\n" H "\r\n"), HTTP_OPTIONS, "/qr", "", "", 0, 0},
	{T("CONNECT h:443 HTTP/1.1\r\n" H "\r\n"), HTTP_OTHER, "h:443", "", "", 1, 0},
	{T("DELETE / HTTP/1.1\r\n" H "\r\n"), HTTP_OTHER, "/", "", "", 0, 0},
	{T("TRACE / HTTP/1.1\r\n" H "\r\n"), HTTP_OTHER, "/", "", "", 0, 0},
	{T("get / HTTP/1.1\r\n" H "\r\n"), HTTP_UNKNOWN, "/", "", "", 0, 0},
	{T("A!#$%&'*+-.^_`|~0123456789abcdef / HTTP/1.1\r\n" H "\r\n"), HTTP_UNKNOWN, "/", "", "",
		0, 0},
	{T("GET / HTTP/1.0\r\n\r\n"), HTTP_GET, "/", "", "", 1, 0},
	{T("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("GET / HTTP/1.0\r\nConnection: Keep-Alive, Close\r\n\r\n"), HTTP_GET, "/", "", "", 1, 0},
	{T(GET "Connection: close\r\n\r\n"), HTTP_GET, "/", "", "", 1, 0},
	{T(GET "Connection: ,x ,\tCLOSE\t, te\r\n\r\n"), HTTP_GET, "/", "", "", 1, 0},
	{T(GET "Connection: closed\r\n\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T(GET "Connection: x\r\nConnection: close\r\n\r\n"), HTTP_GET, "/", "", "", 1, 0},
	{T(GET "Connection:\r\nX:\r\nY: \t \r\nZ: \x80\xff\t!\r\n\r\n"), HTTP_GET, "/", "", "", 0,
		0},
	{T("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("GET / HTTP/1.1\r\nHost:\tex-am_ple.org:\t\r\n\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T("GET / HTTP/1.1\r\nHost: %41b:65535\r\n\r\n"), HTTP_GET, "/", "", "", 0, 0},
	{T(POST "Content-Length: 5\r\n\r\nhello"), HTTP_POST, "/qr", "", "hello", 0, 0},
	{T(POST "Content-Length: 0\r\nExpect: 100-continue\r\n\r\n"), HTTP_POST, "/qr", "", "", 0,
		0},
	{T(POST "content-length:   0003  \r\n\r\na\0c"), HTTP_POST, "/qr", "", NULL, 0, 0},
	{T(POST "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n\r\n"), HTTP_POST, "/qr", "",
		"\r\n", 0, 1},
	{T("POST /qr HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n!"), HTTP_POST,
		"/qr", "", "!", 1, 0},
	{T(CHUNKED "0\r\n\r\n"), HTTP_POST, "/qr", "", "", 0, 0},
	{T(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), HTTP_POST, "/qr", "", "hello", 0, 0},
	{T(CHUNKED "1\r\nh\r\n01\r\ne\r\n00000000000000A;x=\"y\"\r\n0123456789\r\n000\r\n\r\n"),
		HTTP_POST, "/qr", "", "he0123456789", 0, 0},
	{T(CHUNKED "2;\r\n\r\n\r\n0;#\r\nHost: z\r\nContent-Length: 9\r\nX: y\r\n\r\n"), HTTP_POST,
		"/qr", "", "\r\n", 0, 0},
	{T(POST "Transfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n"), HTTP_POST,
		"/qr", "", "", 0, 1},
};

static void check_good(const struct good *g, const struct run *run)
{
	const struct http_request *r = &run->request;

	assert_int_equal(run->result, HTTP_PARSE_DONE);
	assert_int_equal(r->refusal.status, 0);
	assert_int_equal(r->method, g->method);
	assert_text(run, r->path, g->path);
	assert_text(run, r->query, g->query);
	if (g->body)
		assert_text(run, r->body, g->body);
	assert_int_equal(r->keep_alive, !g->close);
	assert_int_equal(r->wants_continue, g->wants_continue);
	assert_true(r->head_done);
	assert_int_equal(r->consumed, g->text.len);
	assert_true(r->consumed <= 2 * (limits.header_bytes + limits.body_bytes));
}

static void good_requests(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		row = i;
		run_all_ways(&run, &limits, good[i].text);
		check_good(&good[i], &run);
	}
}

/* What follows a request is neither looked at nor changed, and no request is done one byte early.
 */
static void requests_end_where_they_end(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		char bytes[1024];
		struct text longer = {bytes, good[i].text.len + 7};
		struct text shorter = {good[i].text.at, good[i].text.len - 1};

		memcpy(bytes, good[i].text.at, good[i].text.len);
		memcpy(bytes + good[i].text.len, "\n\0GARB\r", 7);
		run_all_ways(&run, &limits, longer);
		check_good(&good[i], &run);
		assert_memory_equal(run.bytes + good[i].text.len, "\n\0GARB\r", 7);
		run_pieces(&run, &limits, shorter, shorter.len, 1);
		assert_int_equal(run.result, HTTP_PARSE_MORE);
	}
}

static void fields(void **state)
{
	static const struct text text =
		T("GET / HTTP/1.1\r\nhost: a\r\nCONTENT-TYPE: \t a/b; c \r\n"
		  "If-None-Match: \"x\"\r\nX-Request-Start: t=1\r\n"
		  "x-request-id:7\r\nX-Forwarded-For: ::1\r\n\r\n");
	static const struct text twice = T(GET "If-None-Match: a\r\nX-Request-Start: b\r\n"
					       "X-Request-Id: c\r\nX-Forwarded-For: d\r\n"
					       "X-Forwarded-For: e\r\nX-Request-Id: f\r\n"
					       "X-Request-Start: \r\nIf-None-Match: h\r\n"
					       "If-None-Match: i\r\n\r\n");
	static struct run run;
	const struct http_request *r = &run.request;

	(void)state;
	run_all_ways(&run, &limits, text);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	assert_text(&run, r->method_name, "GET");
	assert_text(&run, r->target, "/");
	assert_text(&run, r->content_type, "a/b; c");
	assert_text(&run, r->if_none_match, "\"x\"");
	assert_text(&run, r->request_start, "t=1");
	assert_text(&run, r->request_id, "7");
	assert_text(&run, r->forwarded_for, "::1");
	run_all_ways(&run, &limits, twice);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	assert_int_equal(r->if_none_match.len, 0);
	assert_int_equal(r->request_start.len, 0);
	assert_int_equal(r->request_id.len, 0);
	assert_int_equal(r->forwarded_for.len, 0);
}

/* Refused with `status` once the first `at` bytes are there, and not before. at 0: with the last
 * byte. */
static const struct bad {
	int status;
	size_t at;
	struct text text;
} bad[] = {
	/* not HTTP at all */
	{400, 1, T("\x16\x03\x01\x02\x00\x01")},
	{400, 1, T("\0")},
	{400, 1, T("\n")},
	{400, 2, T("\r\r")},
	{400, 3, T("\r\n\r\n" GET "\r\n")},
	{400, 1, T(" GET / HTTP/1.1\r\n")},
	{400, 4, T("GET\r\n")},
	{400, 4, T("GET\n")},
	{400, 5, T("GET  / HTTP/1.1\r\n")},
	{400, 4, T("GET\t/ HTTP/1.1\r\n")},
	{400, 3, T("GE\xc3\x84")},
	{400, 33, T("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")},
	{400, 6, T("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	/* the target */
	{400, 6, T("GET x HTTP/1.1\r\n")},
	{400, 6, T("GET * HTTP/1.1\r\n")},
	{400, 12, T("OPTIONS *?x HTTP/1.1\r\n")},
	{400, 7, T("GET /a\tb HTTP/1.1\r\n")},
	{400, 8, T("GET /a b HTTP/1.1\r\n")},
	{400, 7, T("GET /a#b HTTP/1.1\r\n")},
	{400, 7, T("GET /a\0b HTTP/1.1\r\n")},
	{400, 7, T("GET /a\x7f HTTP/1.1\r\n")},
	{400, 6, T("GET /\xc3\xa4 HTTP/1.1\r\n")},
	{400, 6, T("GET /\r\n")},
	{400, 6, T("GET /\n")},
	{400, 17, T("GET ftp://a/b/cd HTTP/1.1\r\n")},
	{400, 12, T("GET http:// HTTP/1.1\r\n")},
	{400, 13, T("GET http:/// HTTP/1.1\r\n")},
	{400, 16, T("GET http://a@b/ HTTP/1.1\r\n")},
	{400, 16, T("GET http://a,b/ HTTP/1.1\r\n")},
	{400, 10, T("CONNECT / HTTP/1.1\r\n")},
	{400, 10, T("CONNECT h HTTP/1.1\r\n")},
	{400, 11, T("CONNECT h: HTTP/1.1\r\n")},
	{400, 16, T("CONNECT h:65536 HTTP/1.1\r\n")},
	/* the version */
	{400, 7, T("GET /  HTTP/1.1\r\n")},
	{400, 7, T("GET / http/1.1\r\n")},
	{400, 12, T("GET / HTTP/2.0\r\n")},
	{400, 14, T("GET / HTTP/1.2\r\n")},
	{400, 15, T("GET / HTTP/1.1 \r\n")},
	{400, 15, T("GET / HTTP/1.10\r\n")},
	{400, 15, T("GET / HTTP/1.1\n")},
	{400, 16, T("GET / HTTP/1.1\rX")},
	{400, 7, T("GET / \r\n")},
	/* lines and fields */
	{400, 17, T("GET / HTTP/1.1\r\n Host: a\r\n\r\n")},
	{400, 17, T("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n")},
	{400, 26, T(GET "\tfolded\r\n\r\n")},
	{400, 21, T("GET / HTTP/1.1\r\nHost : a\r\n\r\n")},
	{400, 17, T("GET / HTTP/1.1\r\n: a\r\n\r\n")},
	{400, 18, T("GET / HTTP/1.1\r\nH(st: a\r\n\r\n")},
	{400, 18, T("GET / HTTP/1.1\r\nH\xf6st: a\r\n\r\n")},
	{400, 18, T("GET / HTTP/1.1\r\nH\r\n\r\n")},
	{400, 24, T("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n")},
	{400, 25, T("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n")},
	{400, 25, T("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n")},
	{400, 27, T(GET "\r\r\n")},
	{400, 26, T(GET "\n")},
	{400, 29, T(GET "X: \0\r\n")},
	{400, 29, T(GET "X: \x7f\r\n")},
	{400, 29, T(GET "X: \x1b[0m\r\n")},
	/* Host */
	{400, 0, T("GET / HTTP/1.1\r\n\r\n")},
	{400, 0, T("GET http://a/ HTTP/1.1\r\nX-Host: a\r\n\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\n" H H)},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n")},
	{400, 0, T("GET / HTTP/1.0\r\n" H H)},
	{400, 0, T("GET / HTTP/1.1\r\nHost:\r\n")},
	{400, 0, T("GET / HTTP/1.0\r\nHost:\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a b\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a, b\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a/b\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: u@a\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a:b\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a:1:2\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: :80\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a:65536\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a%4\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: a%4x\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: [::1\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: []\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: [::1]x\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: [::1%25lo]\r\n")},
	{400, 0, T("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n")},
	/* lengths and codings */
	{400, 0, T(POST "Content-Length: 5\r\nContent-Length: 5\r\n")},
	{400, 0, T(POST "Content-Length: 5, 5\r\n")},
	{400, 0, T(POST "Content-Length:\r\n")},
	{400, 0, T(POST "Content-Length: +5\r\n")},
	{400, 0, T(POST "Content-Length: -5\r\n")},
	{400, 0, T(POST "Content-Length: 0x5\r\n")},
	{400, 0, T(POST "Content-Length: 5 0\r\n")},
	{400, 0, T(POST "Content-Length: 5.0\r\n")},
	{400, 0, T(POST "Content-Length: 18446744073709551616\r\n")},
	{400, 0, T(POST "Content-Length: 99999999999999999999999999\r\n")},
	{413, 0, T(POST "Content-Length: 65\r\n\r\n")},
	{413, 0, T(POST "Content-Length: 18446744073709551615\r\n\r\n")},
	{400, 0, T(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")},
	{400, 0, T(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n")},
	{400, 0, T(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
	{400, 0, T(POST "Transfer-Encoding: gzip, chunked\r\n")},
	{400, 0, T(POST "Transfer-Encoding: chunked, identity\r\n")},
	{400, 0, T(POST "Transfer-Encoding: identity\r\n")},
	{400, 0, T(POST "Transfer-Encoding: xchunked\r\n")},
	{400, 0, T(POST "Transfer-Encoding: \"chunked\"\r\n")},
	{400, 0, T(POST "Transfer-Encoding: chunked;q=1\r\n")},
	{400, 0, T(POST "Transfer-Encoding:\r\n")},
	{400, 47,
		T(POST "Transfer-Encoding:\x0b"
		       "chunked\r\n")},
	{400, 0, T("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n")},
	{400, 0, T(POST "Expect: 200-ok\r\n")},
	{400, 0, T(POST "Expect:\r\n")},
	{400, 0, T(POST "Content-Type: a/b\r\nContent-Type: a/b\r\n")},
	{400, 0, T(GET "Connection: close;x\r\n")},
	{400, 0, T(GET "Connection: close keep-alive\r\n")},
/* chunks: the head is CHUNK_HEAD bytes long */
#define CHUNK_HEAD (sizeof(CHUNKED) - 1)
	{400, CHUNK_HEAD + 1, T(CHUNKED "\r\n")},
	{400, CHUNK_HEAD + 1, T(CHUNKED "x\r\n")},
	{400, CHUNK_HEAD + 1, T(CHUNKED " 1\r\n")},
	{400, CHUNK_HEAD + 1, T(CHUNKED "-1\r\n")},
	{400, CHUNK_HEAD + 2, T(CHUNKED "0x1\r\n")},
	{400, CHUNK_HEAD + 2, T(CHUNKED "1\n")},
	{400, CHUNK_HEAD + 3, T(CHUNKED "1\rX")},
	{400, CHUNK_HEAD + 2, T(CHUNKED "1 \r\n")},
	{400, CHUNK_HEAD + 3, T(CHUNKED "1;\n")},
	{400, CHUNK_HEAD + 3, T(CHUNKED "1; x\r\n")},
	{400, CHUNK_HEAD + 4, T(CHUNKED "1;x\0\r\n")},
	{400, CHUNK_HEAD + 4, T(CHUNKED "1;x\x80\r\n")},
	{400, CHUNK_HEAD + 16, T(CHUNKED "0000000000000001\r\n")},
	{413, 0, T(CHUNKED "41\r\n")},
	{413, 0, T(CHUNKED "fffffffffffffff\r\n")},
	{413, 0, T(CHUNKED "1\r\na\r\n40\r\n")},
	{400, CHUNK_HEAD + 5, T(CHUNKED "1\r\nab\r\n")},
	{400, CHUNK_HEAD + 5, T(CHUNKED "1\r\na0\r\n\r\n")},
	{400, CHUNK_HEAD + 6, T(CHUNKED "1\r\na\rX")},
	{400, CHUNK_HEAD + 5, T(CHUNKED "1\r\na\n0\r\n\r\n")},
	{400, CHUNK_HEAD + 4, T(CHUNKED "0\r\n\n")},
	{400, CHUNK_HEAD + 5, T(CHUNKED "0\r\n\rX")},
	{400, CHUNK_HEAD + 4, T(CHUNKED "0\r\n X: y\r\n\r\n")},
	{400, CHUNK_HEAD + 7, T(CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n")},
	{400, CHUNK_HEAD + 7, T(CHUNKED "0\r\nX: \0\r\n\r\n")},
};

static const char *code_of(int status)
{
	return status == 431   ? "headers_too_large"
	       : status == 413 ? "body_too_large"
			       : "bad_request";
}

static void check_bad(int status, const struct run *run)
{
	const struct http_request *r = &run->request;

	assert_int_equal(run->result, HTTP_PARSE_REFUSED);
	assert_int_equal(r->refusal.status, status);
	assert_string_equal(r->refusal.code, code_of(status));
	assert_null(r->refusal.parameter);
	assert_true(strlen(r->refusal.message) > 0);
	assert_false(r->keep_alive);
}

static void refusals(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		size_t at = bad[i].at ? bad[i].at : bad[i].text.len;

		row = i;
		run_all_ways(&run, &limits, bad[i].text);
		check_bad(bad[i].status, &run);
		run_pieces(&run, &limits, bad[i].text, 0, 1);
		assert_int_equal(run.seen, at);
		/* It stays refused. */
		assert_int_equal(http_parse(&run.request, &limits, run.bytes, bad[i].text.len),
			HTTP_PARSE_REFUSED);
	}
}

/* Two front ends could split these differently. Either refused, or one request of exactly
 * `consumed` bytes. */
#define NEXT "GET /smuggled HTTP/1.1\r\n" H "\r\n"
static const struct {
	struct text text;
	size_t rest; /* bytes that are the next request; SMUGGLE_REFUSED: the first must be refused
		      */
} smuggling[] = {
#define SMUGGLE_REFUSED ((size_t)-1)
#define NEXT_BYTES (sizeof(NEXT) - 1)
	{T(POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Content-Length: 5\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: chunked\r\n , identity\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" NEXT), NEXT_BYTES},
	{T(POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n" NEXT), NEXT_BYTES},
	{T(POST "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: \x00"
		"chunked\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n" NEXT),
		SMUGGLE_REFUSED},
	{T(POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "X: y\0\r\nContent-Length: 3\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Transfer-Encoding\0: chunked\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length\0: 3\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length : 3\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 0\r\ncontent-length: 3\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 3, 0\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 3;0\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 03\r\n\r\nabc" NEXT), NEXT_BYTES},
	{T(POST "Content-Length: 3\xc2\xa0\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: \r\n 3\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: \"3\"\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content-Length: 18446744073709551619\r\n\r\nabc" NEXT), SMUGGLE_REFUSED},
	{T(POST "Content_Length: 3\r\n\r\n" NEXT), NEXT_BYTES},
	{T(POST "Content-Length: 3\r\nConnection: Content-Length\r\n\r\nabc" NEXT), NEXT_BYTES},
	{T(GET "Content-Length: 3\r\n\r\nabc" NEXT), NEXT_BYTES},
	{T("HEAD / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" NEXT), NEXT_BYTES},
	{T("OPTIONS / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
		NEXT_BYTES},
	{T("DELETE / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" NEXT), NEXT_BYTES},
	{T("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(GET "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: "
	       "A\r\n\r\n" NEXT),
		NEXT_BYTES},
	{T("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" NEXT), NEXT_BYTES},
	{T("GET / HTTP/1.1\r\nHost: a\r\n\n" NEXT), SMUGGLE_REFUSED},
	{T("GET / HTTP/1.1\r\nHost: a\n\n" NEXT), SMUGGLE_REFUSED},
	{T("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T("GET /\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T("GET / HTTP/1.1\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T("GET / HTTP/1.1 HTTP/1.1\r\n" H "\r\n" NEXT), SMUGGLE_REFUSED},
	{T("GET /%0d%0aHost:%20b HTTP/1.1\r\n" H "\r\n" NEXT), NEXT_BYTES},
	{T(CHUNKED "3\r\nabc\r\n0\r\n\r\n" NEXT), NEXT_BYTES},
	{T(CHUNKED "3 \r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "3\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "3;\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "3\r\nabcXX0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "3\r\nabc0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "+3\r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "1000000000000003\r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "10000000000000000\r\nabc\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "0\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "0\r\n\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "0\r\nTransfer-Encoding: x\r\nContent-Length: 5\r\n\r\n" NEXT), NEXT_BYTES},
	{T(CHUNKED "0\r\nX : y\r\n\r\n" NEXT), SMUGGLE_REFUSED},
	{T(CHUNKED "\r\n0\r\n\r\n" NEXT), SMUGGLE_REFUSED},
};

static void smuggling_cases(void **state)
{
	static struct run run;

	(void)state;
	for (size_t i = 0; i < N(smuggling); i++) {
		struct text text = smuggling[i].text, rest;

		row = i;
		run_all_ways(&run, &limits, text);
		if (smuggling[i].rest == SMUGGLE_REFUSED) {
			check_bad(400, &run);
			continue;
		}
		assert_int_equal(run.result, HTTP_PARSE_DONE);
		assert_int_equal(run.request.consumed, text.len - smuggling[i].rest);
		rest = (struct text){text.at + run.request.consumed, smuggling[i].rest};
		run_all_ways(&run, &limits, rest);
		assert_int_equal(run.result, HTTP_PARSE_DONE);
		assert_int_equal(run.request.consumed, rest.len);
		assert_text(&run, run.request.path, "/smuggled");
	}
}

/* A head of exactly `len` bytes; the buffer is the caller's. */
static struct text head_of(char *bytes, size_t len)
{
	static const char start[] = GET "X: ";
	size_t n = sizeof(start) - 1;

	memset(bytes, 'x', len);
	memcpy(bytes, start, n);
	memcpy(bytes + len - 4, "\r\n\r\n", 4);
	return (struct text){bytes, len};
}

static void head_limit(void **state)
{
	static struct run run;
	char bytes[600];
	const struct http_limits tight = {200, 64};
	size_t i;

	(void)state;
	run_all_ways(&run, &tight, head_of(bytes, 200));
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	for (i = 201; i < 204; i++) {
		run_all_ways(&run, &tight, head_of(bytes, i));
		check_bad(431, &run);
		run_pieces(&run, &tight, head_of(bytes, i), 0, 1);
		assert_int_equal(run.seen, 200);
	}
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "GET /", 5);
	run_all_ways(&run, &tight, (struct text){bytes, sizeof(bytes)});
	check_bad(431, &run);
	/* What is wrong within the limit counts as such even if more than the limit arrives at
	 * once. */
	bytes[199] = '#';
	run_all_ways(&run, &tight, (struct text){bytes, sizeof(bytes)});
	check_bad(400, &run);
}

static void field_limit(void **state)
{
	static struct run run;
	char bytes[1024] = GET;
	struct text text = {bytes, strlen(bytes)};

	(void)state;
	for (int i = 1; i < HTTP_MAX_FIELDS; i++, text.len += 4)
		memcpy(bytes + text.len, "X:\r\n", 4);
	memcpy(bytes + text.len, "\r\n", 2);
	text.len += 2;
	run_all_ways(&run, &limits, text);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	memcpy(bytes + text.len - 2, "X:\r\n\r\n", 6);
	text.len += 4;
	run_all_ways(&run, &limits, text);
	check_bad(431, &run);
}

/* Chunks of one byte, then what is to come last. */
static struct text one_byte_chunks(
	char *bytes, size_t chunks, const char *size_line, const char *end)
{
	struct text text = {bytes, strlen(CHUNKED)};

	memcpy(bytes, CHUNKED, text.len);
	for (size_t i = 0; i < chunks; i++) {
		memcpy(bytes + text.len, size_line, strlen(size_line));
		text.len += strlen(size_line);
		memcpy(bytes + text.len, "c\r\n", 3);
		text.len += 3;
	}
	memcpy(bytes + text.len, end, strlen(end));
	text.len += strlen(end);
	return text;
}

static void chunk_overhead(void **state)
{
	static struct run run;
	static char bytes[8192];
	const struct http_limits bounds = {128, 1000};
	struct text text;

	(void)state;
	/* 5 bytes of framing a chunk, of which its byte pays one: 4 * 30 + 5 = 125 of the 128 are
	 * used. */
	text = one_byte_chunks(bytes, 30, "1\r\n", "0\r\n\r\n");
	run_all_ways(&run, &bounds, text);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	assert_int_equal(run.request.body.len, 30);
	text = one_byte_chunks(bytes, 30, "1\r\n", "0\r\nX:y\r\n\r\n");
	run_all_ways(&run, &bounds, text);
	check_bad(413, &run);
	text = one_byte_chunks(bytes, 900, "1\r\n", "0\r\n\r\n");
	run_pieces(&run, &bounds, text, 0, 1);
	check_bad(413, &run);
	assert_true(run.seen <= 2 * (bounds.header_bytes + bounds.body_bytes));
	assert_true(run.seen < 320);
	run_all_ways(&run, &bounds, (struct text){bytes, 400});
	check_bad(413, &run);
}

static void chunk_line_limit(void **state)
{
	static struct run run;
	static char bytes[1024], line[300];
	struct text text;

	(void)state;
	memset(line, 'e', HTTP_MAX_CHUNK_LINE_BYTES);
	memcpy(line, "1;", 2);
	memcpy(line + HTTP_MAX_CHUNK_LINE_BYTES - 2, "\r\n", 3);
	text = one_byte_chunks(bytes, 1, line, "0\r\n\r\n");
	run_all_ways(&run, &limits, text);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	memcpy(line + HTTP_MAX_CHUNK_LINE_BYTES - 2, "e\r\n", 4);
	text = one_byte_chunks(bytes, 1, line, "0\r\n\r\n");
	run_all_ways(&run, &limits, text);
	check_bad(400, &run);
}

static void body_limit(void **state)
{
	static struct run run;
	static const struct text fits = T(POST "Content-Length: 4\r\n\r\nabcd");
	static const struct text chunks = T(CHUNKED "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
	struct http_limits bounds = {1024, 4};

	(void)state;
	run_all_ways(&run, &bounds, fits);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	run_all_ways(&run, &bounds, chunks);
	assert_int_equal(run.result, HTTP_PARSE_DONE);
	assert_text(&run, run.request.body, "abcd");
	bounds.body_bytes = 3;
	run_all_ways(&run, &bounds, fits);
	check_bad(413, &run);
	run_all_ways(&run, &bounds, chunks);
	check_bad(413, &run);
	assert_true(run.request.head_done);
	assert_int_equal(run.request.method, HTTP_POST);
}

/* Byte by byte through `len` bytes that never end; quadratic work would take minutes. */
static void trickle(char *data, size_t start, size_t len)
{
	const struct http_limits large = {(size_t)1 << 23, (size_t)1 << 23};
	struct http_request r;
	clock_t begun = clock();

	http_request_init(&r);
	for (size_t i = start; i <= len; i++)
		assert_int_equal(http_parse(&r, &large, data, i), HTTP_PARSE_MORE);
	assert_true(clock() - begun < 2 * CLOCKS_PER_SEC);
}

static void trickler_costs_linear_time(void **state)
{
	const size_t len = (size_t)1 << 20;
	char *data = malloc(len);

	(void)state;
	assert_non_null(data);
	memset(data, 'x', len);
	memcpy(data, "GET /", 5);
	trickle(data, 0, len);
	memcpy(data, GET "X:", strlen(GET "X:"));
	trickle(data, 0, len);
	memcpy(data, GET, strlen(GET));
	data[strlen(GET)] = 'x';
	data[strlen(GET) + 1] = 'x';
	trickle(data, 0, len);
	memcpy(data, CHUNKED "fffff\r\n", strlen(CHUNKED "fffff\r\n"));
	trickle(data, 0, len);
	free(data);
}

/* Several bytes are looked at together: it must stop where a look at each alone would. */
static void skip_stops_at_the_first_other_byte(void **state)
{
	enum { LONGEST = 13 };

	(void)state;
	for (unsigned classes = 1; classes < 16; classes++) {
		for (unsigned seed = 0; seed < 4096; seed++) {
			char data[LONGEST];
			size_t len = seed % (LONGEST + 1), from = seed / 7 % (len + 1), end = from;
			unsigned random = seed;

			for (size_t i = 0; i < len; i++) {
				random = random * 1103515245u + 12345u;
				/* Mostly bytes that are in a class. */
				data[i] = (char)(0x20 + (random >> 16) % (seed % 3 ? 0x60 : 0xe0));
			}
			while (end < len && http_char_is(data[end], classes))
				end++;
			assert_int_equal(http_chars_skip(data, from, len, classes), end);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(good_requests, print_row),
		cmocka_unit_test(requests_end_where_they_end),
		cmocka_unit_test(fields),
		cmocka_unit_test_teardown(refusals, print_row),
		cmocka_unit_test_teardown(smuggling_cases, print_row),
		cmocka_unit_test(head_limit),
		cmocka_unit_test(field_limit),
		cmocka_unit_test(chunk_overhead),
		cmocka_unit_test(chunk_line_limit),
		cmocka_unit_test(body_limit),
		cmocka_unit_test(trickler_costs_linear_time),
		cmocka_unit_test(skip_stops_at_the_first_other_byte),
	};

	return cmocka_run_group_tests(tests, map_places, NULL);
}
