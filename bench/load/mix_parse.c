/* The text of a mix: see mix.h for its form. */
#include "bench/load/mix_parts.h"

#include "lib/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_MOST 1e9
#define FILE_BYTES_MOST (UINT64_C(16) << 20)

/* Every method is shorter than mix_template.method, and those that expect a body begin with P (see mix.c). */
static const char *const methods[] = {
	"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL};

#define METHODS "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
#define PLACEHOLDERS "{text:N}, {text:N-M}, {int:N-M}, {us:SERVICE}, or {{ for a brace"

/* A line, and a place in it. */
struct line {
	const char *name;
	size_t number;
	const char *text, *end;
	const char *at;
	struct buffer *error;
};

struct span {
	const char *text;
	size_t len;
};

/* How much of it a message shows. */
static int shown(struct span s)
{
	return s.len < 60 ? (int)s.len : 60;
}

__attribute__((format(printf, 3, 4))) static int wrong(
	const struct line *l, const char *where, const char *format, ...)
{
	char message[512];
	va_list arguments;
	size_t column = 1;

	/* In characters: bytes that continue one in UTF-8 do not count. */
	for (const char *c = l->text; c < where; c++)
		column += ((unsigned char)*c & 0xc0) != 0x80;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	/* A message goes to a terminal, and the file may hold anything. */
	for (char *c = message; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	buffer_printf(l->error, "%s:%zu:%zu: %s", l->name, l->number, column, message);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct line *l)
{
	while (l->at < l->end && is_blank(*l->at))
		l->at++;
}

/* Up to the next blank; empty at the end of the line. */
static struct span take_field(struct line *l)
{
	skip_blanks(l);
	struct span field = {.text = l->at};

	while (l->at < l->end && !is_blank(*l->at))
		l->at++;
	field.len = (size_t)(l->at - field.text);
	return field;
}

/* "N" or "N-M". */
static int parse_range(const struct line *l, struct span value, uint64_t most, bool single,
	struct mix_piece *piece)
{
	const char *dash = memchr(value.text, '-', value.len);
	const size_t first = dash ? (size_t)(dash - value.text) : value.len;
	int64_t low, high;

	if (!dash && !single)
		return wrong(l, value.text, "\"%.*s\" is no range; allowed: {int:N-M}",
			shown(value), value.text);
	int error = number_parse_int(&low, value.text, first, 0, (int64_t)most);
	high = error == 0 ? low : 0;
	if (error == 0 && dash)
		error = number_parse_int(
			&high, dash + 1, value.len - first - 1, low, (int64_t)most);
	if (error < 0)
		return wrong(l, value.text,
			"\"%.*s\" is not allowed; allowed: %sN-M, whole numbers from 0 to %llu, N "
			"not "
			"above M",
			shown(value), value.text, single ? "N or " : "", (unsigned long long)most);
	piece->low = (uint64_t)low;
	piece->high = (uint64_t)high;
	return 0;
}

static int parse_service(const struct line *l, struct span value, struct mix_piece *piece)
{
	char *spec = strndup(value.text, value.len);
	struct service service;
	struct buffer why;

	if (!spec)
		return -ENOMEM;
	buffer_init(&why);
	int error = service_parse(&service, spec, &why);
	if (error == 0) {
		piece->service = service;
		piece->kind = MIX_SERVICE;
	} else if (error != -ENOMEM) {
		const char *sentence = buffer_cstring(&why);

		error = wrong(l, value.text, "%s", sentence ? sentence : "no service time");
	}
	buffer_done(&why);
	free(spec);
	return error;
}

static bool begins(struct span s, const char *word)
{
	return s.len >= strlen(word) && memcmp(s.text, word, strlen(word)) == 0;
}

static struct span after(struct span s, size_t n)
{
	return (struct span){s.text + n, s.len - n};
}

/* What stands between { and }. */
static int parse_placeholder(const struct line *l, struct span inside, struct mix_pieces *ret)
{
	struct mix_piece *piece = mix_pieces_add(ret);

	if (!piece)
		return -ENOMEM;
	if (begins(inside, "text:")) {
		piece->kind = MIX_TEXT;
		return parse_range(l, after(inside, 5), MIX_TEXT_MOST, true, piece);
	}
	if (begins(inside, "int:")) {
		piece->kind = MIX_INT;
		return parse_range(l, after(inside, 4), INT64_MAX - 1, false, piece);
	}
	if (begins(inside, "us:"))
		return parse_service(l, after(inside, 3), piece);
	return wrong(l, inside.text - 1, "{%.*s} is no placeholder; allowed: %s", shown(inside),
		inside.text, PLACEHOLDERS);
}

static int check_character(const struct line *l, const char *at, bool in_target)
{
	const unsigned char c = (unsigned char)*at;

	if (in_target && (c == '#' || c < 0x21 || c > 0x7e))
		return wrong(l, at, "a target cannot hold this byte; write it as %%%02X", c);
	if (c == 0x7f || (c < 0x20 && c != '\t'))
		return wrong(l, at, "control character 0x%02X", c);
	return 0;
}

/* A brace at `at`: a doubled one goes into the literal, a placeholder becomes a piece. Moves *at past it. */
static int parse_brace(const struct line *l, const char **at, const char *end,
	struct buffer *literal, struct mix_pieces *ret)
{
	const char *from = *at;

	if (end - from > 1 && from[1] == from[0]) {
		buffer_putc(literal, *from);
		*at += 2;
		return 0;
	}
	if (*from == '}')
		return wrong(l, from, "a } without its {; write }} for a brace");
	const char *close = memchr(from, '}', (size_t)(end - from));
	if (!close)
		return wrong(l, from, "this { has no }; allowed: %s", PLACEHOLDERS);
	int error = literal->failed ? -ENOMEM
				    : mix_pieces_add_literal(ret, literal->data, literal->len);
	if (error < 0)
		return error;
	buffer_reset(literal);
	*at = close + 1;
	return parse_placeholder(l, (struct span){from + 1, (size_t)(close - from - 1)}, ret);
}

static int parse_pieces(
	const struct line *l, struct span text, bool in_target, struct mix_pieces *ret)
{
	const char *at = text.text, *end = text.text + text.len;
	struct buffer literal;
	int error = 0;

	buffer_init(&literal);
	while (at < end && error == 0) {
		if (*at == '{' || *at == '}') {
			error = parse_brace(l, &at, end, &literal, ret);
			continue;
		}
		error = check_character(l, at, in_target);
		buffer_putc(&literal, *at++);
	}
	if (error == 0)
		error = literal.failed ? -ENOMEM
				       : mix_pieces_add_literal(ret, literal.data, literal.len);
	buffer_done(&literal);
	return error;
}

static int parse_weight(struct line *l, double *ret)
{
	const struct span field = take_field(l);

	if (number_parse_real(ret, field.text, field.len, 0, WEIGHT_MOST) == 0 && *ret > 0)
		return 0;
	return wrong(l, field.text,
		"\"%.*s\" is no weight; allowed: a number above 0, at most %.0f; a line is "
		"WEIGHT METHOD TARGET [CONTENT-TYPE BODY]",
		shown(field), field.text, WEIGHT_MOST);
}

static int parse_method(struct line *l, const char **ret)
{
	const struct span field = take_field(l);

	if (field.len == 0)
		return wrong(l, field.text, "the method is missing; allowed: " METHODS);
	for (size_t i = 0; methods[i]; i++)
		if (strlen(methods[i]) == field.len && begins(field, methods[i])) {
			*ret = methods[i];
			return 0;
		}
	return wrong(l, field.text, "\"%.*s\" is no method; allowed: " METHODS, shown(field),
		field.text);
}

static int parse_target(struct line *l, struct mix_template *t)
{
	const struct span field = take_field(l);

	if (field.len == 0)
		return wrong(
			l, field.text, "the target is missing, for example /qr?text={text:20}");
	if (field.text[0] != '/')
		return wrong(l, field.text, "a target begins with \"/\", not \"%.*s\"",
			shown(field), field.text);
	return parse_pieces(l, field, true, &t->target);
}

static int parse_body(struct line *l, struct mix_template *t)
{
	const struct span type = take_field(l);

	if (type.len == 0)
		return 0;
	if (strcmp(t->method, "GET") == 0 || strcmp(t->method, "HEAD") == 0)
		return wrong(l, type.text,
			"a %s has no body; a blank in the target is written %%20 or +", t->method);
	if (!memchr(type.text, '/', type.len))
		return wrong(l, type.text,
			"\"%.*s\" is no content type, for example application/json", shown(type),
			type.text);
	for (const char *c = type.text; c < type.text + type.len; c++)
		if ((unsigned char)*c < 0x21 || (unsigned char)*c > 0x7e)
			return wrong(
				l, c, "a content type cannot hold byte 0x%02X", (unsigned char)*c);
	t->content_type = strndup(type.text, type.len);
	if (!t->content_type)
		return -ENOMEM;
	skip_blanks(l);
	if (l->at == l->end)
		return wrong(l, l->at, "the body is missing after its content type");
	return parse_pieces(l, (struct span){l->at, (size_t)(l->end - l->at)}, false, &t->body);
}

static int parse_line(struct line *l, struct mix *m)
{
	const char *method = NULL;
	double weight;

	skip_blanks(l);
	if (l->at == l->end || *l->at == '#')
		return 0;
	if (m->templates == MIX_TEMPLATES_MOST)
		return wrong(l, l->at, "more than %d templates", MIX_TEMPLATES_MOST);
	int error = parse_weight(l, &weight);
	if (error < 0)
		return error;
	error = parse_method(l, &method);
	if (error < 0)
		return error;
	struct line ahead = *l;
	const struct span target = take_field(&ahead);
	struct mix_template *t = mix_add(m, weight, method, target.text, target.len);
	if (!t)
		return -ENOMEM;
	error = parse_target(l, t);
	return error < 0 ? error : parse_body(l, t);
}

static int parse_lines(
	struct mix *m, const char *name, const char *text, size_t len, struct buffer *error)
{
	const char *at = text, *end = text + len;

	for (size_t number = 1; at < end; number++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		struct line line = {
			.name = name, .number = number, .text = at, .at = at, .end = stop};

		line.error = error;
		if (line.end > at && line.end[-1] == '\r')
			line.end--;
		const int result = parse_line(&line, m);
		if (result < 0)
			return result;
		at = newline ? newline + 1 : end;
	}
	if (m->templates > 0)
		return 0;
	buffer_printf(error,
		"%s: no template in it; a line is WEIGHT METHOD TARGET [CONTENT-TYPE BODY], for "
		"example: 1 GET /qr?text={text:20}",
		name);
	return -EINVAL;
}

int mix_parse(
	struct mix **ret, const char *name, const char *text, size_t len, struct buffer *error)
{
	struct mix *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	const int result = parse_lines(m, name, text, len, error);
	if (result < 0) {
		mix_free(m);
		return result;
	}
	*ret = m;
	return 0;
}

static int read_file(FILE *from, struct buffer *text)
{
	for (;;) {
		char *to = buffer_reserve(text, 65536);

		if (!to)
			return -ENOMEM;
		const size_t n = fread(to, 1, 65536, from);
		text->len += n;
		if (ferror(from))
			return -errno;
		if (n == 0)
			return 0;
		if (text->len > FILE_BYTES_MOST)
			return -EFBIG;
	}
}

int mix_read(struct mix **ret, const char *path, struct buffer *error)
{
	FILE *from = fopen(path, "re");
	struct buffer text;
	int result;

	buffer_init(&text);
	result = from ? read_file(from, &text) : -errno;
	if (result < 0)
		buffer_printf(error, "cannot read %s: %s", path, strerror(-result));
	else
		result = mix_parse(ret, path, text.len > 0 ? text.data : "", text.len, error);
	if (from)
		(void)fclose(from);
	buffer_done(&text);
	return result;
}
