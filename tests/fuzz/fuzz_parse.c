/*
 * The HTTP parser. Input: one byte that chooses limits and cuts, then what a client sends. Each
 * request of it is parsed in one piece and in many, each time from memory of exactly the size, at
 * another address; the outcome must be the same, and be sound.
 */
#include "server/http/parse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct outcome {
	struct http_request request;
	enum http_parse_result result;
	char *bytes; /* the buffer afterwards; owned by the outcome */
};

static char *copy_of(const void *bytes, size_t len)
{
	char *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

static void parse_whole(
	struct outcome *o, const struct http_limits *limits, const char *text, size_t len)
{
	o->bytes = copy_of(text, len);
	http_request_init(&o->request);
	o->result = http_parse(&o->request, limits, o->bytes, len);
}

/* A small linear congruential generator: lengths of pieces, mostly short. */
static size_t next_piece(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 24 < 192 ? (*seed >> 16 & 7) + 1 : (*seed >> 16 & 255) + 1;
}

static void parse_pieces(struct outcome *o, const struct http_limits *limits, const char *text,
	size_t len, uint32_t seed)
{
	size_t given = 0;

	o->bytes = copy_of(text, len);
	http_request_init(&o->request);
	do {
		size_t piece = seed ? next_piece(&seed) : 1;
		char *moved;

		given = len - given < piece ? len : given + piece;
		moved = copy_of(o->bytes, given);
		o->result = http_parse(&o->request, limits, moved, given);
		memcpy(o->bytes, moved, given);
		free(moved);
	} while (o->result == HTTP_PARSE_MORE && given < len);
}

static void check_span(struct http_span span, size_t end)
{
	REQUIRE(span.at <= end && span.len <= end - span.at);
}

static void check_spans(const struct http_request *r, size_t end)
{
	const struct http_span all[] = {r->method_name, r->target, r->path, r->query,
		r->content_type, r->if_none_match, r->request_start, r->request_id,
		r->forwarded_for, r->body};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		check_span(all[i], end);
}

static void check_done(
	const struct outcome *o, const struct http_limits *limits, const char *text, size_t len)
{
	const struct http_request *r = &o->request;
	const char *path = o->bytes + r->path.at;

	REQUIRE(r->head_done && !r->refusal.status);
	REQUIRE(r->consumed > 0 && r->consumed <= len);
	REQUIRE(r->consumed <= 2 * (limits->header_bytes + limits->body_bytes));
	REQUIRE(r->body.len <= limits->body_bytes && r->body.at <= limits->header_bytes);
	check_spans(r, r->consumed);
	REQUIRE(r->method_name.len > 0 && r->method_name.len <= HTTP_MAX_METHOD_BYTES);
	REQUIRE(r->path.len > 0);
	REQUIRE(path[0] == '/' || r->method == HTTP_OTHER ||
		(path[0] == '*' && r->path.len == 1 && r->method == HTTP_OPTIONS));
	/* The head and what follows are as they were; only the chunked body was moved together. */
	REQUIRE(!memcmp(o->bytes, text, r->body.at));
	REQUIRE(!memcmp(o->bytes + r->consumed, text + r->consumed, len - r->consumed));
}

static void check_refused(const struct http_request *r)
{
	REQUIRE(r->refusal.status == 400 || r->refusal.status == 413 || r->refusal.status == 431);
	REQUIRE(r->refusal.code && r->refusal.message[0] && !r->keep_alive);
}

static bool same_span(struct http_span a, struct http_span b)
{
	return a.at == b.at && a.len == b.len;
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
	const struct http_request *x = &a->request, *y = &b->request;

	REQUIRE(a->result == b->result && x->consumed == y->consumed);
	REQUIRE(x->refusal.status == y->refusal.status);
	REQUIRE(!strcmp(x->refusal.message, y->refusal.message));
	REQUIRE(x->method == y->method && x->minor == y->minor && x->keep_alive == y->keep_alive);
	REQUIRE(x->wants_continue == y->wants_continue && x->head_done == y->head_done);
	REQUIRE(same_span(x->method_name, y->method_name) && same_span(x->target, y->target));
	REQUIRE(same_span(x->path, y->path) && same_span(x->query, y->query));
	REQUIRE(same_span(x->content_type, y->content_type));
	REQUIRE(same_span(x->if_none_match, y->if_none_match));
	REQUIRE(same_span(x->request_start, y->request_start));
	REQUIRE(same_span(x->request_id, y->request_id));
	REQUIRE(same_span(x->forwarded_for, y->forwarded_for) && same_span(x->body, y->body));
	REQUIRE(!memcmp(a->bytes + x->body.at, b->bytes + y->body.at, x->body.len));
}

/* Bytes that the first request took; 0 if it is not done. */
static size_t check_request(
	const struct http_limits *limits, const char *text, size_t len, uint32_t seed)
{
	struct outcome whole, pieces;
	size_t consumed;

	parse_whole(&whole, limits, text, len);
	parse_pieces(&pieces, limits, text, len, seed);
	check_spans(&whole.request, len);
	check_same(&whole, &pieces);
	if (whole.result == HTTP_PARSE_DONE)
		check_done(&whole, limits, text, len);
	else if (whole.result == HTTP_PARSE_REFUSED)
		check_refused(&whole.request);
	else
		REQUIRE(len < 2 * (limits->header_bytes + limits->body_bytes));
	consumed = whole.request.consumed;
	free(whole.bytes);
	free(pieces.bytes);
	return consumed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_limits choices[] = {
		{16384, 65536}, {512, 0}, {64, 16}, {300, 300}};
	const char *text = (const char *)data + 1;
	size_t consumed;

	if (!size--)
		return 0;
	do {
		consumed = check_request(&choices[data[0] & 3], text, size, data[0] >> 2);
		text += consumed;
		size -= consumed;
	} while (consumed && size);
	return 0;
}
