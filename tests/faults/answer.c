#include "tests/faults/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_BYTES_MAX 65536u

/* The value of the field, if the line [at, end) is of that name; NULL otherwise. */
static const char *value_of(const char *at, const char *end, const char *name, size_t *ret_n)
{
	const size_t n = strlen(name);

	if ((size_t)(end - at) <= n || strncasecmp(at, name, n) != 0 || at[n] != ':')
		return NULL;
	at += n + 1;
	while (at < end && *at == ' ')
		at++;
	*ret_n = (size_t)(end - at);
	return at;
}

static void keep(char text[TARGET_FIELD_BYTES], const char *value, size_t n)
{
	if (n >= TARGET_FIELD_BYTES)
		n = TARGET_FIELD_BYTES - 1;
	memcpy(text, value, n);
	text[n] = '\0';
}

/* Server-Timing: queue;dur=0.031, qr;dur=0.354, worker;desc="3" */
static int slot_of(const char *value, size_t n)
{
	static const char key[] = "worker;desc=\"";
	const char *at = memmem(value, n, key, sizeof key - 1);

	return at ? atoi(at + sizeof key - 1) : -1; /* the head ends with CRLF, so atoi() stops */
}

static bool take_field(struct answer *a, const char *at, const char *end)
{
	const char *value;
	size_t n;

	if ((value = value_of(at, end, "Content-Length", &n))) {
		char *stop;

		errno = 0;
		a->content_length = strtol(value, &stop, 10);
		return errno == 0 && stop == end && n > 0 && a->content_length >= 0;
	}
	if (value_of(at, end, "Transfer-Encoding", &n))
		return false;
	if ((value = value_of(at, end, "Connection", &n)))
		a->close = n == 5 && strncasecmp(value, "close", 5) == 0;
	else if ((value = value_of(at, end, "Content-Type", &n)))
		keep(a->type, value, n);
	else if ((value = value_of(at, end, "ETag", &n)))
		keep(a->etag, value, n);
	else if (value_of(at, end, "Retry-After", &n))
		a->retry_after = true;
	else if ((value = value_of(at, end, "Server-Timing", &n)))
		a->slot = slot_of(value, n);
	return true;
}

static bool take_head(struct answer *a, const char *in)
{
	const char *end = in + a->head_bytes - 2; /* before the empty line */
	const char *at = memmem(in, a->head_bytes, "\r\n", 2);

	if (sscanf(in, "HTTP/1.1 %3u ", &a->status) != 1)
		return false;
	for (at += 2; at < end;) {
		const char *next = memmem(at, (size_t)(end - at), "\r\n", 2);

		if (!next || !take_field(a, at, next))
			return false;
		at = next + 2;
	}
	return true;
}

enum answer_parsed answer_parse(const char *in, size_t n, bool head, struct answer *ret)
{
	struct answer a = {.slot = -1, .content_length = -1};
	const char *empty = memmem(in, n, "\r\n\r\n", 4);

	if (!empty)
		return n > HEAD_BYTES_MAX ? ANSWER_MALFORMED : ANSWER_MORE;
	a.head_bytes = (size_t)(empty + 4 - in);
	if (!take_head(&a, in))
		return ANSWER_MALFORMED;
	if (!head && a.status != 304 && a.status != 204) {
		if (a.content_length < 0)
			return ANSWER_MALFORMED;
		a.body_bytes = (size_t)a.content_length;
	}
	if (n - a.head_bytes < a.body_bytes)
		return ANSWER_MORE;
	*ret = a;
	return ANSWER_WHOLE;
}

const char *answer_differs(const struct answer *a, const char *in, const struct target *t)
{
	if (a->status != t->status)
		return "status";
	if (strcmp(a->type, t->type) != 0)
		return "type";
	if (strcmp(a->etag, t->etag) != 0)
		return "etag";
	if (a->content_length != t->content_length || a->body_bytes != t->body_bytes)
		return "length";
	if (memcmp(in + a->head_bytes, t->body, t->body_bytes) != 0)
		return "body";
	return NULL;
}

bool answer_is_shed(const struct answer *a)
{
	return a->status == 503 && a->retry_after;
}
