#include "server/http/chars.h"
#include "server/http/parse_internal.h"

#include <string.h>
#include <strings.h>

/* Bits of at.seen. */
enum {
	SEEN_HOST = 1,
	SEEN_LENGTH = 2,
	SEEN_CODING = 4,
	SEEN_TYPE = 8,
	SEEN_MATCH = 16,
	SEEN_START = 32,
	SEEN_ID = 64,
	SEEN_FORWARDED = 128,
};

static bool text_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

static bool seen_before(struct http_request *r, unsigned bit)
{
	bool before = r->at.seen & bit;

	r->at.seen |= bit;
	return before;
}

static enum step host(struct http_request *r, const char *value, size_t len)
{
	if (seen_before(r, SEEN_HOST))
		return parse_bad(r, "Host is given twice");
	return parse_host_valid(value, len, false) ? STEP_NEXT : parse_bad(r, "Host is not valid");
}

static enum step content_length(struct http_request *r, const char *value, size_t len)
{
	size_t bytes = 0;

	if (seen_before(r, SEEN_LENGTH))
		return parse_bad(r, "Content-Length is given twice");
	if (!len)
		return parse_bad(r, "Content-Length is not a plain number");
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return parse_bad(r, "Content-Length is not a plain number");
		if (__builtin_mul_overflow(bytes, 10u, &bytes) ||
			__builtin_add_overflow(bytes, (size_t)(value[i] - '0'), &bytes))
			return parse_bad(r, "Content-Length is too large a number");
	}
	r->at.remaining = bytes;
	return STEP_NEXT;
}

static enum step transfer_encoding(struct http_request *r, const char *value, size_t len)
{
	if (seen_before(r, SEEN_CODING))
		return parse_bad(r, "Transfer-Encoding is given twice");
	if (!text_is(value, len, "chunked"))
		return parse_bad(r, "Transfer-Encoding is not exactly chunked");
	r->at.chunked = true;
	return STEP_NEXT;
}

static enum step expect(struct http_request *r, const char *value, size_t len)
{
	if (!text_is(value, len, "100-continue"))
		return parse_bad(r, "Expect is not 100-continue");
	r->at.expects = true;
	return STEP_NEXT;
}

static enum step connection(struct http_request *r, const char *value, size_t len)
{
	for (size_t at = 0; at < len; at++) {
		size_t token, end;

		while (at < len && (value[at] == ' ' || value[at] == '\t'))
			at++;
		token = at;
		end = at = http_chars_skip(value, at, len, CHAR_TOKEN);
		while (at < len && (value[at] == ' ' || value[at] == '\t'))
			at++;
		if (at < len && value[at] != ',')
			return parse_bad(r, "Connection is not a list of tokens");
		if (text_is(value + token, end - token, "close"))
			r->at.close = true;
		else if (text_is(value + token, end - token, "keep-alive"))
			r->at.persist = true;
	}
	return STEP_NEXT;
}

static enum step content_type(struct http_request *r, struct http_span value)
{
	if (seen_before(r, SEEN_TYPE))
		return parse_bad(r, "Content-Type is given twice");
	r->content_type = value;
	return STEP_NEXT;
}

/* A field that is of use only if it is given once. */
static enum step optional(
	struct http_request *r, unsigned bit, struct http_span *ret, struct http_span value)
{
	*ret = seen_before(r, bit) ? (struct http_span){0, 0} : value;
	return STEP_NEXT;
}

static enum step field_meaning(struct http_request *r, const char *data, struct http_span value)
{
	const char *name = data + r->at.line, *text = data + value.at;
	size_t len = r->at.colon - r->at.line;

