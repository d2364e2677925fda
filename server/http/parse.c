#include "server/http/parse.h"

#include "server/http/chars.h"
#include "server/http/parse_internal.h"

#include <string.h>

enum step parse_refuse(struct http_request *r, int status, const char *code, const char *message)
{
	http_refuse(&r->refusal, status, code, NULL, "%s", message);
	r->at.state = STATE_REFUSED;
	r->keep_alive = false;
	return STEP_REFUSED;
}

enum step parse_bad(struct http_request *r, const char *message)
{
	return parse_refuse(r, 400, "bad_request", message);
}

enum step parse_bad_byte(struct http_request *r, char c, const char *message)
{
	if (c == '\r')
		return parse_bad(r, "CR where no line may end");
	if (c == '\n')
		return parse_bad(r, "LF without CR, or where no line may end");
	if ((unsigned char)c < 0x20 || c == 0x7f)
		return parse_bad(r, "control character");
	return parse_bad(r, message);
}

enum step parse_line_next(struct http_request *r, enum state state)
{
	r->at.line = r->at.scanned;
	r->at.colon = 0;
	r->at.state = (int)state;
	return STEP_NEXT;
}

enum step parse_line_end(struct http_request *r, const struct input *in)
{
	size_t at = r->at.scanned;

	/* The CR is not counted as scanned before its LF is there: one byte that may be seen twice.
	 */
	if (at == in->len)
		return STEP_MORE;
	if (in->data[at] != '\r')
		return parse_bad_byte(r, in->data[at], "a line does not end where it must");
	if (at + 1 == in->len)
		return STEP_MORE;
	if (in->data[at + 1] != '\n')
		return parse_bad(r, "CR without LF");
	r->at.scanned = at + 2;
	return STEP_NEXT;
}

static enum step start(struct http_request *r, const struct input *in)
{
	if (in->len && in->data[0] == '\r') {
		enum step step = parse_line_end(r, in);

		if (step != STEP_NEXT)
			return step;
	} else if (!in->len) {
		return STEP_MORE;
	}
	return parse_line_next(r, STATE_METHOD);
}

/* Inline, so that the compiler knows the text's length. */
static inline bool span_is(const char *data, struct http_span span, const char *text)
{
	return span.len == strlen(text) && !memcmp(data + span.at, text, span.len);
}

static enum http_method method_of(const char *data, struct http_span name)
{
	static const char *const others[] = {"PUT", "DELETE", "PATCH", "TRACE", "CONNECT"};

	if (span_is(data, name, "GET"))
		return HTTP_GET;
	if (span_is(data, name, "HEAD"))
		return HTTP_HEAD;
	if (span_is(data, name, "POST"))
		return HTTP_POST;
	if (span_is(data, name, "OPTIONS"))
		return HTTP_OPTIONS;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (span_is(data, name, others[i]))
			return HTTP_OTHER;
	return HTTP_UNKNOWN;
}

static enum step method(struct http_request *r, const struct input *in)
{
	size_t longest = r->at.line + HTTP_MAX_METHOD_BYTES;
	size_t end = in->len < longest ? in->len : longest;
	size_t at = r->at.scanned = http_chars_skip(in->data, r->at.scanned, end, CHAR_TOKEN);

	if (at == in->len)
		return STEP_MORE;
	if (at == longest && http_char_is(in->data[at], CHAR_TOKEN))
		return parse_bad(r, "the method is longer than 32 bytes");
	if (in->data[at] != ' ' || at == r->at.line)
		return parse_bad_byte(r, in->data[at], "the method is not a token and one blank");
	r->method_name = (struct http_span){r->at.line, at - r->at.line};
	r->method = method_of(in->data, r->method_name);
	r->at.scanned++;
	return parse_line_next(r, STATE_TARGET);
}

static enum step target(struct http_request *r, const struct input *in)
{
	size_t at = r->at.scanned = http_chars_skip(in->data, r->at.scanned, in->len, CHAR_TARGET);
	enum step step;

