/*
 * The lab's work: a known service time, with or without CPU, which blocks the loop, because that is what it is for; and
 * an answer without any work, which shows what a request costs by itself.
 */
#include "lib/clock.h"
#include "lib/number.h"
#include "server/http/form.h"
#include "server/routes/routes.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* The one parameter that a route of the lab has. */
struct quantity {
	const char *name;
	int64_t max;
	const char *unit;
};

/* Ten seconds: enough for every experiment, and a bound. */
static const struct quantity us = {"us", 10000000, "microseconds"};
/* More than any QR code's answer takes. */
static const struct quantity bytes = {"bytes", 65536, "bytes"};

static bool refuse(const struct quantity *q, struct http_refusal *refusal)
{
	return http_refuse(refusal, 400, "bad_parameter", q->name,
		"%s must be given once, a whole number of %s from 0 to %lld", q->name, q->unit,
		(long long)q->max);
}

/* ?NAME=, given exactly once. */
static bool read_quantity(
	struct exchange *x, const struct quantity *q, int64_t *ret, struct http_refusal *refusal)
{
	const char *rest = x->data + x->request->query.at;
	size_t left = x->request->query.len;
	struct form_text name, value;
	bool found = false;
	int result;

	buffer_reset(x->scratch);
	char *store = buffer_reserve(x->scratch, left + 1);
	if (!store)
		return http_refuse_memory(refusal);
	while ((result = form_next(&rest, &left, store, &name, &value)) > 0) {
		if (name.len != strlen(q->name) || memcmp(name.at, q->name, name.len) != 0)
			continue;
		if (found || number_parse_int(ret, value.at, value.len, 0, q->max) != 0)
			return refuse(q, refusal);
		found = true;
	}
	if (result < 0)
		return http_refuse(refusal, 400, "bad_parameter", "query",
			"broken percent-encoding in the query");
	return found || refuse(q, refusal);
}

/* The kernel lets a process's timers come 50 us late to save wakeups, which would make every service time that much
 * longer. */
static void sharpen_timers(void)
{
	static bool done;

	if (!done)
		(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	done = true;
}

static void sleep_us(int64_t n)
{
	struct timespec until;

	sharpen_timers();
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += n / 1000000;
	until.tv_nsec += n % 1000000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}

static int64_t thread_cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* CPU time, not wall time: a worker that is not scheduled meanwhile owes the rest. */
static void burn_us(int64_t n)
{
	int64_t until = thread_cpu_us() + n;

	while (thread_cpu_us() < until)
		continue;
}

static void do_work(struct exchange *x, void (*work)(int64_t))
{
	struct http_refusal refusal;
	int64_t n = 0;

	if (!read_quantity(x, &us, &n, &refusal)) {
		http_reply_refuse(x->reply, &refusal);
		return;
	}
	work(n);
	http_reply_json(x->reply, 200, "");
	buffer_printf(&x->reply->body, "{\"us\":%lld}\n", (long long)n);
}

void route_lab_sleep(struct exchange *x)
{
	do_work(x, sleep_us);
}

void route_lab_burn(struct exchange *x)
{
	do_work(x, burn_us);
}

void route_lab_constant(struct exchange *x)
{
	struct http_refusal refusal;
	int64_t n = 0;

	if (!read_quantity(x, &bytes, &n, &refusal)) {
		http_reply_refuse(x->reply, &refusal);
		return;
	}
	http_reply_reset(x->reply);
	x->reply->content_type = "text/plain; charset=utf-8";
	char *to = buffer_reserve(&x->reply->body, (size_t)n);
	if (to)
		memset(to, 'q', (size_t)n);
	x->reply->body.len = to ? (size_t)n : 0;
}
