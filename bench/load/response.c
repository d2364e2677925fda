#include "bench/load/response.h"

#include "bench/load/response_field.h"

#include <string.h>

enum step { STEP_NEXT, STEP_MORE, STEP_BROKEN };

struct span {
	const char *at;
	size_t len;
};

static void begin_head(struct response *r)
{
	timing_init(&r->timing);
	r->status = 0;
	r->minor = 0;
	r->has_length = r->has_coding = r->chunked = false;
	r->says_close = r->says_keep_alive = r->may_fold = false;
	r->keep_alive = false;
	r->length = r->left = 0;
	r->state = RESPONSE_AT_STATUS;
}

void response_begin(struct response *r, bool head_only)
{
	begin_head(r);
	r->head_only = head_only;
	r->begun = false;
	r->line_bytes = 0;
	buffer_reset(&r->line);
}

void response_done(struct response *r)
{
	buffer_done(&r->line);
}

/*
 * The next line, without its end. It lies in the data where it came in one piece, otherwise in r->line, and there until the next
 * call.
 */
static enum step take_line(struct response *r, struct span *in, struct span *line)
{
	const char *lf = memchr(in->at, '\n', in->len);
	size_t taken = lf ? (size_t)(lf - in->at) + 1 : in->len;

	if (taken > RESPONSE_HEAD_BYTES - r->line_bytes)
		return STEP_BROKEN;
	r->line_bytes += taken;
	if (!lf || r->line.len) {
		buffer_append(&r->line, in->at, taken);
		if (r->line.failed)
			return STEP_BROKEN;
	}
	*line = r->line.len ? (struct span){r->line.data, r->line.len}
			    : (struct span){in->at, taken};
	in->at += taken;
	in->len -= taken;
	if (!lf)
		return STEP_MORE;
	r->line.len = 0;
	line->len--;
	if (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return memchr(line->at, '\r', line->len) || memchr(line->at, '\0', line->len) ? STEP_BROKEN
										      : STEP_NEXT;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; reason and the blank before it may be missing. */
static enum step read_status(struct response *r, struct span line)
{
	static const char version[] = "HTTP/1.";
	const size_t at = sizeof(version) + 1; /* of the code: one digit and one blank later */
	unsigned status = 0;

	if (line.len < at + 3 || memcmp(line.at, version, sizeof(version) - 1) != 0 ||
		!is_digit(line.at[at - 2]) || line.at[at - 1] != ' ')
		return STEP_BROKEN;
	for (size_t i = at; i < at + 3; i++) {
		if (!is_digit(line.at[i]))
			return STEP_BROKEN;
		status = status * 10 + (unsigned)(line.at[i] - '0');
	}
	if (line.len > at + 3 && line.at[at + 3] != ' ')
		return STEP_BROKEN;
	/* 101 answers a request for another protocol, which was not made. */
	if (status < 100 || status > 599 || status == 101)
		return STEP_BROKEN;
	r->minor = (uint8_t)(line.at[at - 2] - '0');
	r->status = (uint16_t)status;
	r->state = RESPONSE_AT_FIELDS;
	return STEP_NEXT;
}

/* RFC 9112 6.3, in its order. */
static void find_body(struct response *r)
{
	r->keep_alive = !r->says_close && (r->minor >= 1 || r->says_keep_alive);
	r->line_bytes = 0;
	if (r->head_only || r->status == 204 || r->status == 304) {
		r->state = RESPONSE_AT_END;
	} else if (r->chunked) {
		/* Both fields may be an attempt to split the stream in two: the connection serves no other request. */
		r->keep_alive = r->keep_alive && !r->has_length && r->minor >= 1;
		r->state = RESPONSE_AT_CHUNK_SIZE;
	} else if (r->has_length && !r->has_coding) {
		r->left = r->length;
		r->state = r->left ? RESPONSE_AT_LENGTH : RESPONSE_AT_END;
	} else {
		r->keep_alive = false;
		r->state = RESPONSE_AT_CLOSE;
	}
}

static enum step read_field(struct response *r, struct span line)
{
	if (line.len)
		return response_field(r, line.at, line.len) ? STEP_NEXT : STEP_BROKEN;
	if (r->status >= 200)
		find_body(r);
	else
		begin_head(r);
	return STEP_NEXT;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1f", "1f;name=value", and blanks before the semicolon or the end, which some servers write. */
static enum step read_chunk_size(struct response *r, struct span line)
{
	uint64_t size = 0;
	size_t n = 0;

	while (n < line.len && hex_digit(line.at[n]) >= 0) {
		if (size >> 60)
			return STEP_BROKEN;
		size = size << 4 | (unsigned)hex_digit(line.at[n++]);
	}
	if (!n || (n < line.len && !memchr("; \t", line.at[n], 3)))
		return STEP_BROKEN;
	r->left = size;
	r->line_bytes = 0;
	r->state = size ? RESPONSE_AT_CHUNK : RESPONSE_AT_TRAILERS;
	return STEP_NEXT;
}

static enum step read_line(struct response *r, struct span line)
{
	switch (r->state) {
	case RESPONSE_AT_STATUS:
		return read_status(r, line);
	case RESPONSE_AT_FIELDS:
		return read_field(r, line);
	case RESPONSE_AT_CHUNK_SIZE:
		return read_chunk_size(r, line);
	case RESPONSE_AT_CHUNK_END:
		r->line_bytes = 0;
		r->state = RESPONSE_AT_CHUNK_SIZE;
		return line.len ? STEP_BROKEN : STEP_NEXT;
	case RESPONSE_AT_TRAILERS:
		if (!line.len)
			r->state = RESPONSE_AT_END;
		return STEP_NEXT;
	default:
		return STEP_BROKEN;
	}
}

static void skip_body(struct response *r, struct span *in)
{
	size_t n = r->left < in->len ? (size_t)r->left : in->len;

	in->at += n;
	in->len -= n;
	r->left -= n;
	if (r->left)
		return;
	r->state = r->state == RESPONSE_AT_CHUNK ? RESPONSE_AT_CHUNK_END : RESPONSE_AT_END;
}

static enum step take_some(struct response *r, struct span *in)
{
	struct span line;
	enum step step;

	if (r->state == RESPONSE_AT_LENGTH || r->state == RESPONSE_AT_CHUNK) {
		skip_body(r, in);
		return STEP_NEXT;
	}
	if (r->state == RESPONSE_AT_CLOSE) {
		in->at += in->len;
		in->len = 0;
		return STEP_NEXT;
	}
	step = take_line(r, in, &line);
	return step == STEP_NEXT ? read_line(r, line) : step;
}

enum response_result response_feed(
	struct response *r, const char *data, size_t len, size_t *ret_used)
{
	struct span in = {data, len};
	enum step step = STEP_NEXT;

	r->begun = r->begun || len;
	while (in.len && r->state != RESPONSE_AT_END && step == STEP_NEXT)
		step = take_some(r, &in);
	*ret_used = len - in.len;
	if (step == STEP_BROKEN) {
		r->state = RESPONSE_AT_NOTHING;
		r->keep_alive = false;
	}
	if (r->state == RESPONSE_AT_NOTHING)
		return RESPONSE_BROKEN;
	return r->state == RESPONSE_AT_END ? RESPONSE_DONE : RESPONSE_MORE;
}

enum response_result response_end(struct response *r)
{
	r->keep_alive = false;
	if (r->state != RESPONSE_AT_CLOSE && r->state != RESPONSE_AT_END) {
		r->state = RESPONSE_AT_NOTHING;
		return RESPONSE_BROKEN;
	}
	r->state = RESPONSE_AT_END;
	return RESPONSE_DONE;
}
