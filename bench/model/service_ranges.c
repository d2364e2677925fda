#include "bench/model/service_ranges.h"

#include "bench/model/alias.h"
#include "bench/model/lines.h"
#include "lib/number.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define COUNT_MOST (INT64_C(1) << 53) /* what a double counts exactly */

/* The ranges so far; the last one checked may have had no value, so it is kept apart. */
struct collection {
	struct service_range *range;
	size_t count, room;
	struct service_range last;
	bool any;
};

/* Why a range may not follow the last one, or NULL. */
static const char *range_fault(const struct collection *c, const struct service_range *r)
{
	if (!(r->low_us >= 0 && r->high_us <= (double)SERVICE_MOST_US))
		return "LOW and HIGH must be from 0 to 3600000000 (us)";
	if (!(r->low_us <= r->high_us))
		return "LOW must not be above HIGH";
	if (!(r->weight >= 0 && r->weight <= (double)COUNT_MOST))
		return "COUNT must be a number from 0 to 2^53";
	if (c->any && !(r->low_us >= c->last.high_us && r->low_us > c->last.low_us))
		return "ranges must ascend and must not overlap: LOW is below the range before";
	if (c->count == SERVICE_RANGES_MOST)
		return "more than 1,000,000 ranges";
	return NULL;
}

static int collection_add(struct collection *c, const struct service_range *r)
{
	c->last = *r;
	c->any = true;
	if (r->weight <= 0)
		return 0;
	if (c->count == c->room) {
		const size_t room = c->room > 0 ? c->room * 2 : 256;
		struct service_range *more = realloc(c->range, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->range = more;
		c->room = room;
	}
	c->range[c->count++] = *r;
	return 0;
}

/* Hands the ranges over if they make a service time. */
static int collection_finish(struct collection *c, const char *name,
	struct service_range **ret_range, size_t *ret_n, struct buffer *error)
{
	if (c->count == 0) {
		buffer_printf(error,
			"%s: no values; a histogram needs a line LOW HIGH COUNT with a COUNT above "
			"0",
			name);
		return -EINVAL;
	}
	if (c->range[c->count - 1].high_us <= 0) {
		buffer_printf(error, "%s: all values are 0; the mean must be above 0", name);
		return -EINVAL;
	}
	*ret_range = c->range;
	*ret_n = c->count;
	return 0;
}

/* A bound in us, as a word of the line. */
static int parse_bound(double *ret, struct lines *l, struct buffer *error)
{
	const char *word;
	const size_t len = lines_word(l, &word);

	if (len == 0)
		return lines_wrong(
			l, error, NULL, 0, "a line is LOW HIGH COUNT; something is missing");
	if (number_parse_real(ret, word, len, 0, (double)SERVICE_MOST_US) < 0)
		return lines_wrong(l, error, word, len,
			"LOW and HIGH must be numbers from 0 to 3600000000 (us)");
	return 0;
}

static int parse_line(struct service_range *ret, struct lines *l, struct buffer *error)
{
	const char *word;
	int64_t count;

	*ret = (struct service_range){0};
	if (parse_bound(&ret->low_us, l, error) < 0 || parse_bound(&ret->high_us, l, error) < 0)
		return -EINVAL;
	const size_t len = lines_word(l, &word);
	if (len == 0)
		return lines_wrong(
			l, error, NULL, 0, "a line is LOW HIGH COUNT; something is missing");
	if (number_parse_int(&count, word, len, 0, COUNT_MOST) < 0)
		return lines_wrong(
			l, error, word, len, "COUNT must be a whole number from 0 to 2^53");
	if (l->len > 0)
		return lines_wrong(
			l, error, l->text, l->len, "after LOW HIGH COUNT the line must end");
	ret->weight = (double)count;
	return 0;
}

static int read_lines(struct collection *c, struct lines *l, struct buffer *error)
{
	struct service_range range;
	int result;

	while ((result = lines_next(l, error)) > 0) {
		if (parse_line(&range, l, error) < 0)
			return -EINVAL;
		const char *fault = range_fault(c, &range);
		if (fault)
			return lines_wrong(l, error, NULL, 0, fault);
		result = collection_add(c, &range);
		if (result < 0)
			return result;
	}
	return result;
}

int service_ranges_read(
	struct service_range **ret_range, size_t *ret_n, const char *path, struct buffer *error)
{
	struct collection c = {0};
	struct lines lines;

	int result = lines_open(&lines, path, error);
	if (result < 0)
		return result;
	result = read_lines(&c, &lines, error);
	lines_done(&lines);
	if (result == 0)
		result = collection_finish(&c, path, ret_range, ret_n, error);
	if (result < 0)
		free(c.range);
	return result;
}

int service_ranges_take(struct service_range **ret_range, size_t *ret_n, const char *name,
	const struct service_range *range, size_t n, struct buffer *error)
{
	struct collection c = {0};
	int result = 0;

	for (size_t i = 0; i < n && result == 0; i++) {
		const char *fault = range_fault(&c, &range[i]);
		if (fault) {
			buffer_printf(error, "%s: range %zu: %s", name, i + 1, fault);
			result = -EINVAL;
		} else {
			result = collection_add(&c, &range[i]);
		}
	}
	if (result == 0)
		result = collection_finish(&c, name, ret_range, ret_n, error);
	if (result < 0)
		free(c.range);
	return result;
}

static double middle(const struct service_range *r)
{
	return (r->low_us + r->high_us) / 2;
}

int service_ranges_finish(struct service *s)
{
	double weights = 0, mean = 0, variance = 0;

	for (size_t i = 0; i < s->ranges; i++)
		weights += s->range[i].weight;
	for (size_t i = 0; i < s->ranges; i++) {
		s->range[i].weight /= weights;
		mean += s->range[i].weight * middle(&s->range[i]);
	}
	/* That of the middles, and within each range that of a uniform distribution. */
	for (size_t i = 0; i < s->ranges; i++) {
		const struct service_range *r = &s->range[i];
		const double off = middle(r) - mean, width = r->high_us - r->low_us;

		variance += r->weight * (off * off + width * width / 12);
	}
	s->mean_us = mean;
	s->scv = variance / (mean * mean);
	return alias_build(s->range, s->ranges);
}
