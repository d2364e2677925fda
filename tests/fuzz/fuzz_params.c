/*
 * The parameters. Input: one byte that says what the body is, then query string, newline, body.
 * Both are read as the routes do it; what is accepted must lie within the documented ranges, what
 * is refused must say so properly.
 */
#include "server/routes/params.h"

#include "server/http/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

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
	params_init(&p);
	if (read_exact(&p, PARAMS_FORM, data + 1, query_len, &refusal) &&
		(data[0] % 4 == 3 || read_exact(&p, (enum params_source)(data[0] % 4), body,
					     body_len, &refusal)) &&
		params_check(&p, &refusal))
		check_accepted(&p, size);
	else
		check_refused(&refusal);
	params_reset(&p);
	REQUIRE(!p.has_text && !p.text.len && !p.seen);
	params_done(&p);
	return 0;
}
