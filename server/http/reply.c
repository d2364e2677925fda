#include "server/http/reply.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct line {
	int status;
	const char *text;
	size_t len;
};

#define LINE(status, reason)                                                                       \
	{                                                                                          \
		status, "HTTP/1.1 " reason "\r\n", sizeof("HTTP/1.1 " reason "\r\n") - 1           \
	}

static const struct line lines[] = {
	LINE(200, "200 OK"),
	LINE(204, "204 No Content"),
	LINE(304, "304 Not Modified"),
	LINE(400, "400 Bad Request"),
	LINE(404, "404 Not Found"),
	LINE(405, "405 Method Not Allowed"),
	LINE(408, "408 Request Timeout"),
	LINE(413, "413 Content Too Large"),
	LINE(415, "415 Unsupported Media Type"),
	LINE(431, "431 Request Header Fields Too Large"),
	LINE(500, "500 Internal Server Error"),
	LINE(501, "501 Not Implemented"),
	LINE(502, "502 Bad Gateway"),
	LINE(503, "503 Service Unavailable"),
	LINE(504, "504 Gateway Timeout"),
};

static void put_status(struct buffer *out, int status)
{
	static const struct line defect = LINE(500, "500 Internal Server Error");
	const struct line *line = &defect;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (lines[i].status == status) {
			line = &lines[i];
			break;
		}
	}
	buffer_append(out, line->text, line->len);
}

void http_reply_init(struct http_reply *r)
{
	*r = (struct http_reply){.status = 200};
	buffer_init(&r->body);
}

void http_reply_done(struct http_reply *r)
{
	buffer_done(&r->body);
}

void http_reply_reset(struct http_reply *r)
{
	struct buffer body = r->body;

	buffer_reset(&body);
	*r = (struct http_reply){.status = 200, .body = body};
}

void http_reply_json(struct http_reply *r, int status, const char *json)
{
	http_reply_reset(r);
	r->status = status;
	r->content_type = "application/json";
	buffer_puts(&r->body, json);
}

/* For when there is none left to say what was wrong. */
static const char no_memory[] =
	"{\"error\": {\"code\": \"overloaded\", \"message\": \"out of memory\"}}";

void http_reply_refuse(struct http_reply *r, const struct http_refusal *refusal)
{
	json_t *error = json_pack(
		"{s:{s:s, s:s}}", "error", "code", refusal->code, "message", refusal->message);
	if (error && refusal->parameter)
		(void)json_object_set_new(json_object_get(error, "error"), "parameter",
			json_string(refusal->parameter));
	char *text = error ? json_dumps(error, JSON_PRESERVE_ORDER) : NULL;

	http_reply_json(r, refusal->status, text ? text : no_memory);
	buffer_putc(&r->body, '\n');
	if (refusal->status == 503)
		r->retry_after_s = 1;
	free(text);
	json_decref(error);
}

void http_reply_error(struct http_reply *r, int status, const char *code, const char *message)
{
	struct http_refusal refusal;

	(void)http_refuse(&refusal, status, code, NULL, "%s", message);
	http_reply_refuse(r, &refusal);
}

/* Date has one-second resolution: made once a second, copied otherwise. */
static void put_date(struct buffer *out)
{
	static time_t made_for = -1;
	static char line[64];
	static size_t len;
	time_t now = time(NULL);

	if (now != made_for) {
		struct tm tm;
		gmtime_r(&now, &tm);
		/* The locale is never set, so the names are English as RFC 9110, 5.6.7 wants them.
		 */
		len = strftime(line, sizeof(line), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		made_for = now;
	}
	buffer_append(out, line, len);
}

static void put_timing(const struct http_reply_style *style, const struct http_reply_timing *timing,
	struct buffer *out)
{
	buffer_puts(out, "Server-Timing: queue;dur=");
	buffer_put_ms(out, timing->queue_us);
	buffer_puts(out, ", ");
	buffer_puts(out, timing->work);
	buffer_puts(out, ";dur=");
	buffer_put_ms(out, timing->work_us);
	if (timing->wait_us > 0) {
		buffer_puts(out, ", wait;dur=");
		buffer_put_ms(out, timing->wait_us);
	}
	if (style->worker >= 0) {
		buffer_puts(out, ", worker;desc=\"");
		buffer_put_u64(out, (unsigned)style->worker);
		buffer_putc(out, '"');
	}
	buffer_puts(out, "\r\n");
}

static inline void put_field(struct buffer *out, const char *name, const char *value)
{
	buffer_puts(out, name);
	buffer_puts(out, ": ");
	buffer_puts(out, value);
	buffer_puts(out, "\r\n");
}

static void put_cors(
	const struct http_reply *r, const struct http_reply_style *style, struct buffer *out)
{
	if (style->allow_origin[0] == '\0')
		return;
	put_field(out, "Access-Control-Allow-Origin", style->allow_origin);
	if (!r->preflight)
		return;
	if (r->allow)
		put_field(out, "Access-Control-Allow-Methods", r->allow);
	buffer_puts(out, "Access-Control-Allow-Headers: Content-Type, If-None-Match\r\n"
			 "Access-Control-Max-Age: 86400\r\n");
}

/* RFC 9110, 8.6: neither 204 nor 304 has content; 304 may leave the length out. */
static bool has_content(const struct http_reply *r)
{
	return r->status != 204 && r->status != 304;
}

bool http_reply_sends_body(const struct http_reply *r, const struct http_reply_wire *wire)
{
	return has_content(r) && !wire->head_only && r->body.len > 0;
}

void http_reply_head(const struct http_reply *r, const struct http_reply_style *style,
	const struct http_reply_timing *timing, const struct http_reply_wire *wire,
	struct buffer *out)
{
	put_status(out, r->status);
	put_date(out);
	if (has_content(r)) {
		if (r->content_type)
			put_field(out, "Content-Type", r->content_type);
		buffer_puts(out, "Content-Length: ");
		buffer_put_u64(out, r->body.len);
		buffer_puts(out, "\r\n");
	}
	if (r->etag[0])
		put_field(out, "ETag", r->etag);
	if (r->cacheable && style->cache_control[0])
		put_field(out, "Cache-Control", style->cache_control);
	else if (!r->cacheable)
		buffer_puts(out, "Cache-Control: no-store\r\n");
	put_cors(r, style, out);
	buffer_puts(out, "X-Content-Type-Options: nosniff\r\n");
	if (r->allow)
		put_field(out, "Allow", r->allow);
	if (r->retry_after_s > 0) {
		buffer_puts(out, "Retry-After: ");
		buffer_put_u64(out, r->retry_after_s);
		buffer_puts(out, "\r\n");
	}
	put_timing(style, timing, out);
	if (!wire->keep_alive)
		buffer_puts(out, "Connection: close\r\n");
	else if (wire->minor == 0)
		buffer_puts(out, "Connection: keep-alive\r\n");
	buffer_puts(out, "\r\n");
}
