#include "bench/load/mix.h"

#include "bench/load/mix_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *join(const char *method, const char *target, size_t target_len)
{
	const size_t len = strlen(method);
	char *name = malloc(len + 1 + target_len + 1);

	if (!name)
		return NULL;
	memcpy(name, method, len);
	name[len] = ' ';
	memcpy(name + len + 1, target, target_len);
	name[len + 1 + target_len] = '\0';
	return name;
}

struct mix_template *mix_add(
	struct mix *m, double weight, const char *method, const char *target, size_t target_len)
{
	const double before = m->templates > 0 ? m->template[m->templates - 1].until : 0;
	struct mix_template *grown =
		realloc(m->template, (m->templates + 1) * sizeof(*m->template));

	if (!grown)
		return NULL;
	m->template = grown;
	struct mix_template *t = &grown[m->templates];
	*t = (struct mix_template){
		.until = before + weight, .name = join(method, target, target_len)};
	if (!t->name)
		return NULL;
	(void)snprintf(t->method, sizeof(t->method), "%s", method);
	m->templates++;
	return t;
}

struct mix_piece *mix_pieces_add(struct mix_pieces *p)
{
	struct mix_piece *grown = realloc(p->piece, (p->count + 1) * sizeof(*p->piece));

	if (!grown)
		return NULL;
	p->piece = grown;
	grown[p->count] = (struct mix_piece){0};
	return &grown[p->count++];
}

int mix_pieces_add_literal(struct mix_pieces *p, const char *text, size_t len)
{
	if (len == 0)
		return 0;
	struct mix_piece *piece = mix_pieces_add(p);

	if (!piece)
		return -ENOMEM;
	piece->kind = MIX_LITERAL;
	piece->literal = malloc(len);
	if (!piece->literal)
		return -ENOMEM;
	memcpy(piece->literal, text, len);
	piece->len = len;
	return 0;
}

static void free_pieces(struct mix_pieces *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->piece[i].literal);
		if (p->piece[i].kind == MIX_SERVICE)
			service_done(&p->piece[i].service);
	}
	free(p->piece);
}

void mix_free(struct mix *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->templates; i++) {
		free(m->template[i].name);
		free(m->template[i].content_type);
		free_pieces(&m->template[i].target);
		free_pieces(&m->template[i].body);
	}
	free(m->template);
	free(m);
}

int mix_single(struct mix **ret, const char *target)
{
	struct mix *m = calloc(1, sizeof(*m));
	struct mix_template *t = m ? mix_add(m, 1, "GET", target, strlen(target)) : NULL;

	if (!t || mix_pieces_add_literal(&t->target, target, strlen(target)) < 0) {
		mix_free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

size_t mix_templates(const struct mix *m)
{
	return m->templates;
}

const char *mix_template_name(const struct mix *m, size_t index)
{
	return m->template[index].name;
}

/* low..high, each as likely. */
static uint64_t draw_between(struct random *r, uint64_t low, uint64_t high)
{
	return low + random_below(r, high - low + 1);
}

/* Six bits a character; the two values of 64 that name none are drawn again, so that all are equally likely. */
static void put_text(struct buffer *out, struct random *r, uint64_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	char *to = buffer_reserve(out, (size_t)len);
	uint64_t bits = 0;
	unsigned left = 0;

	if (!to)
		return;
	for (uint64_t i = 0; i < len;) {
		if (left == 0) {
			bits = random_u64(r);
			left = 10;
		}
		const unsigned value = bits & 63;
		bits >>= 6;
		left--;
		if (value < sizeof(letters) - 1)
			to[i++] = letters[value];
	}
	out->len += (size_t)len;
}

static void put_service(
	struct buffer *out, struct random *r, const struct service *s, double *asked)
{
	const double us = round(service_draw(s, r));

	buffer_put_u64(out, (unsigned long long)us);
	*asked = fmax(*asked, 0) + us;
}

static void put_pieces(
	struct buffer *out, struct random *r, const struct mix_pieces *p, double *asked)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct mix_piece *piece = &p->piece[i];

		switch (piece->kind) {
		case MIX_LITERAL:
			buffer_append(out, piece->literal, piece->len);
			break;
		case MIX_TEXT:
			put_text(out, r, draw_between(r, piece->low, piece->high));
			break;
		case MIX_INT:
			buffer_put_u64(out, draw_between(r, piece->low, piece->high));
			break;
		case MIX_SERVICE:
			put_service(out, r, &piece->service, asked);
			break;
		}
	}
}

/* The first template whose sum of weights lies above a number drawn from all of them. */
static size_t draw_template(const struct mix *m, struct random *r)
{
	const double drawn = random_unit(r) * m->template[m->templates - 1].until;
	size_t low = 0, high = m->templates - 1;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (m->template[middle].until > drawn)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void put_body(
	struct buffer *out, struct random *r, const struct mix_template *t, double *asked)
{
	struct buffer body;

	buffer_init(&body);
	put_pieces(&body, r, &t->body, asked);
	buffer_puts(out, "Content-Type: ");
	buffer_puts(out, t->content_type);
	buffer_puts(out, "\r\nContent-Length: ");
	buffer_put_u64(out, body.len);
	buffer_puts(out, "\r\n\r\n");
	buffer_append(out, body.data, body.len);
	out->failed |= body.failed;
	buffer_done(&body);
}

/* RFC 9110, 8.6: methods for which content means something say that there is none. */
static bool expects_body(const char *method)
{
	return method[0] == 'P';
}

void mix_draw(const struct mix *m, struct random *r, const char *authority, struct buffer *out,
	struct mix_request *ret)
{
	const size_t index = m->templates > 1 ? draw_template(m, r) : 0;
	const struct mix_template *t = &m->template[index];
	double asked = -1;

	buffer_puts(out, t->method);
	buffer_putc(out, ' ');
	put_pieces(out, r, &t->target, &asked);
	buffer_puts(out, " HTTP/1.1\r\nHost: ");
	buffer_puts(out, authority);
	buffer_puts(out, "\r\nUser-Agent: quern-bench/" QUERN_VERSION "\r\n");
	if (t->content_type)
		put_body(out, r, t, &asked);
	else
		buffer_puts(out, expects_body(t->method) ? "Content-Length: 0\r\n\r\n" : "\r\n");
	*ret = (struct mix_request){
		.template_index = index, .asked_us = asked, .head = strcmp(t->method, "HEAD") == 0};
}
