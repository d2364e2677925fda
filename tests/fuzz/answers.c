#include "tests/fuzz/answers.h"

#include "tests/fuzz/require.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is left of the two directions. */
struct dialogue {
	const struct http_limits *limits;
	unsigned limits_known;
	const char *sent;
	size_t sent_len;
	const char *got;
	size_t got_len;
	size_t closing_len; /* of sent, what came when the server was about to end */
};

struct head {
	int status;
	size_t bytes; /* of the head */
	bool has_length, close, keep_alive;
	size_t length;
};

static bool starts_with(const char *at, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(at, word, strlen(word)) == 0;
}

static void read_length(struct head *h, const char *at, size_t len)
{
	REQUIRE(!h->has_length && len > 0 && len < 10);
	h->has_length = true;
	for (size_t i = 0; i < len; i++) {
		REQUIRE(at[i] >= '0' && at[i] <= '9');
		h->length = h->length * 10 + (size_t)(at[i] - '0');
	}
}

static void read_field(struct head *h, const char *at, size_t len)
{
	static const char length[] = "Content-Length: ";
	const char *colon = memchr(at, ':', len);

	REQUIRE(colon && colon > at && colon + 2 < at + len && colon[1] == ' ');
	for (size_t i = 0; i < len; i++)
		REQUIRE(at[i] >= ' ' && at[i] <= '~');
	if (starts_with(at, len, length))
		read_length(h, at + sizeof(length) - 1, len - sizeof(length) + 1);
	h->close |= starts_with(at, len, "Connection: close");
	h->keep_alive |= starts_with(at, len, "Connection: keep-alive");
	REQUIRE(!h->close || !h->keep_alive);
}

static void read_status(struct head *h, const char *at, size_t len)
{
	REQUIRE(len > 13 && starts_with(at, len, "HTTP/1.1 ") && at[12] == ' ');
	for (int i = 9; i < 12; i++) {
		REQUIRE(at[i] >= '0' && at[i] <= '9');
		h->status = h->status * 10 + at[i] - '0';
	}
	REQUIRE(h->status == 100 || (h->status >= 200 && h->status <= 599));
}

/* False: it is not whole. */
static bool read_head(struct head *h, const char *at, size_t len)
{
	const char *line = at, *end;

	*h = (struct head){0};
	while (len > 0 && (end = memchr(line, '\n', len - (size_t)(line - at)))) {
		REQUIRE(end > line && end[-1] == '\r');
		const size_t n = (size_t)(end - line) - 1;
		if (line == at)
			read_status(h, line, n);
		else if (n > 0)
			read_field(h, line, n);
		line = end + 1;
		if (n == 0 && h->status != 0) {
			h->bytes = (size_t)(line - at);
			return true;
		}
	}
	return false;
}

static bool has_content(const struct head *h, const struct http_request *r)
{
	const bool head_only = r->method == HTTP_HEAD && r->head_done;

	REQUIRE(h->has_length == (h->status != 204 && h->status != 304));
	return h->has_length && !head_only;
}

/* Whether the answer is one to this request. */
static bool fits(const struct head *h, const struct http_request *r, enum http_parse_result result)
{
	if (h->status == 100)
		return r->wants_continue;
	/* A request that was too slow is refused so, whatever of it came later. */
	if (h->status == 408)
		return h->close;
	if (result == HTTP_PARSE_MORE)
		return false;
	if (h->keep_alive != (!h->close && r->minor == 0))
		return false;
	if (result == HTTP_PARSE_REFUSED)
		return h->close && h->status == r->refusal.status;
	return h->close || r->keep_alive;
}

/* What the front of the sent bytes is to a server with these limits. */
static enum http_parse_result parse(
	const struct dialogue *d, const struct http_limits *limits, struct http_request *r)
{
	char *copy = malloc(d->sent_len + 1);

	REQUIRE(copy);
	if (d->sent_len > 0)
		memcpy(copy, d->sent, d->sent_len);
	http_request_init(r);
	const enum http_parse_result result = http_parse(r, limits, copy, d->sent_len);
	free(copy);
	return result;
}

static bool is_whole(const struct dialogue *d)
{
	struct http_request r;

	for (unsigned i = 0; i < d->limits_known; i++)
		if (parse(d, &d->limits[i], &r) == HTTP_PARSE_MORE)
			return false;
	return true;
}

/* The request that the answer is to. */
static void find_request(const struct dialogue *d, const struct head *h, struct http_request *r)
{
	for (unsigned i = 0; i < d->limits_known; i++) {
		const enum http_parse_result result = parse(d, &d->limits[i], r);
		if (fits(h, r, result))
			return;
	}
	abort();
}

static size_t body_bytes(
	const struct dialogue *d, const struct head *h, const struct http_request *r)
{
	/* When it was given up, one could perhaps not see yet that it is a HEAD. */
	if (h->status == 408)
		return d->got_len > 0 ? h->length : 0;
	return has_content(h, r) ? h->length : 0;
}

/* One answer, to the request at the front of what was sent. False: there is none, or it is cut, or it was the last. */
static bool take_answer(struct dialogue *d, struct answers *a)
{
	struct http_request r;
	struct head h;

	if (!read_head(&h, d->got, d->got_len)) {
		a->cut = d->got_len > 0;
		a->missing = is_whole(d);
		return false;
	}
	REQUIRE(d->sent_len > 0);
	find_request(d, &h, &r);
	REQUIRE(h.close || h.status == 100 || d->sent_len > d->closing_len ||
		d->sent_len > r.consumed);
	d->got += h.bytes;
	d->got_len -= h.bytes;
	if (h.status == 100) {
		REQUIRE(h.bytes == strlen("HTTP/1.1 100 Continue\r\n\r\n"));
		REQUIRE(!starts_with(d->got, d->got_len, "HTTP/1.1 100"));
		return true;
	}
	const size_t body = body_bytes(d, &h, &r);
	if (d->got_len < body) {
		a->cut = true;
		return false;
	}
	d->got += body;
	d->got_len -= body;
	a->count++;
	if (h.close) {
		REQUIRE(d->got_len == 0);
		return false;
	}
	d->sent += r.consumed;
	d->sent_len -= r.consumed;
	return true;
}

struct answers answers_check(const struct buffer *sent, const struct buffer *got, size_t closing,
	const struct http_limits *limits, unsigned limits_known)
{
	struct answers a = {0};
	struct dialogue d = {.limits = limits,
		.limits_known = limits_known,
		.sent = sent->data,
		.sent_len = sent->len,
		.got = got->data,
		.got_len = got->len,
		.closing_len = sent->len > closing ? sent->len - closing : 0};

	REQUIRE(!sent->failed && !got->failed);
	while (take_answer(&d, &a))
		continue;
	return a;
}
