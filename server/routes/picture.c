/* Request to parameters to symbol to picture. */
#include "server/routes/drawing.h"
#include "server/routes/params.h"
#include "server/routes/routes.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const char default_text[] = "QR TEST";

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
static void fail(struct exchange *x, int error)
{
	struct http_refusal refusal;

	if (error == -ENOMEM)
		(void)http_refuse_memory(&refusal);
	else
		(void)http_refuse(
			&refusal, 500, "internal_error", NULL, "the symbol could not be made");
	http_reply_refuse(x->reply, &refusal);
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

/* Query, and the body of a POST. */
static bool read_params(struct exchange *x, struct params *p, struct http_refusal *refusal)
{
	const struct http_request *q = x->request;

	params_reset(p);
	if (!params_read(p, PARAMS_FORM, x->data + q->query.at, q->query.len, refusal))
		return false;
	if (q->method == HTTP_POST) {
		enum params_source source;

		if (params_source_of(&source, x->data + q->content_type.at, q->content_type.len) !=
			0)
			return http_refuse(refusal, 415, "unsupported_media_type", NULL,
				"the body must be application/x-www-form-urlencoded, "
				"application/json or text/plain");
		if (!params_read(p, source, x->data + q->body.at, q->body.len, refusal))
			return false;
	}
	return params_check(p, refusal);
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

/* What is to be drawn of the parameters. */
static bool plan(struct drawing *ret, const struct params *p, const struct config *config,
	enum params_format format, struct http_refusal *refusal)
{
	const struct qr_options options = {
		.level = p->level, .eci = p->eci, .engine = engine_of(config)};
	int error = qr_fit(&ret->fit, p->text.data, p->text.len, &options);

	ret->format = format;
	ret->picture = (struct qr_picture){.dark = p->dark, .light = p->light};
	if (error == -E2BIG)
		return refuse_length(p, &ret->fit, refusal);
	if (error)
		return http_refuse_memory(refusal);
	if (qr_picture_layout(
		    &ret->picture, 17 + 4 * ret->fit.version, p->margin, p->scale, p->size) != 0)
		return refuse_size(p, &ret->picture, refusal);
	return true;
}

/* Everything of the answer but the picture. False: the client has it already, and the reply is 304. */
static bool head(struct exchange *x, const struct params *p, const struct drawing *d)
{
	const struct http_span *known = &x->request->if_none_match;

	http_reply_reset(x->reply);
	x->reply->content_type = drawing_content_type(d);
	x->reply->cacheable = true;
	make_etag(x->reply->etag, p, d->format);
	if (x->request->method == HTTP_POST || known->len == 0 ||
		!matches(x->data + known->at, known->len, x->reply->etag))
		return true;
	x->reply->status = 304;
	return false;
}

typedef bool reader(struct exchange *x, struct params *p, enum params_format *ret_format,
	struct http_refusal *refusal);

/* "/" has a text where none is given, and "/qr" wants one. */
static bool read_root(struct exchange *x, struct params *p, enum params_format *ret_format,
	struct http_refusal *refusal)
{
	*ret_format = FORMAT_JSON;
	if (!read_params(x, p, refusal))
		return false;
	if (p->text.len == 0)
		buffer_append(&p->text, default_text, sizeof(default_text) - 1);
	return true;
}

static bool read_qr(struct exchange *x, struct params *p, enum params_format *ret_format,
	struct http_refusal *refusal)
{
	if (!read_params(x, p, refusal))
		return false;
	*ret_format = p->format;
	return p->text.len > 0 || http_refuse(refusal, 400, "bad_parameter", "text",
					  "text must be given, and hold at least one byte");
}

/* --- in one go, on the loop */

static void answer(struct exchange *x, reader *read)
{
	struct http_refusal refusal;
	struct drawing d;
	enum params_format format = FORMAT_JSON;
	int error = 0;

	if (!read(x, x->params, &format, &refusal) ||
		!plan(&d, x->params, x->config, format, &refusal)) {
		http_reply_refuse(x->reply, &refusal);
		return;
	}
	if (head(x, x->params, &d))
		error = drawing_make(&d, &x->reply->body, x->scratch);
	if (error)
		fail(x, error);
}

void route_root(struct exchange *x)
{
	answer(x, read_root);
}

void route_qr(struct exchange *x)
{
	answer(x, read_qr);
}

/* --- as work, which a thread can do */

struct picture_work {
	struct work work;
	struct params params;
	struct drawing drawing;
	struct buffer body, scratch;
	char etag[HTTP_ETAG_BYTES];
	int error;
};

static enum work_next begin(struct work *w, struct exchange *x, reader *read)
{
	struct picture_work *p = (struct picture_work *)w;
	struct http_refusal refusal;
	enum params_format format = FORMAT_JSON;

	params_init(&p->params);
	buffer_init(&p->body);
	buffer_init(&p->scratch);
	if (!read(x, &p->params, &format, &refusal) ||
		!plan(&p->drawing, &p->params, x->config, format, &refusal)) {
		http_reply_refuse(x->reply, &refusal);
		return WORK_ANSWERED;
	}
	if (!head(x, &p->params, &p->drawing))
		return WORK_ANSWERED;
	memcpy(p->etag, x->reply->etag, sizeof(p->etag));
	return WORK_COMPUTE;
}

static enum work_next begin_root(struct work *w, struct exchange *x)
{
	return begin(w, x, read_root);
}

static enum work_next begin_qr(struct work *w, struct exchange *x)
{
	return begin(w, x, read_qr);
}

/* Too short to be cut. */
static bool step(struct work *w, const struct work_slice *slice)
{
	struct picture_work *p = (struct picture_work *)w;
	(void)slice;

	p->error = drawing_make(&p->drawing, &p->body, &p->scratch);
	return true;
}

static void finish(struct work *w, struct exchange *x)
{
	struct picture_work *p = (struct picture_work *)w;

	if (p->error) {
		fail(x, p->error);
		return;
	}
	http_reply_reset(x->reply);
	x->reply->content_type = drawing_content_type(&p->drawing);
	x->reply->cacheable = true;
	memcpy(x->reply->etag, p->etag, sizeof(p->etag));
	buffer_append(&x->reply->body, p->body.data, p->body.len);
}

static void done(struct work *w)
{
	struct picture_work *p = (struct picture_work *)w;

	params_done(&p->params);
	buffer_done(&p->body);
	buffer_done(&p->scratch);
}

const struct work_class work_root = {
	.bytes = sizeof(struct picture_work),
	.begin = begin_root,
	.step = step,
	.finish = finish,
	.done = done,
};

const struct work_class work_qr = {
	.bytes = sizeof(struct picture_work),
	.begin = begin_qr,
	.step = step,
	.finish = finish,
	.done = done,
};
