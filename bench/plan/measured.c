#include "bench/plan/measured.h"

#include "bench/fleet/fetch.h"
#include "bench/fleet/watch.h"
#include "lib/clock.h"
#include "lib/number.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FETCH_TIMEOUT_MS 5000
#define BUCKET_NAME "quern_service_seconds_bucket{"
#define SUM_NAME "quern_service_seconds_sum{"
#define PIECES 16 /* that a bucket is divided into */
#define STEP_MS 100

static bool starts_with(const char *text, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static bool read_value(const char *text, size_t len, double *ret)
{
	const char *blank = memrchr(text, ' ', len);

	return blank &&
	       number_parse_real(ret, blank + 1, (size_t)(text + len - blank) - 1, 0, 1e15) == 0;
}

/* le="0.000125" in us; INFINITY for "+Inf". */
static bool read_bound(const char *text, size_t len, double *ret_us)
{
	static const char label[] = "le=\"";
	const char *at = memmem(text, len, label, sizeof label - 1);
	double seconds;

	if (!at)
		return false;
	at += sizeof label - 1;
	const char *quote = memchr(at, '"', (size_t)(text + len - at));
	if (!quote)
		return false;
	if (starts_with(at, (size_t)(quote - at), "+Inf")) {
		*ret_us = INFINITY;
		return true;
	}
	if (number_parse_real(&seconds, at, (size_t)(quote - at), 0, 1e9) != 0)
		return false;
	*ret_us = seconds * 1e6;
	return true;
}

/* Every slot has the same bounds, in the same order. */
static void add_bucket(struct measured_page *page, double bound_us, double below)
{
	size_t i = 0;

	while (i < page->buckets && page->bound_us[i] < bound_us)
		i++;
	if (i == page->buckets) {
		if (i == MEASURED_BUCKETS_MOST)
			return;
		page->bound_us[page->buckets++] = bound_us;
	}
	if (page->bound_us[i] == bound_us)
		page->below[i] += below;
}

static void take_line(struct measured_page *page, const char *text, size_t len)
{
	double bound_us, value;

	if (starts_with(text, len, BUCKET_NAME) && read_bound(text, len, &bound_us) &&
		read_value(text, len, &value))
		add_bucket(page, bound_us, value);
	else if (starts_with(text, len, SUM_NAME) && read_value(text, len, &value))
		page->sum_us += value * 1e6;
}

int measured_read(struct measured_page *ret, const char *text, size_t len)
{
	struct measured_page page = {.buckets = 0};
	const char *end = text + len;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const size_t n = (size_t)((newline ? newline : end) - text);

		take_line(&page, text, n);
		text += newline ? n + 1 : n;
	}
	if (page.buckets < 2 || isfinite(page.bound_us[page.buckets - 1]))
		return -EPROTO;
	*ret = page;
	return 0;
}

/*
 * low..high with `count` requests, beyond which `beyond` are: the share that lasts longer than x
 * falls exponentially from one end to the other, which is exact for exponential service; where
 * nothing lies beyond there is no such fall, and the bucket is filled evenly.
 */
static size_t split(
	struct service_range *range, double low, double high, double count, double beyond)
{
	double left = 1;

	for (size_t i = 0; i < PIECES; i++) {
		const double at = (double)(i + 1) / PIECES;
		const double after = beyond > 0 ? pow(beyond / (count + beyond), at) : 1 - at;

		range[i] =
			(struct service_range){.low_us = low + (high - low) * (at - 1.0 / PIECES),
				.high_us = low + (high - low) * at,
				.weight = (left - after) * (count + beyond)};
		left = after;
	}
	return PIECES;
}

/* Where the last piece before ends is where the next one begins, to the last bit. */
static void join(struct service_range *range, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (range[i].low_us < range[i - 1].high_us)
			range[i].low_us = range[i - 1].high_us;
}

static bool went_back(const struct measured_page *a, const struct measured_page *b)
{
	bool back = a->buckets != b->buckets || b->sum_us < a->sum_us;

	for (size_t i = 0; !back && i < a->buckets; i++)
		back = a->bound_us[i] != b->bound_us[i] || b->below[i] < a->below[i];
	return back;
}

