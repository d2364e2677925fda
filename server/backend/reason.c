#include "server/backend/reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of what Redis said. */
#define QUOTED_BYTES 80

static void quote(char *to, const char *from, size_t len)
{
	size_t n = len < QUOTED_BYTES ? len : QUOTED_BYTES;

	for (size_t i = 0; i < n; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[n] = '\0';
	if (len > QUOTED_BYTES)
		(void)snprintf(to + n, 4, "...");
}

static const char *words_of(const struct link_ending *e, char *quoted)
{
	if (e->error)
		return strerror(e->error);
	quote(quoted, e->text, strlen(e->text));
	return quoted;
}

static void tell_refused(
	char *text, size_t n, const char *where, const struct link_ending *e, uint64_t retry_us)
{
	char quoted[QUOTED_BYTES + 4];
	unsigned long long retry_ms = (retry_us + 999u) / 1000u;

	if (e->error == ECONNREFUSED)
		(void)snprintf(text, n,
			"Redis at %s refused the connection; the next attempt is in %llu ms", where,
			retry_ms);
	else
		(void)snprintf(text, n,
			"Redis at %s cannot be reached (%s); the next attempt is in %llu ms", where,
			words_of(e, quoted), retry_ms);
}

void reason_of_end(
	char *text, size_t n, const char *where, const struct link_ending *e, uint64_t retry_us)
{
	char quoted[QUOTED_BYTES + 4];
	const char *midst = e->heard ? " in the middle of its answer" : "";

	switch (e->end) {
	case LINK_REFUSED:
		tell_refused(text, n, where, e, retry_us);
		return;
	case LINK_CLOSED:
		(void)snprintf(text, n, "Redis at %s closed the connection%s", where, midst);
		return;
	case LINK_BROKEN:
		(void)snprintf(text, n, "the connection to Redis at %s broke off%s (%s)", where,
			midst, words_of(e, quoted));
		return;
	case LINK_GARBAGE:
		(void)snprintf(text, n, "Redis at %s does not speak its protocol (%s)", where,
			words_of(e, quoted));
		return;
	case LINK_TOO_MUCH:
		(void)snprintf(text, n,
			"Redis at %s answered more than %zu MiB or %d rows, which is not read",
			where, ANSWER_BYTES_MAX >> 20, ANSWER_ROWS_MAX);
		return;
	case LINK_NO_MEMORY:
		(void)snprintf(text, n, "there is no memory for a call of Redis at %s", where);
		return;
	}
}

void reason_of_lateness(char *text, size_t n, const char *where, enum lateness spent, uint64_t us)
{
	static const char *const done[] = {
		[LATE_WAITING] = "has not answered the calls before this one",
		[LATE_CONNECTING] = "did not accept the connection",
		[LATE_ASKED] = "did not answer",
	};

	(void)snprintf(text, n, "Redis at %s %s within %llu ms", where, done[spent],
		(unsigned long long)(us / 1000u));
}

static const char *name_of(enum answer_kind kind)
{
	switch (kind) {
	case ANSWER_NIL:
		return "nothing";
	case ANSWER_TEXT:
		return "a string";
	case ANSWER_NUMBER:
		return "a number";
	case ANSWER_LIST:
		return "a list";
	default:
		return "a status";
	}
}

static bool is_wanted(const struct answer *a, bool wants_list)
{
	if (wants_list)
		return a->kind == ANSWER_LIST && !a->odd;
	return a->kind == ANSWER_TEXT || a->kind == ANSWER_NIL;
}

bool reason_of_answer(
	char *text, size_t n, const char *where, const struct answer *a, bool wants_list)
{
	char quoted[QUOTED_BYTES + 4];

	if (is_wanted(a, wants_list))
		return false;
	if (a->kind == ANSWER_ERROR) {
		quote(quoted, a->text.data ? a->text.data : "", a->text.len);
		(void)snprintf(text, n, "Redis at %s answered an error: %s", where, quoted);
	} else {
		(void)snprintf(text, n, "Redis at %s answered %s where %s was asked for", where,
			a->odd ? "a mixed list" : name_of(a->kind),
			wants_list ? "a list of strings" : "a string");
	}
	return true;
}
