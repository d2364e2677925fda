#include "bench/model/arrival.h"

#include "bench/model/lines.h"
#include "lib/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_MOST 50000000
#define TRACE_LATEST_S 1e9
#define TRACE_PREFIX "trace:"

/* A trace's times while they are read, in us. */
struct times {
	double *us;
	size_t count, room;
};

static int times_add(struct times *t, double us)
{
	if (t->count == t->room) {
		const size_t room = t->room > 0 ? t->room * 2 : 1024;
		double *more = realloc(t->us, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->us = more;
		t->room = room;
	}
	t->us[t->count++] = us;
	return 0;
}

static int add_line(struct times *t, const struct lines *l, struct buffer *error)
{
	double seconds;

	if (number_parse_real(&seconds, l->text, l->len, 0, TRACE_LATEST_S) < 0)
		return lines_wrong(l, error, l->text, l->len,
			"not a time in seconds since the start (a number from 0 to 1000000000)");
	if (t->count > 0 && seconds * 1e6 < t->us[t->count - 1])
		return lines_wrong(l, error, l->text, l->len,
			"earlier than the time before it; times must not decrease");
	if (t->count == TRACE_MOST)
		return lines_wrong(l, error, NULL, 0, "more than 50,000,000 times");
	const int result = times_add(t, seconds * 1e6);
	if (result < 0)
		buffer_printf(error, "%s:%zu: out of memory", l->path, l->number);
	return result;
}

static int read_lines(struct times *t, struct lines *l, struct buffer *error)
{
	int result;

	while ((result = lines_next(l, error)) > 0) {
		result = add_line(t, l, error);
		if (result < 0)
			return result;
	}
	if (result < 0)
		return result;
	if (t->count < 2 || t->us[t->count - 1] <= t->us[0]) {
		buffer_printf(error,
			"%s: a trace needs at least two different times; this has %zu time%s",
			l->path, t->count, t->count == 1 ? "" : "s");
		return -EINVAL;
	}
	return 0;
}

static int read_trace(struct arrival *ret, const char *path, struct buffer *error)
{
	struct times times = {0};
	struct lines lines;

	int result = lines_open(&lines, path, error);
	if (result < 0)
		return result;
	result = read_lines(&times, &lines, error);
	lines_done(&lines);
	if (result < 0) {
		free(times.us);
		return result;
	}
	const double span_us = times.us[times.count - 1] - times.us[0];
	*ret = (struct arrival){
		.kind = ARRIVAL_TRACE,
		.trace_us = times.us,
		.trace_count = times.count,
		.trace_rate_rps = (double)(times.count - 1) / span_us * 1e6,
	};
	return 0;
}

int arrival_parse(struct arrival *ret, const char *spec, struct buffer *error)
{
	const size_t prefix = strlen(TRACE_PREFIX);

	if (strcmp(spec, "poisson") == 0) {
		*ret = (struct arrival){.kind = ARRIVAL_POISSON};
		return 0;
	}
	if (strcmp(spec, "constant") == 0) {
		*ret = (struct arrival){.kind = ARRIVAL_CONSTANT};
		return 0;
	}
	if (strncmp(spec, TRACE_PREFIX, prefix) == 0 && spec[prefix] != '\0')
		return read_trace(ret, spec + prefix, error);
	lines_quote(error, spec, strlen(spec));
	buffer_puts(error, " is not a kind of arrivals; use poisson, constant or trace:FILE");
	return -EINVAL;
}

void arrival_done(struct arrival *a)
{
	free(a->trace_us);
	a->trace_us = NULL;
	a->trace_count = 0;
}

void arrival_start(struct arrival *a, double rate_rps, uint64_t seed)
{
	if (a->kind == ARRIVAL_TRACE && rate_rps <= 0)
		rate_rps = a->trace_rate_rps;
	a->gap_us = 1e6 / rate_rps;
	a->scale = a->kind == ARRIVAL_TRACE ? a->trace_rate_rps / rate_rps : 1;
	a->at_us = 0;
	a->next = 0;
	random_init(&a->random, seed, ARRIVAL_STREAM);
}

double arrival_rate(const struct arrival *a)
{
	return 1e6 / a->gap_us;
}

bool arrival_next_fixed(struct arrival *a, double *ret_at_us)
{
	if (a->kind == ARRIVAL_TRACE) {
		if (a->next == a->trace_count)
			return false;
		a->at_us = a->trace_us[a->next++] * a->scale;
	} else {
		/* Not by adding up gaps: their rounding would add up as well. */
		a->at_us = (double)++a->next * a->gap_us;
	}
	*ret_at_us = a->at_us;
	return true;
}

const char *arrival_name(const struct arrival *a)
{
	static const char *const names[] = {
		[ARRIVAL_POISSON] = "poisson",
		[ARRIVAL_CONSTANT] = "constant",
		[ARRIVAL_TRACE] = "trace",
	};

	return names[a->kind];
}