static size_t make_ranges(
	const struct measured_page *a, const struct measured_page *b, struct service_range *range)
{
	const size_t last = b->buckets - 1;
	const double all = b->below[last] - a->below[last];
	double low_us = 0, below = 0;
	size_t n = 0;

	for (size_t i = 0; i <= last; i++) {
		const double now = b->below[i] - a->below[i];
		const double high_us = isfinite(b->bound_us[i]) ? b->bound_us[i] : 2 * low_us;

		if (now > below)
			n += split(range + n, low_us, high_us, now - below, all - now);
		low_us = high_us;
		below = now;
	}
	join(range, n);
	return n;
}

int measured_service(const struct measured_page *before, const struct measured_page *after,
	const char *spec, struct service *ret, struct buffer *error)
{
	struct service_range range[MEASURED_BUCKETS_MOST * PIECES];

	if (went_back(before, after)) {
		buffer_puts(error, "its counters went back: it was started anew meanwhile");
		return -EPROTO;
	}
	const size_t last = after->buckets - 1;
	const double count = after->below[last] - before->below[last];
	if (count < MEASURED_REQUESTS_LEAST) {
		buffer_printf(error,
			"only %.0f requests were served in that time; at least %d are needed to "
			"know "
			"their distribution (measure for longer, or while there is load)",
			count, MEASURED_REQUESTS_LEAST);
		return -EAGAIN;
	}
	const size_t n = make_ranges(before, after, range);
	const int failed = service_from_ranges(ret, spec, range, n, error);
	if (failed == 0)
		service_scale(ret, (after->sum_us - before->sum_us) / count / ret->mean_us);
	return failed;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct look {
	struct measured_page page;
	struct watch_look watch;
};

static int take_look(const char *admin, struct look *ret, struct buffer *error)
{
	const struct watch watch = {.admin = admin};
	struct buffer body;

	buffer_init(&body);
	int failed = fetch_page(admin, "/metrics", FETCH_TIMEOUT_MS, &body, error);
	if (failed == 0) {
		failed = body.failed ? -ENOMEM : measured_read(&ret->page, body.data, body.len);
		if (failed < 0)
			buffer_printf(error, "%s: no quern_service_seconds in /metrics", admin);
	}
	if (failed == 0)
		failed = watch_look(&watch, &ret->watch, error);
	buffer_done(&body);
	return failed;
}

/* false: stopped. */
static bool wait_for(double seconds, const volatile sig_atomic_t *stop)
{
	const uint64_t end = clock_us() + (uint64_t)(seconds * 1e6);

	while (clock_us() < end) {
		if (stop && *stop)
			return false;
		(void)poll(NULL, 0, STEP_MS);
	}
	return true;
}

static void conclude(const struct look *look, struct measured *ret)
{
	const struct measured_page *a = &look[0].page, *b = &look[1].page;
	struct watch_shares shares;

	watch_between(&look[0].watch, &look[1].watch, &shares);
	const double wall_us = (double)(look[1].watch.at_us - look[0].watch.at_us);
	ret->requests = b->below[b->buckets - 1] - a->below[a->buckets - 1];
	ret->utilization = shares.busy_mean;
	const double busy_us = shares.busy_mean * shares.workers * wall_us / ret->requests;
	ret->overhead_us = fmax(busy_us - ret->service.mean_us, 0);
}

int measure_service(const char *admin, double seconds, const volatile sig_atomic_t *stop,
	struct measured *ret, struct buffer *error)
{
	struct look *look = calloc(2, sizeof *look);
	struct measured made = {.requests = 0};

	if (!look) {
		buffer_puts(error, "out of memory");
		return -ENOMEM;
	}
	int failed = take_look(admin, &look[0], error);
	if (failed == 0 && !wait_for(seconds, stop)) {
		buffer_puts(error, "interrupted");
		failed = -EINTR;
	}
	if (failed == 0)
		failed = take_look(admin, &look[1], error);
	if (failed == 0)
		failed =
			measured_service(&look[0].page, &look[1].page, admin, &made.service, error);
	if (failed == 0) {
		conclude(look, &made);
		*ret = made;
	}
	free(look);
	return failed;
}
