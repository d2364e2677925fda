#include "server/stats/statsd_payload.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15) /* 2^64 divided by the golden ratio */
#define VALUE_BYTES 64u			    /* of a value with its type and sample rate */

void statsd_payloads_done(struct statsd_payloads *p)
{
	free(p->at);
	*p = (struct statsd_payloads){0};
}

void statsd_payloads_reset(struct statsd_payloads *p)
{
	p->next = p->count = 0;
}

bool statsd_prefix_is_legal(const char *prefix)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(prefix);

	return len > 0 && len < STATSD_PREFIX_BYTES && strspn(prefix, legal) == len &&
	       prefix[0] != '.' && prefix[len - 1] != '.' && !strstr(prefix, "..");
}

/* --- whole lines into payloads */

static struct statsd_payload *new_payload(struct statsd_payloads *p)
{
	if (!p->at || p->count == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 8;
		struct statsd_payload *at = reallocarray(p->at, cap, sizeof(*at));

		if (!at)
			return NULL;
		p->at = at;
		p->cap = cap;
	}
	p->at[p->count].len = 0;
	return &p->at[p->count++];
}

/* The last payload, if it has room for a line of that many bytes and the newline before it; else a new one, or NULL. */
static struct statsd_payload *room_for(struct statsd_payloads *p, size_t bytes)
{
	struct statsd_payload *last = p->count > p->next ? &p->at[p->count - 1] : NULL;

	if (last && last->len + 1u + bytes <= STATSD_PAYLOAD_BYTES)
		return last;
	return new_payload(p);
}

static void append(struct statsd_payload *to, const char *text, size_t len)
{
	memcpy(to->data + to->len, text, len);
	to->len = (uint16_t)(to->len + len);
}

/* A line being written: its name, and the payload in which values can be added to it. */
struct line {
	struct statsd_payloads *p;
	char name[STATSD_NAME_BYTES];
	size_t name_len;
	struct statsd_payload *open; /* NULL: the next value begins a line */
};

/* l->p is set. */
static void line_begin(struct line *l, const char *scope, const char *name)
{
	int len = snprintf(l->name, sizeof(l->name), "%s.%s", scope, name);

	l->name_len = len < 0 || (size_t)len >= sizeof(l->name) ? 0 : (size_t)len;
	l->open = NULL;
}

/* value: "1|c" and the like, below VALUE_BYTES. */
static void line_add(struct line *l, const char *value, size_t len)
{
	if (!l->open || l->open->len + 1u + len > STATSD_PAYLOAD_BYTES) {
		l->open = l->name_len ? room_for(l->p, l->name_len + 1 + len) : NULL;
		if (!l->open) {
			l->p->failed++;
			return;
		}
		if (l->open->len > 0)
			append(l->open, "\n", 1);
		append(l->open, l->name, l->name_len);
	}
	append(l->open, ":", 1);
	append(l->open, value, len);
}

_Static_assert(STATSD_NAME_BYTES + 1 + VALUE_BYTES <= STATSD_PAYLOAD_BYTES, "a line fits");

static size_t shorter(int printed)
{
	return printed < 0 ? 0 : (size_t)printed < VALUE_BYTES ? (size_t)printed : VALUE_BYTES - 1;
}

/* --- counters and gauges */

void statsd_put_counter(
	struct statsd_payloads *p, const char *scope, const char *name, uint64_t delta)
{
	char value[VALUE_BYTES] = "";
	size_t len = shorter(snprintf(value, sizeof(value), "%" PRIu64 "|c", delta));
	struct line l = {.p = p};

	line_begin(&l, scope, name);
	line_add(&l, value, len);
}

/* Cuts zeros at the end of a number's decimals, and its point when nothing is left behind it. */
static size_t trimmed(const char *number, size_t len)
{
	if (!memchr(number, '.', len))
		return len;
	while (number[len - 1] == '0')
		len--;
	return number[len - 1] == '.' ? len - 1 : len;
}

