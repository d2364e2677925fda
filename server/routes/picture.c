/* Request to parameters to symbol to picture. */
#include "server/qr/picture.h"
#include "server/qr/base64.h"
#include "server/qr/symbol.h"
#include "server/routes/params.h"
#include "server/routes/routes.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const char default_text[] = "QR TEST";

static const char *const content_types[] = {
	[FORMAT_PNG] = "image/png",
	[FORMAT_SVG] = "image/svg+xml",
	[FORMAT_TEXT] = "text/plain; charset=utf-8",
	[FORMAT_JSON] = "application/json",
};

static bool refuse_length(
	const struct params *p, const struct qr_fit *fit, struct http_refusal *refusal)
{
	static const char levels[] = "LMQH";

	return http_refuse(refusal, 400, "text_too_long", "text",
		"the text needs %zu bits, and the largest symbol (version 40) holds %zu at ecLevel "
		"%c",
		fit->needed_bits, fit->held_bits, levels[p->level]);
}

/* Whatever could be wrong with the request was found before, so anything but a lack of memory is a defect of ours. */
static bool refuse_failure(int error, struct http_refusal *refusal)
{
	if (error == -ENOMEM)
		return http_refuse_memory(refusal);
	return http_refuse(refusal, 500, "internal_error", NULL, "the symbol could not be made");
}

static bool refuse_size(
	const struct params *p, const struct qr_picture *picture, struct http_refusal *refusal)
{
	if (p->size > 0 && picture->width > p->size)
		return http_refuse(refusal, 400, "bad_parameter", "size",
			"this symbol and its margin need at least %u pixels, and size allows %u",
			picture->width, p->size);
	return http_refuse(refusal, 400, "bad_parameter", "scale",
		"the picture would be %u pixels wide; scale and margin must keep it within %d",
		picture->width, QR_MAX_PIXELS);
}

/* Query, and the body of a POST, into x->params. */
static bool read_params(struct exchange *x, struct http_refusal *refusal)
{
	const struct http_request *q = x->request;

	params_reset(x->params);
	if (!params_read(x->params, PARAMS_FORM, x->data + q->query.at, q->query.len, refusal))
		return false;
	if (q->method == HTTP_POST) {
		enum params_source source;

		if (params_source_of(&source, x->data + q->content_type.at, q->content_type.len) !=
			0)
			return http_refuse(refusal, 415, "unsupported_media_type", NULL,
				"the body must be application/x-www-form-urlencoded, "
				"application/json or text/plain");
		if (!params_read(x->params, source, x->data + q->body.at, q->body.len, refusal))
			return false;
	}
	return params_check(x->params, refusal);
}

/*
 * A hash by words of 64 bits: the tag need only tell apart what one URL was asked for at different times. For each value
 * of h this is one to one, so that texts that differ in one word never have the same tag.
 */
static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/* In the same order on every machine, because a fleet may have several kinds. */
static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const char *at = data;
	uint64_t word;

	h = mix(h, len);
	for (; len >= sizeof(word); len -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		h = mix(h, le64toh(word));
	}
	if (len == 0)
		return h;
	word = 0;
	memcpy(&word, at, len);
	return mix(h, le64toh(word));
}

static uint64_t pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static uint32_t color_bits(const struct qr_color *c)
{
	return (uint32_t)c->red << 24 | (uint32_t)c->green << 16 | (uint32_t)c->blue << 8 |
	       c->alpha;
}

/* W/"..." with 16 hexadecimal digits. */
static void write_etag(char *tag, uint64_t h)
{
	static const char digits[] = "0123456789abcdef";

	*tag++ = 'W';
	*tag++ = '/';
	*tag++ = '"';
	for (int shift = 60; shift >= 0; shift -= 4)
		*tag++ = digits[h >> shift & 15];
	*tag++ = '"';
	*tag = '\0';
}

/* Depends on what was asked for, and on the program that draws it, only. */
static void make_etag(char *tag, const struct params *p, enum params_format format)
{
	uint64_t h = hash(0, QUERN_VERSION, sizeof(QUERN_VERSION));

	h = mix(h, pair((uint32_t)format, (uint32_t)p->level));
	h = mix(h, pair(p->margin, p->scale));
	h = mix(h, pair(p->size, p->eci ? 1u : 0u));
	h = mix(h, pair(color_bits(&p->dark), color_bits(&p->light)));
	write_etag(tag, hash(h, p->text.data, p->text.len));
}

