#include "server/http/chars.h"
#include "server/http/parse_internal.h"

#include <string.h>

#define MAX_SIZE_DIGITS 15 /* 60 bits: no chunk's size overflows */

static enum step too_large(struct http_request *r)
{
	return parse_refuse(r, 413, "body_too_large", "the body is larger than limits.body_bytes");
}

enum step parse_body_begin(struct http_request *r, const struct input *in)
{
	enum step step = parse_fields_check(r);

	if (step != STEP_NEXT)
		return step;
	if (!r->at.chunked && r->at.remaining > in->limits->body_bytes)
		return too_large(r);
	r->body = (struct http_span){r->at.scanned, 0};
	r->wants_continue = r->at.expects && r->minor == 1 && (r->at.chunked || r->at.remaining);
	r->keep_alive = !r->at.close && (r->minor == 1 || r->at.persist);
	r->head_done = true;
	return parse_line_next(r, r->at.chunked ? STATE_CHUNK_LINE : STATE_BODY);
}

enum step parse_body(struct http_request *r, const struct input *in)
{
	size_t there = in->len - r->body.at;

	r->body.len = there < r->at.remaining ? there : r->at.remaining;
	r->at.scanned = r->body.at + r->body.len;
	if (r->body.len < r->at.remaining)
		return STEP_MORE;
	r->consumed = r->at.scanned;
	r->at.state = STATE_DONE;
	return STEP_DONE;
}

size_t parse_chunk_limit(const struct http_request *r, const struct http_limits *limits)
{
	size_t allowed = limits->header_bytes + r->body.len - r->at.chunk_head;

	if (r->at.state == STATE_CHUNK_LINE && allowed > HTTP_MAX_CHUNK_LINE_BYTES)
		allowed = HTTP_MAX_CHUNK_LINE_BYTES;
	return r->at.line + allowed;
}

/* The size is gathered in at.remaining; at.colon tells that extensions have begun. */
static enum step chunk_size(struct http_request *r, const struct input *in)
{
	size_t at = r->at.scanned;

	for (; at < in->len; at++) {
		int digit = hex_value(in->data[at]);

		if (digit < 0)
			break;
		if (at - r->at.line == MAX_SIZE_DIGITS)
			return parse_bad(r, "a chunk's size has more than 15 digits");
		r->at.remaining = r->at.remaining << 4 | (size_t)digit;
	}
	r->at.scanned = at;
	if (at == in->len)
		return STEP_MORE;
	if (at == r->at.line)
		return parse_bad_byte(r, in->data[at], "a chunk's size is not hexadecimal");
	if (in->data[at] == ';') {
		r->at.colon = at;
		r->at.scanned++;
	}
	return STEP_NEXT;
}

enum step parse_chunk_line(struct http_request *r, const struct input *in)
{
	enum step step = r->at.colon ? STEP_NEXT : chunk_size(r, in);

	if (step != STEP_NEXT)
		return step;
	if (r->at.colon)
		r->at.scanned =
			http_chars_skip(in->data, r->at.scanned, in->len, CHAR_TARGET | CHAR_TOKEN);
	step = parse_line_end(r, in);
	if (step != STEP_NEXT)
		return step;
	if (r->at.remaining > in->limits->body_bytes - r->body.len)
		return too_large(r);
	r->at.chunk_head += r->at.scanned - r->at.line;
	return parse_line_next(r, r->at.remaining ? STATE_CHUNK_DATA : STATE_TRAILER);
}

enum step parse_chunk_data(struct http_request *r, const struct input *in)
{
	size_t there = in->len - r->at.scanned;
	size_t n = there < r->at.remaining ? there : r->at.remaining;

	memmove(in->data + r->body.at + r->body.len, in->data + r->at.scanned, n);
	r->body.len += n;
	r->at.scanned += n;
	r->at.remaining -= n;
	return r->at.remaining ? STEP_MORE : parse_line_next(r, STATE_CHUNK_END);
}

enum step parse_chunk_end(struct http_request *r, const struct input *in)
{
	enum step step = parse_line_end(r, in);

	if (step != STEP_NEXT)
		return step;
	r->at.chunk_head += r->at.scanned - r->at.line;
	return parse_line_next(r, STATE_CHUNK_LINE);
}