	switch (len) {
	case 4:
		if (text_is(name, len, "Host"))
			return host(r, text, value.len);
		break;
	case 6:
		if (text_is(name, len, "Expect"))
			return expect(r, text, value.len);
		break;
	case 10:
		if (text_is(name, len, "Connection"))
			return connection(r, text, value.len);
		break;
	case 12:
		if (text_is(name, len, "Content-Type"))
			return content_type(r, value);
		if (text_is(name, len, "X-Request-Id"))
			return optional(r, SEEN_ID, &r->request_id, value);
		break;
	case 13:
		if (text_is(name, len, "If-None-Match"))
			return optional(r, SEEN_MATCH, &r->if_none_match, value);
		break;
	case 14:
		if (text_is(name, len, "Content-Length"))
			return content_length(r, text, value.len);
		break;
	case 15:
		if (text_is(name, len, "X-Request-Start"))
			return optional(r, SEEN_START, &r->request_start, value);
		if (text_is(name, len, "X-Forwarded-For"))
			return optional(r, SEEN_FORWARDED, &r->forwarded_for, value);
		break;
	case 17:
		if (text_is(name, len, "Transfer-Encoding"))
			return transfer_encoding(r, text, value.len);
		break;
	}
	return STEP_NEXT;
}

enum step parse_fields_check(struct http_request *r)
{
	if (r->minor == 1 && !(r->at.seen & SEEN_HOST))
		return parse_bad(r, "Host is missing");
	if (r->at.chunked && r->minor == 0)
		return parse_bad(r, "Transfer-Encoding in HTTP/1.0");
	if (r->at.chunked && (r->at.seen & SEEN_LENGTH))
		return parse_bad(r, "Content-Length together with Transfer-Encoding");
	return STEP_NEXT;
}

enum step parse_field_start(struct http_request *r, const struct input *in)
{
	const bool trailer = r->at.state == STATE_TRAILER;
	enum step step;
	char c;

	if (r->at.scanned == in->len)
		return STEP_MORE;
	c = in->data[r->at.scanned];
	if (c == ' ' || c == '\t')
		return parse_bad(r, "a line of the head starts with a blank (a folded field)");
	if (c == '\r') {
		step = parse_line_end(r, in);
		if (step != STEP_NEXT)
			return step;
		if (!trailer)
			return parse_body_begin(r, in);
		r->at.state = STATE_DONE;
		r->consumed = r->at.scanned;
		return STEP_DONE;
	}
	if (!http_char_is(c, CHAR_TOKEN))
		return parse_bad_byte(r, c, "a field's name is not a token");
	if (!trailer && ++r->at.fields > HTTP_MAX_FIELDS)
		return parse_refuse(r, 431, "headers_too_large", "more than 100 header fields");
	r->at.state++;
	return STEP_NEXT;
}

enum step parse_field_name(struct http_request *r, const struct input *in)
{
	size_t at = r->at.scanned = http_chars_skip(in->data, r->at.scanned, in->len, CHAR_TOKEN);

	if (at == in->len)
		return STEP_MORE;
	if (in->data[at] != ':')
		return parse_bad_byte(r, in->data[at],
			"a field's name is not a token with a colon right behind it");
	r->at.colon = at;
	r->at.scanned++;
	r->at.state++;
	return STEP_NEXT;
}

enum step parse_field_value(struct http_request *r, const struct input *in)
{
	size_t end = r->at.scanned = http_chars_skip(in->data, r->at.scanned, in->len, CHAR_VALUE);
	size_t begin = r->at.colon + 1;
	enum step step = parse_line_end(r, in);

	if (step != STEP_NEXT)
		return step;
	if (r->at.state == STATE_TRAILER_VALUE) {
		r->at.chunk_head += r->at.scanned - r->at.line;
		return parse_line_next(r, STATE_TRAILER);
	}
	while (begin < end && (in->data[begin] == ' ' || in->data[begin] == '\t'))
		begin++;
	while (begin < end && (in->data[end - 1] == ' ' || in->data[end - 1] == '\t'))
		end--;
	step = field_meaning(r, in->data, (struct http_span){begin, end - begin});
	return step == STEP_NEXT ? parse_line_next(r, STATE_FIELD) : step;
}
