#include "server/admin_trace.h"

#include "lib/clock.h"
#include "lib/number.h"
#include "server/http/form.h"
#include "server/stats/trace_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LONGEST_QUERY 256u
#define LONGEST_S 86400.0

/* What the query asks for, as far as it was read. */
struct question {
	bool has_worker, has_seconds;
	int64_t worker;
	double seconds;
};

static bool is_name(struct form_text text, const char *name)
{
	return text.len == strlen(name) && memcmp(text.at, name, text.len) == 0;
}

static bool take_worker(struct question *q, struct form_text value, const struct stats_region *r,
	struct http_refusal *refusal)
{
	if (q->has_worker)
		return http_refuse(
			refusal, 400, "bad_parameter", "worker", "worker is given twice");
	q->has_worker = true;
	if (number_parse_int(&q->worker, value.at, value.len, 0, (int64_t)r->slots - 1) == 0)
		return true;
	return http_refuse(refusal, 400, "bad_parameter", "worker",
		"worker must be the number of a slot, 0 to %u", (unsigned)r->slots - 1);
}

static bool take_seconds(struct question *q, struct form_text value, struct http_refusal *refusal)
{
	if (q->has_seconds)
		return http_refuse(
			refusal, 400, "bad_parameter", "seconds", "seconds is given twice");
	q->has_seconds = true;
	if (number_parse_real(&q->seconds, value.at, value.len, 0, LONGEST_S) == 0 &&
		q->seconds > 0)
		return true;
	return http_refuse(refusal, 400, "bad_parameter", "seconds",
		"seconds must be a number above 0, at most %g", LONGEST_S);
}

/* False: refused. `store` has room for the query. */
static bool read_query(struct question *q, const char *query, size_t len, char *store,
	const struct stats_region *r, struct http_refusal *refusal)
{
	struct form_text name, value;
	bool good = true;
	int got;

	while (good && (got = form_next(&query, &len, store, &name, &value)) != 0) {
		if (got < 0)
			good = http_refuse(refusal, 400, "bad_parameter", NULL,
				"a '%%' in the query is not followed by two hexadecimal digits");
		else if (is_name(name, "worker"))
			good = take_worker(q, value, r, refusal);
		else if (is_name(name, "seconds"))
			good = take_seconds(q, value, refusal);
		else
			good = http_refuse(refusal, 400, "bad_parameter", NULL,
				"the query may have worker and seconds, and nothing else");
	}
	return good;
}

static uint64_t since_us(const struct question *q)
{
	const uint64_t now_us = clock_us(), span_us = (uint64_t)(q->seconds * 1e6);

	return q->has_seconds && now_us > span_us ? now_us - span_us : 0;
}

void admin_trace_answer(
	const struct stats_region *r, const char *query, size_t len, struct http_reply *reply)
{
	struct question q = {.worker = TRACE_JSON_ALL};
	struct http_refusal refusal = {0};
	char store[LONGEST_QUERY];

	if (len > sizeof(store)) {
		(void)http_refuse(&refusal, 400, "bad_parameter", NULL,
			"the query is longer than %u bytes", LONGEST_QUERY);
		http_reply_refuse(reply, &refusal);
		return;
	}
	if (!read_query(&q, query, len, store, r, &refusal)) {
		http_reply_refuse(reply, &refusal);
		return;
	}
	const struct trace_json_wish wish = {.worker = q.worker, .since_us = since_us(&q)};
	http_reply_json(reply, 200, "");
	if (trace_json_write(r, &wish, &reply->body) != 0)
		reply->body.failed = true;
}
