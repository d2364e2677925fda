/*
 * The parameters. Input: one byte that says what the body is, then query string, newline, body.
 * Both are read as the routes do it; what is accepted must lie within the documented ranges, give
 * pictures within their bounds, and mean the same when it is written down as a form or as JSON; what
 * is refused must say so properly. The body is read as the name of a Content-Type, too.
 */
#include "server/routes/params.h"

#include "server/http/form.h"
#include "tests/fuzz/require.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of exactly the size, so that an over-read is seen. */
static bool read_exact(struct params *p, enum params_source source, const uint8_t *data, size_t len,
	struct http_refusal *refusal)
{
	char *copy = malloc(len ? len : 1);
	bool good;

	REQUIRE(copy);
	if (len)
		memcpy(copy, data, len);
	good = params_read(p, source, copy, len, refusal);
	free(copy);
	return good;
}

static void check_accepted(const struct params *p, size_t given)
{
	REQUIRE(p->format <= FORMAT_JSON && p->level <= QR_LEVEL_H);
	REQUIRE(p->margin <= QR_MAX_MARGIN && p->scale >= 1 && p->scale <= QR_MAX_SCALE);
	REQUIRE(!p->size || (p->size >= QR_MIN_PIXELS && p->size <= QR_MAX_PIXELS));
	REQUIRE(!p->size || p->scale == 4);
	REQUIRE(!p->text.failed && p->text.len <= given);
	REQUIRE(p->has_text || !p->text.len);
}

/* The picture of a symbol of that width, in modules. */
static void check_layout(const struct params *p, unsigned width)
{
	const unsigned modules = width + 2 * p->margin;
	struct qr_picture picture = {0};
	const int result = qr_picture_layout(&picture, width, p->margin, p->scale, p->size);

	if (result != 0) {
		REQUIRE(result == -ERANGE);
		REQUIRE(picture.width > (p->size ? p->size : QR_MAX_PIXELS));
		return;
	}
	REQUIRE(picture.width <= QR_MAX_PIXELS && picture.scale >= 1);
	REQUIRE(picture.width == (p->size ? p->size : modules * p->scale));
	REQUIRE(picture.offset >= p->margin * picture.scale);
	REQUIRE(picture.offset + (width + p->margin) * picture.scale <= picture.width);
}

static uint32_t color(const struct qr_color *c)
{
	return (uint32_t)c->red << 24 | (uint32_t)c->green << 16 | (uint32_t)c->blue << 8 |
	       c->alpha;
}

static void check_same(const struct params *a, const struct params *b)
{
	REQUIRE(a->format == b->format && a->level == b->level && a->margin == b->margin);
	REQUIRE(a->scale == b->scale && a->size == b->size && a->eci == b->eci);
	REQUIRE(color(&a->dark) == color(&b->dark) && color(&a->light) == color(&b->light));
	REQUIRE(a->has_text == b->has_text && a->text.len == b->text.len);
	REQUIRE(!a->text.len || !memcmp(a->text.data, b->text.data, a->text.len));
}

/* Reads what was written of p, and finds p. */
static void check_read_back(
	const struct params *p, enum params_source source, const struct buffer *written)
{
	struct http_refusal refusal = {0};
	struct params back;

	REQUIRE(!written->failed);
	params_init(&back);
	REQUIRE(params_read(&back, source, written->data, written->len, &refusal));
	REQUIRE(params_check(&back, &refusal));
	check_same(p, &back);
	params_done(&back);
}

static const char *const formats[] = {"png", "svg", "text", "json"};

static void check_as_form(const struct params *p)
{
	struct buffer form;

	buffer_init(&form);
	buffer_printf(&form, "format=%s&ecLevel=%c&margin=%u&%s=%u", formats[p->format],
		"LMQH"[p->level], p -> margin, p -> size ? "size" : "scale",
		p->size ? p->size : p->scale);
	buffer_printf(&form, "&dark=%%23%08x&light=%08X&eci=%s", color(&p->dark), color(&p->light),
		p->eci ? "on" : "off");
	if (p->has_text)
		buffer_puts(&form, "&text=");
	for (size_t i = 0; i < p->text.len; i++)
		buffer_printf(&form, "%%%02x", (unsigned char)p->text.data[i]);
	check_read_back(p, PARAMS_FORM, &form);
	buffer_done(&form);
}

