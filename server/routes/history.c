/*
 * The lab's power users: all rows of one user, each processed at a fixed cost of CPU time. Most users have few, and some have a
 * hundred times as many; what the others pay for those is what this is for.
 */
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/number.h"
#include "server/routes/asking.h"
#include "server/routes/query.h"
#include "server/routes/routes.h"
#include "server/work.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All rows together: the backend's bound is larger, for it does not know what they are for. */
#define TEXT_BYTES_MAX ((size_t)4 << 20)
/* Of a kind: "view", "buy". */
#define KIND_BYTES 32
#define FIELDS 3
#define AMOUNT_MAX INT64_C(1000000000000)

struct history {
	struct work work;
	int64_t uid, row_us, every;
	char key[32];
	struct http_refusal refusal; /* status 0: nothing is wrong so far */
	struct buffer text;	     /* of all rows */
	size_t *end; /* where row i ends in it; it begins where the one before ends */
	size_t rows, processed;
	int64_t total;
};

/* --- one row: "timestamp,kind,amount" */

static bool is_kind(const char *text, size_t len)
{
	if (len == 0 || len > KIND_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 'a' || text[i] > 'z')
			return false;
	return true;
}

static bool parse_row(const char *text, size_t len, int64_t *ret_amount)
{
	const char *end = text + len, *at = text;
	size_t length[FIELDS];
	const char *field[FIELDS];
	int64_t when;

	for (int i = 0; i < FIELDS; i++) {
		const char *comma = at <= end ? memchr(at, ',', (size_t)(end - at)) : NULL;
		if (at > end || (i == FIELDS - 1) == (comma != NULL))
			return false;
		field[i] = at;
		length[i] = (size_t)((comma ? comma : end) - at);
		at += length[i] + 1;
	}
	return number_parse_int(&when, field[0], length[0], 0, INT64_MAX) == 0 &&
	       is_kind(field[1], length[1]) &&
	       number_parse_int(ret_amount, field[2], length[2], -AMOUNT_MAX, AMOUNT_MAX) == 0;
}

static bool process_row(struct history *h)
{
	size_t i = h->processed, from = i > 0 ? h->end[i - 1] : 0;
	/* Of this thread: a worker that is not scheduled meanwhile owes the rest. */
	uint64_t until_us = h->row_us > 0 ? clock_thread_cpu_us() + (uint64_t)h->row_us : 0;
	int64_t amount;

	const char *row = h->text.data ? h->text.data + from : "";

	if (!parse_row(row, h->end[i] - from, &amount))
		return http_refuse(&h->refusal, 502, "backend_unavailable", NULL,
			"row %zu of %s in Redis is not \"timestamp,kind,amount\"", i + 1, h->key);
	h->total += amount;
	h->processed++;
	while (h->row_us > 0 && clock_thread_cpu_us() < until_us)
		continue;
	return true;
}

/* --- the work */

static enum work_next begin(struct work *w, struct exchange *x)
{
	struct history *h = (struct history *)w;
	const struct query_field fields[] = {
		{.name = "uid", .required = true, .max = INT64_MAX, .number = &h->uid},
		{.name = "row_us", .unit = "microseconds", .max = 10000, .number = &h->row_us},
		{.name = "every", .unit = "rows", .max = 1000000, .number = &h->every},
	};

	buffer_init(&h->text);
	h->row_us = 50;
	if (!query_read(x, fields, sizeof(fields) / sizeof(fields[0]), &h->refusal)) {
		http_reply_refuse(x->reply, &h->refusal);
		return WORK_ANSWERED;
	}
	int len = snprintf(h->key, sizeof(h->key), "history:%" PRId64, h->uid);
	w->call.word[0] = (struct backend_text){.at = "LRANGE", .len = 6};
	w->call.word[1] = (struct backend_text){.at = h->key, .len = (size_t)len};
	w->call.word[2] = (struct backend_text){.at = "0", .len = 1};
	w->call.word[3] = (struct backend_text){.at = "-1", .len = 2};
	w->call.words = 4;
	w->call.wants_list = true;
	return WORK_CALL;
}

/* The texts go when this returns. */
static bool copy_rows(struct history *h, const struct backend_reply *reply)
{
	/* No request of the lab may look like a hang. */
	if (reply->rows * (uint64_t)h->row_us > WORK_MAX_US)
		return http_refuse(&h->refusal, 400, "bad_parameter", "row_us",
			"%zu rows at %lld microseconds each would take more than %d", reply->rows,
			(long long)h->row_us, WORK_MAX_US);
	h->end = calloc(reply->rows + 1, sizeof(*h->end));
	if (!h->end)
		return http_refuse_memory(&h->refusal);
	for (size_t i = 0; i < reply->rows; i++) {
		struct backend_text row = reply->row(reply, i);

		if (row.len > TEXT_BYTES_MAX - h->text.len)
			return http_refuse(&h->refusal, 502, "backend_unavailable", NULL,
				"%s in Redis is longer than %zu MiB", h->key, TEXT_BYTES_MAX >> 20);
		buffer_append(&h->text, row.at, row.len);
		h->end[i] = h->text.len;
	}
	h->rows = reply->rows;
	return !h->text.failed || http_refuse_memory(&h->refusal);
}

static enum work_next on_reply(struct work *w, const struct backend_reply *reply)
{
	struct history *h = (struct history *)w;

	if (reply->outcome != BACKEND_OK) {
		asking_refuse(&h->refusal, reply);
		return WORK_FINISH;
	}
	return copy_rows(h, reply) && h->rows > 0 ? WORK_COMPUTE : WORK_FINISH;
}

/* It pauses of its own accord as well, so that the cure of one article, which knows no clock, can be measured. */
static bool step(struct work *w, const struct work_slice *slice)
{
	struct history *h = (struct history *)w;

	do {
		if (!process_row(h) || h->processed == h->rows)
			return true;
	} while (
		(h->every == 0 || h->processed % (size_t)h->every != 0) && !work_must_pause(slice));
	return false;
}

static void finish(struct work *w, struct exchange *x)
{
	const struct history *h = (const struct history *)w;

	if (h->refusal.status) {
		http_reply_refuse(x->reply, &h->refusal);
		return;
	}
	http_reply_json(x->reply, 200, "");
	buffer_printf(&x->reply->body, "{\"uid\":%" PRId64 ",\"rows\":%zu,\"total\":%" PRId64 "}\n",
		h->uid, h->rows, h->total);
}

static void done(struct work *w)
{
	struct history *h = (struct history *)w;

	buffer_done(&h->text);
	free(h->end);
}

const struct work_class work_history = {.bytes = sizeof(struct history),
	.begin = begin,
	.step = step,
	.on_reply = on_reply,
	.finish = finish,
	.done = done};
