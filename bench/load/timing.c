#include "bench/load/timing.h"

#include "lib/number.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define MOST_MS 1e12

/* A token or the inside of a quoted string. */
struct word {
	const char *at;
	size_t len;
};

struct cursor {
	const char *at, *end;
};

static bool word_is(struct word w, const char *text)
{
	return w.len == strlen(text) && !strncasecmp(w.at, text, w.len);
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool take(struct cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	skip_blanks(c);
	return true;
}

static struct word take_token(struct cursor *c)
{
	struct word w = {c->at, 0};

	while (c->at < c->end && !memchr("=;, \t\"", *c->at, 6))
		c->at++;
	w.len = (size_t)(c->at - w.at);
	return w;
}

/* Escapes are left as they are: no figure has any. */
static struct word take_value(struct cursor *c)
{
	struct word w;

	if (c->at == c->end || *c->at != '"')
		return take_token(c);
	w.at = ++c->at;
	while (c->at < c->end && *c->at != '"')
		c->at += *c->at == '\\' && c->at + 1 < c->end ? 2 : 1;
	w.len = (size_t)(c->at - w.at);
	if (c->at < c->end)
		c->at++;
	return w;
}

static void set_duration(double *us, struct word value)
{
	double ms;

	if (*us < 0 && !number_parse_real(&ms, value.at, value.len, 0, MOST_MS))
		*us = ms * 1000;
}

static void set_worker(int32_t *worker, struct word value)
{
	int64_t number;

	if (*worker < 0 && !number_parse_int(&number, value.at, value.len, 0, INT32_MAX))
		*worker = (int32_t)number;
}

static void set(struct timing *t, struct word entry, struct word name, struct word value)
{
	if (word_is(entry, "worker")) {
		if (word_is(name, "desc"))
			set_worker(&t->worker, value);
	} else if (word_is(name, "dur") && !word_is(entry, "total")) {
		set_duration(word_is(entry, "queue") ? &t->queue_us : &t->service_us, value);
	}
}

void timing_init(struct timing *t)
{
	*t = (struct timing){.queue_us = -1, .service_us = -1, .worker = -1};
}

void timing_parse(struct timing *t, const char *value, size_t len)
{
	struct cursor c = {value, value + len};

	while (c.at < c.end) {
		skip_blanks(&c);
		struct word entry = take_token(&c);

		while (take(&c, ';')) {
			struct word name = take_token(&c);

			if (take(&c, '='))
				set(t, entry, name, take_value(&c));
		}
		/* Whatever follows and is no part of the grammar ends with the entry. */
		while (c.at < c.end && *c.at != ',')
			c.at++;
		c.at += c.at < c.end;
	}
}