/* A text that is not UTF-8 cannot be had in JSON. */
static void check_as_json(const struct params *p)
{
	json_t *text =
		p->has_text ? json_stringn(p->text.len ? p->text.data : "", p->text.len) : NULL;
	struct buffer json;

	if (p->has_text && !text)
		return;
	char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	buffer_init(&json);
	buffer_printf(&json, "{\"format\":\"%s\",\"ecLevel\":\"%c\",\"margin\":%u,\"%s\":%u",
		formats[p->format], "LMQH"[p->level], p -> margin, p -> size ? "size" : "scale",
		p->size ? p->size : p->scale);
	buffer_printf(&json, ",\"dark\":\"#%08x\",\"light\":\"%08X\",\"eci\":%s", color(&p->dark),
		color(&p->light), p->eci ? "true" : "false");
	if (quoted) {
		buffer_puts(&json, ",\"text\":");
		buffer_puts(&json, quoted);
	}
	buffer_putc(&json, '}');
	check_read_back(p, PARAMS_JSON, &json);
	buffer_done(&json);
	free(quoted);
	json_decref(text);
}

static void check_meaning(const struct params *p)
{
	check_layout(p, 21);
	check_layout(p, 45);
	check_layout(p, 177);
	check_as_form(p);
	check_as_json(p);
}

static void check_content_type(const uint8_t *data, size_t len)
{
	static const char *const names[] = {
		"application/x-www-form-urlencoded", "application/json", "text/plain"};
	enum params_source source = PARAMS_FORM;
	char *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	if (len)
		memcpy(copy, data, len);
	if (params_source_of(&source, copy, len) == 0) {
		const size_t n = strlen(names[source]);
		REQUIRE(len >= n && !strncasecmp(copy, names[source], n));
		REQUIRE(len == n || memchr("; \t", copy[n], 3));
	}
	free(copy);
}

static void check_refused(const struct http_refusal *r)
{
	REQUIRE(r->status == 400 && !strcmp(r->code, "bad_parameter") && r->parameter);
	REQUIRE(r->message[0] && strlen(r->message) < sizeof(r->message));
	/* All of our own words are ASCII: nothing of what was sent is repeated. */
	for (const char *c = r->message; *c; c++)
		REQUIRE(*c >= ' ' && *c <= '~');
}

/* form_next() by itself: it moves on, stays within its store, and decodes to no more than was
 * there. */
static void check_form(const uint8_t *data, size_t len)
{
	const char *at = (const char *)data, *end = at + len;
	struct form_text name, value;
	size_t before = len;
	int got;

	while (before) {
		char *store = malloc(before);

		REQUIRE(store);
		got = form_next(&at, &len, store, &name, &value);
		REQUIRE(len < before && at == end - len);
		REQUIRE(got <= 0 || (name.at == store && value.at == store + name.len));
		REQUIRE(got <= 0 || name.len + value.len <= before - len);
		REQUIRE(got || !len);
		free(store);
		before = len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_refusal refusal = {0};
	const uint8_t *newline, *body;
	size_t query_len, body_len;
	struct params p;

	if (!size--)
		return 0;
	newline = memchr(data + 1, '\n', size);
	query_len = newline ? (size_t)(newline - data) - 1 : size;
	body = data + 1 + query_len + (newline != NULL);
	body_len = size - query_len - (newline != NULL);
	check_form(data + 1, query_len);
	check_content_type(body, body_len);
	params_init(&p);
	if (read_exact(&p, PARAMS_FORM, data + 1, query_len, &refusal) &&
		(data[0] % 4 == 3 || read_exact(&p, (enum params_source)(data[0] % 4), body,
					     body_len, &refusal)) &&
		params_check(&p, &refusal)) {
		check_accepted(&p, size);
		check_meaning(&p);
	} else {
		check_refused(&refusal);
	}
	params_reset(&p);
	REQUIRE(!p.has_text && !p.text.len && !p.seen);
	params_done(&p);
	return 0;
}
