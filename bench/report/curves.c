#include "bench/report/curves.h"

#include "bench/model/policy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-6 /* utilizations are written with few digits */

static int compare_number(double a, double b)
{
	return (a > b) - (a < b);
}

static int kind_rank(const char *kind)
{
	return strcmp(kind, "emulated") == 0 ? 0 : strcmp(kind, "real") == 0 ? 1 : 2;
}

static const char *spec_of(const struct cell *c)
{
	return c->spec ? c->spec : "";
}

/* Exponential service first: it is what most figures of theory are about. */
static int spec_rank(const struct cell *c)
{
	return c->spec && strncmp(c->spec, "exp:", 4) == 0 ? 0 : 1;
}

static int policy_rank(const char *text)
{
	struct policy p = {0};
	struct buffer error;

	buffer_init(&error);
	int r = policy_parse(&p, text, &error);
	buffer_done(&error);
	return r < 0 ? 1000000 : (int)p.kind * 1000 + (int)p.parameter;
}

static int compare_policy(const char *a, const char *b)
{
	int by_rank = policy_rank(a) - policy_rank(b);

	return by_rank != 0 ? by_rank : strcmp(a, b);
}

static int compare_service(const struct cell *a, const struct cell *b)
{
	int r = kind_rank(a->kind) - kind_rank(b->kind);
	if (r == 0)
		r = strcmp(a->kind, b->kind);
	if (r == 0)
		r = spec_rank(a) - spec_rank(b);
	if (r == 0)
		r = strcmp(spec_of(a), spec_of(b));
	return r;
}

static int compare_curve(const struct cell *a, const struct cell *b)
{
	int r = compare_service(a, b);
	if (r == 0)
		r = compare_policy(a->policy, b->policy);
	if (r == 0)
		r = compare_number(a->workers, b->workers);
	return r;
}

static int compare_cells(const void *left, const void *right)
{
	const struct cell *a = *(const struct cell *const *)left;
	const struct cell *b = *(const struct cell *const *)right;
	int r = compare_curve(a, b);
	if (r == 0)
		r = compare_number(a->utilization, b->utilization);
	if (r == 0)
		r = strcmp(a->experiment, b->experiment);
	return r != 0 ? r : strcmp(a->name, b->name);
}

int curves_init(struct curves *ret, const struct cells *cells, const char *experiment)
{
	struct curves c = {0};
	size_t n = 0;

	c.cell = calloc(cells->count + 1, sizeof(const struct cell *));
	c.curve = calloc(cells->count + 1, sizeof(*c.curve));
	if (!c.cell || !c.curve) {
		curves_done(&c);
		return -ENOMEM;
	}
	for (size_t i = 0; i < cells->count; i++)
		if (!experiment || strcmp(cells->cell[i].experiment, experiment) == 0)
			c.cell[n++] = &cells->cell[i];
	qsort(c.cell, n, sizeof(const struct cell *), compare_cells);
	for (size_t i = 0; i < n; i++) {
		const struct cell *cell = c.cell[i];

		if (i == 0 || compare_curve(c.cell[i - 1], cell) != 0)
			c.curve[c.count++] = (struct curve){.kind = cell->kind,
				.spec = spec_of(cell),
				.policy = cell->policy,
				.workers = cell->workers,
				.cell = &c.cell[i]};
		c.curve[c.count - 1].cells++;
	}
	*ret = c;
	return 0;
}

void curves_done(struct curves *c)
{
	free(c->cell);
	free(c->curve);
	*c = (struct curves){0};
}

bool curve_same_service(const struct curve *a, const struct curve *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->spec, b->spec) == 0;
}

const struct curve *curves_find(
	const struct curves *c, const struct curve *service, const char *policy, unsigned workers)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->curve[i].workers == workers && strcmp(c->curve[i].policy, policy) == 0 &&
			curve_same_service(&c->curve[i], service))
			return &c->curve[i];
	return NULL;
}