	if (at == in->len)
		return STEP_MORE;
	if (in->data[at] != ' ')
		return parse_bad_byte(r, in->data[at],
			"the request target holds a byte outside of 0x21 to 0x7e, or a '#'");
	r->target = (struct http_span){r->at.line, at - r->at.line};
	step = parse_target_form(r, in->data);
	if (step != STEP_NEXT)
		return step;
	r->at.scanned++;
	return parse_line_next(r, STATE_VERSION);
}

static enum step version(struct http_request *r, const struct input *in)
{
	static const char expected[] = "HTTP/1.";
	const size_t digit = r->at.line + strlen(expected);
	enum step step;

	/* Mostly all of it is there. */
	if (r->at.scanned == r->at.line && digit < in->len &&
		!memcmp(in->data + r->at.line, expected, strlen(expected)))
		r->at.scanned = digit;
	for (; r->at.scanned <= digit; r->at.scanned++) {
		size_t at = r->at.scanned;

		if (at == in->len)
			return STEP_MORE;
		if (at < digit ? in->data[at] != expected[at - r->at.line]
			       : in->data[at] != '0' && in->data[at] != '1')
			return parse_bad_byte(r, in->data[at],
				"the request line does not end in one blank and HTTP/1.0 or "
				"HTTP/1.1");
	}
	step = parse_line_end(r, in);
	if (step != STEP_NEXT)
		return step;
	r->minor = in->data[digit] == '1';
	return parse_line_next(r, STATE_FIELD);
}

void http_request_init(struct http_request *r)
{
	*r = (struct http_request){.method = HTTP_UNKNOWN, .at.state = STATE_START};
}

static enum step step_once(struct http_request *r, const struct input *in)
{
	switch ((enum state)r->at.state) {
	case STATE_START:
		return start(r, in);
	case STATE_METHOD:
		return method(r, in);
	case STATE_TARGET:
		return target(r, in);
	case STATE_VERSION:
		return version(r, in);
	case STATE_FIELD:
	case STATE_TRAILER:
		return parse_field_start(r, in);
	case STATE_FIELD_NAME:
	case STATE_TRAILER_NAME:
		return parse_field_name(r, in);
	case STATE_FIELD_VALUE:
	case STATE_TRAILER_VALUE:
		return parse_field_value(r, in);
	case STATE_BODY:
		return parse_body(r, in);
	case STATE_CHUNK_LINE:
		return parse_chunk_line(r, in);
	case STATE_CHUNK_DATA:
		return parse_chunk_data(r, in);
	case STATE_CHUNK_END:
		return parse_chunk_end(r, in);
	case STATE_DONE:
		return STEP_DONE;
	case STATE_REFUSED:
		break;
	}
	return STEP_REFUSED;
}

/*
 * One step, shown no byte beyond what its limit allows. If it asks for more and the limit is
 * reached, more would be too much; so the outcome is the same whether the bytes beyond have arrived
 * or not.
 */
static enum step step_within_limits(
	struct http_request *r, const struct http_limits *limits, char *data, size_t len)
{
	const bool framing = r->at.state != STATE_BODY && r->at.state != STATE_CHUNK_DATA;
	size_t limit = r->head_done ? parse_chunk_limit(r, limits) : limits->header_bytes;
	struct input in = {limits, data, framing && len > limit ? limit : len};
	enum step step = step_once(r, &in);

	if (step != STEP_MORE || !framing || len < limit)
		return step;
	if (!r->head_done)
		return parse_refuse(r, 431, "headers_too_large",
			"request line and headers are larger than limits.header_bytes");
	if (r->at.state == STATE_CHUNK_LINE && limit == r->at.line + HTTP_MAX_CHUNK_LINE_BYTES)
		return parse_bad(r, "a chunk's size line is too long");
	return parse_refuse(r, 413, "body_too_large",
		"the chunks' sizes, extensions and trailers outweigh the body");
}

enum http_parse_result http_parse(
	struct http_request *r, const struct http_limits *limits, char *data, size_t len)
{
	enum step step;

	do
		step = step_within_limits(r, limits, data, len);
	while (step == STEP_NEXT);
	if (step == STEP_MORE)
		return HTTP_PARSE_MORE;
	return step == STEP_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_REFUSED;
}