/* RFC 9110, 13.1.2: a list of tags, compared weakly, or "*". */
static bool matches(const char *list, size_t len, const char *tag)
{
	const char *opaque = tag + 2; /* behind W/ */
	size_t n = strlen(opaque);

	if (len == 1 && list[0] == '*')
		return true;
	for (size_t i = 0; i + n <= len; i++)
		if (memcmp(list + i, opaque, n) == 0)
			return true;
	return false;
}

static enum qr_engine engine_of(const struct config *config)
{
	return config->qr_engine == ENGINE_QUERN ? QR_ENGINE_QUERN : QR_ENGINE_LIBQRENCODE;
}

static int draw_png(struct exchange *x, const struct qr_symbol *symbol,
	const struct qr_picture *picture, struct buffer *out)
{
	if (engine_of(x->config) == QR_ENGINE_LIBQRENCODE)
		return qr_libpng_write(symbol, picture, out);
	return qr_png_write(symbol, picture, out);
}

/* The picture, or the JSON around it, appended to the reply's body. */
static int draw(struct exchange *x, const struct qr_symbol *symbol,
	const struct qr_picture *picture, enum params_format format)
{
	struct buffer *body = &x->reply->body;

	switch (format) {
	case FORMAT_PNG:
		return draw_png(x, symbol, picture, body);
	case FORMAT_SVG:
		return qr_svg_write(symbol, picture, body);
	case FORMAT_TEXT:
		return qr_text_write(symbol, picture, body);
	case FORMAT_JSON:
		break;
	}
	/* Base64 needs no escaping, so the JSON around it is fixed. */
	buffer_reset(x->scratch);
	int error = draw_png(x, symbol, picture, x->scratch);
	if (error)
		return error;
	buffer_puts(body, "{\"result\":\"data:image/png;base64,");
	base64_append(body, x->scratch->data, x->scratch->len);
	buffer_puts(body, "\"}");
	return body->failed ? -ENOMEM : 0;
}

static bool answer(struct exchange *x, enum params_format format, struct http_refusal *refusal)
{
	const struct params *p = x->params;
	struct qr_picture picture = {.dark = p->dark, .light = p->light};
	const struct qr_options options = {
		.level = p->level, .eci = p->eci, .engine = engine_of(x->config)};
	struct qr_fit fit;

	int error = qr_fit(&fit, p->text.data, p->text.len, &options);
	if (error == -E2BIG)
		return refuse_length(p, &fit, refusal);
	if (error)
		return http_refuse_memory(refusal);
	if (qr_picture_layout(&picture, 17 + 4 * fit.version, p->margin, p->scale, p->size) != 0)
		return refuse_size(p, &picture, refusal);

	http_reply_reset(x->reply);
	x->reply->content_type = content_types[format];
	x->reply->cacheable = true;
	make_etag(x->reply->etag, p, format);
	const struct http_span *known = &x->request->if_none_match;
	if (x->request->method != HTTP_POST && known->len > 0 &&
		matches(x->data + known->at, known->len, x->reply->etag)) {
		x->reply->status = 304;
		return true;
	}
	struct qr_symbol symbol;
	error = qr_make(&symbol, &fit);
	if (!error)
		error = draw(x, &symbol, &picture, format);
	return !error || refuse_failure(error, refusal);
}

void route_root(struct exchange *x)
{
	struct http_refusal refusal;
	bool done = read_params(x, &refusal);

	if (done && x->params->text.len == 0)
		buffer_append(&x->params->text, default_text, sizeof(default_text) - 1);
	if (!done || !answer(x, FORMAT_JSON, &refusal))
		http_reply_refuse(x->reply, &refusal);
}

void route_qr(struct exchange *x)
{
	struct http_refusal refusal;
	bool done = read_params(x, &refusal);

	if (done && x->params->text.len == 0)
		done = http_refuse(&refusal, 400, "bad_parameter", "text",
			"text must be given, and hold at least one byte");
	if (!done || !answer(x, x->params->format, &refusal))
		http_reply_refuse(x->reply, &refusal);
}