const struct cell_latency *curve_latency(const struct cell *c, enum curve_source source)
{
	switch (source) {
	case CURVE_REPLAY:
		return &c->replay;
	case CURVE_PREDICTED:
		return &c->predicted;
	default:
		return &c->measured;
	}
}

static bool counts(const struct cell *c, enum curve_source source, enum cell_figure f)
{
	return !c->void_reason && curve_latency(c, source)->value[f] > 0;
}

const struct cell *curve_at(
	const struct curve *c, double utilization, enum curve_source source, enum cell_figure f)
{
	for (size_t i = 0; i < c->cells; i++)
		if (fabs(c->cell[i]->utilization - utilization) < SAME &&
			counts(c->cell[i], source, f))
			return c->cell[i];
	return NULL;
}

static struct curve_value value_of(
	const struct cell *c, enum curve_source source, enum cell_figure f)
{
	const struct cell_latency *l = curve_latency(c, source);
	const struct interval i = l->interval[f];

	return (struct curve_value){
		.value = l->value[f], .low = i.known ? i.low : NAN, .high = i.known ? i.high : NAN};
}

static double between(double a, double b, double share)
{
	return 1 / (1 / a + share * (1 / b - 1 / a));
}

struct curve_value curve_value_at(
	const struct curve *c, double utilization, enum curve_source source, enum cell_figure f)
{
	const struct cell *at = curve_at(c, utilization, source, f), *before = NULL, *after = NULL;

	if (at)
		return value_of(at, source, f);
	for (size_t i = 0; i < c->cells && !after; i++) {
		if (!counts(c->cell[i], source, f))
			continue;
		if (c->cell[i]->utilization < utilization)
			before = c->cell[i];
		else
			after = c->cell[i];
	}
	if (!before || !after)
		return (struct curve_value){.value = NAN, .low = NAN, .high = NAN};
	double share =
		(utilization - before->utilization) / (after->utilization - before->utilization);
	struct curve_value a = value_of(before, source, f), b = value_of(after, source, f);
	return (struct curve_value){.value = between(a.value, b.value, share),
		.low = between(a.low, b.low, share),
		.high = between(a.high, b.high, share),
		.interpolated = true};
}

/* Which of a figure's three values a crossing is looked for with. */
enum end { END_VALUE, END_LOW, END_HIGH };

static double end_of(struct curve_value v, enum end end)
{
	return end == END_LOW ? v.low : end == END_HIGH ? v.high : v.value;
}

static double crossing(const struct curve *c, double from, double threshold, enum end end,
	enum curve_source source, enum cell_figure f)
{
	double last = NAN, last_at = NAN;

	if (isnan(threshold))
		return NAN;
	for (size_t i = 0; i < c->cells; i++) {
		double at = c->cell[i]->utilization, now;

		if (!counts(c->cell[i], source, f) || at < from - SAME)
			continue;
		now = end_of(value_of(c->cell[i], source, f), end);
		if (isnan(now))
			return NAN;
		if (now > threshold && !isnan(last))
			return last >= threshold
				       ? last_at
				       : last_at + (at - last_at) * (1 / last - 1 / threshold) /
							   (1 / last - 1 / now);
		last = now;
		last_at = at;
	}
	return INFINITY;
}

struct curve_value curve_passes(const struct curve *c, double from, double factor,
	enum curve_source source, enum cell_figure f)
{
	const struct cell *first = curve_at(c, from, source, f);
	struct curve_value ret = {.value = NAN, .low = NAN, .high = NAN};

	if (!first)
		return ret;
	struct curve_value base = value_of(first, source, f);
	ret.value = crossing(c, from, factor * base.value, END_VALUE, source, f);
	/* Earliest: a high curve against the lowest threshold; and the other way round. */
	ret.low = crossing(c, from, factor * base.low, END_HIGH, source, f);
	ret.high = crossing(c, from, factor * base.high, END_LOW, source, f);
	return ret;
}

void curve_put_service(const struct curve *c, struct buffer *out)
{
	buffer_printf(out, "%s%s%s", c->kind, *c->spec ? " " : "", c->spec);
}