void statsd_put_gauge(struct statsd_payloads *p, const char *scope, const char *name, double value)
{
	double sent = isfinite(value) && value > 0 ? fmin(value, 1e18) : 0;
	char text[VALUE_BYTES] = "";
	size_t len = trimmed(text, shorter(snprintf(text, sizeof(text), "%.6f", sent)));
	struct line l = {.p = p};

	memcpy(text + len, "|g", 2);
	line_begin(&l, scope, name);
	line_add(&l, text, len + 2);
}

/* --- timers */

/* The middle of a bucket in units of 0.1 us, which is exact: middles are whole or half microseconds. */
static uint64_t middle_tenths(size_t bucket)
{
	if (bucket >= HISTOGRAM_BUCKETS - 1)
		return HISTOGRAM_LIMIT_US * 10;
	return (histogram_low_us(bucket) + histogram_high_us(bucket) - 1) * 5;
}

static size_t put_milliseconds(char *value, size_t bucket)
{
	uint64_t tenths = middle_tenths(bucket);

	return trimmed(value, shorter(snprintf(value, VALUE_BYTES, "%" PRIu64 ".%04u",
				      tenths / 10000, (unsigned)(tenths % 10000))));
}

/* "|ms", and "|@0.00123456789" where a value stands for `weight` of them. */
static size_t put_type(char *type, uint64_t weight)
{
	int decimals = 9;

	if (weight <= 1)
		return shorter(snprintf(type, VALUE_BYTES, "|ms"));
	for (uint64_t w = weight; w >= 10; w /= 10)
		decimals++;
	return trimmed(type,
		shorter(snprintf(type, VALUE_BYTES, "|ms|@%.*f", decimals, 1.0 / (double)weight)));
}

/* m of all values are taken: one of each of m groups, whose sizes differ by one at most. */
struct sample {
	struct line line;
	uint64_t total, m;
	uint64_t group; /* the next one, from 0 */
	uint64_t rank;	/* in which this value is taken, from 1; UINT64_MAX: none is left */
	uint64_t draw;	/* decides which one of the group that is */
	char type[2][VALUE_BYTES]; /* of a group of the smaller size, and of the larger */
	size_t type_len[2];
};

static uint64_t group_end(const struct sample *s, uint64_t group)
{
	/* group * total / m, in parts that do not overflow; rounded, or the tail would begin with a larger group. */
	return group * (s->total / s->m) + (group * (s->total % s->m) + s->m / 2) / s->m;
}

/*
 * Which of a group is taken must not depend on its place in the order, or means would be those of lower or of higher values.
 * Multiples of the golden ratio fall evenly on all places.
 */
static void next_group(struct sample *s)
{
	uint64_t before = group_end(s, s->group);
	uint64_t size = group_end(s, s->group + 1) - before;

	s->draw += GOLDEN;
	s->rank = s->group < s->m ? before + 1 + ((s->draw >> 32) * size >> 32) : UINT64_MAX;
}

/* Sends those of the bucket's values, the last of which has rank `to`, that the sample takes. */
static void put_bucket(struct sample *s, size_t bucket, uint64_t to)
{
	char value[2 * VALUE_BYTES] = "";
	size_t len = put_milliseconds(value, bucket);

	for (; s->rank <= to; next_group(s)) {
		uint64_t size = group_end(s, s->group + 1) - group_end(s, s->group);
		unsigned type = size > s->total / s->m;

		memcpy(value + len, s->type[type], s->type_len[type]);
		line_add(&s->line, value, len + s->type_len[type]);
		s->group++;
	}
}

void statsd_put_timer(struct statsd_payloads *p, const char *scope, const char *name,
	const struct histogram_copy *h, uint64_t bound)
{
	struct sample s = {
		.line.p = p, .total = h->count, .m = h->count < bound ? h->count : bound};
	uint64_t seen = 0;

	if (h->count == 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		s.type_len[i] = put_type(s.type[i], s.total / s.m + i);
	s.draw = h->sum_us * GOLDEN; /* another one in each interval */
	next_group(&s);
	line_begin(&s.line, scope, name);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS && seen < s.total; i++) {
		seen += h->bucket[i];
		if (s.rank <= seen)
			put_bucket(&s, i, seen);
	}
}
