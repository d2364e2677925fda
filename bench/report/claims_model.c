/* The claims about the model's error. */
#include "bench/report/claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME 1e-6
#define CELLS_MOST 256
#define BOUND_P99 0.15
#define BOUND_MEAN 0.10

static bool is_examined(const struct curve *c)
{
	return strcmp(c->kind, "emulated") == 0 && strncmp(c->spec, "exp:", 4) == 0 &&
	       c->workers == 4 &&
	       (strcmp(c->policy, "roundrobin") == 0 || strcmp(c->policy, "central") == 0);
}

struct errors {
	double size[CELLS_MOST];
	size_t count;
	double worst; /* signed */
	double worst_at;
};

static void take(struct errors *e, double error, double at)
{
	if (isnan(error) || e->count == CELLS_MOST)
		return;
	e->size[e->count++] = fabs(error);
	if (e->count == 1 || fabs(error) > fabs(e->worst)) {
		e->worst = error;
		e->worst_at = at;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct errors *e)
{
	qsort(e->size, e->count, sizeof(e->size[0]), compare);
	return (e->size[(e->count - 1) / 2] + e->size[e->count / 2]) / 2;
}

static void collect(
	const struct curve *c, enum curve_source source, enum cell_figure f, struct errors *ret)
{
	ret->count = 0;
	ret->worst = ret->worst_at = 0;
	for (size_t i = 0; i < c->cells; i++) {
		const struct cell *cell = c->cell[i];

		if (!cell->void_reason && cell->utilization <= 0.9 + SAME)
			take(ret, cell_error(cell, curve_latency(cell, source), f),
				cell->utilization);
	}
}

static void put_errors(struct buffer *out, const char *name, struct errors *e)
{
	buffer_printf(out, "%s: worst %+.1f %% (at %.0f %%), median %.1f %%", name, 100 * e->worst,
		100 * e->worst_at, 100 * median(e));
}

/* Writes the curve's line; false where it has no figures of this source. */
static bool tell(const struct curve *c, enum curve_source source, struct buffer *out,
	struct errors *p99, struct errors *mean)
{
	collect(c, source, CELL_P99, p99);
	collect(c, source, CELL_MEAN, mean);
	if (p99->count == 0 || mean->count == 0)
		return false;
	curve_put_service(c, out);
	buffer_printf(out, ", %s, k = %u, %zu cells, against the %s: ", c->policy, c->workers,
		p99->count, source == CURVE_REPLAY ? "replay" : "prediction");
	put_errors(out, "p99", p99);
	buffer_puts(out, "; ");
	put_errors(out, "mean", mean);
	buffer_puts(out, "\n");
	return true;
}

static bool has_both(bool round_robin, bool central, struct verdict *v)
{
	if (round_robin && central)
		return true;
	v->kind = VERDICT_UNDECIDED;
	buffer_printf(&v->reason, "Cells of %s with k = 4 are missing or void.",
		round_robin ? "central"
		: central   ? "roundrobin"
			    : "roundrobin and central");
	return false;
}

/* What is missing below a verdict on cells "up to 90 %". */
static unsigned count_void(const struct curves *curves)
{
	unsigned n = 0;

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		for (size_t k = 0; k < c->cells && is_examined(c); k++)
			n += c->cell[k]->void_reason && c->cell[k]->utilization <= 0.9 + SAME;
	}
	return n;
}

static void put_left_out(const struct curves *curves, struct buffer *out)
{
	const unsigned n = count_void(curves);

	if (n > 0)
		buffer_printf(out, " %u more cell%s void.", n, n == 1 ? " is" : "s are");
}

void claim_replay(const struct curves *curves, struct verdict *v)
{
	struct errors p99, mean;
	bool round_robin = false, central = false, within = true;

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		if (!is_examined(c) || !tell(c, CURVE_REPLAY, &v->figures, &p99, &mean))
			continue;
		if (strcmp(c->policy, "central") == 0)
			central = true;
		else
			round_robin = true;
		within = within && fabs(p99.worst) <= BOUND_P99 && fabs(mean.worst) <= BOUND_MEAN;
	}
	if (!has_both(round_robin, central, v))
		return;
	v->kind = within ? VERDICT_HOLDS : VERDICT_FAILS;
	buffer_puts(&v->reason, "The replay has the cell's own arrivals and service times, so that "
				"hardly any chance is left between the two.");
	put_left_out(curves, &v->reason);
}

/* Where a measured interval lies, as a share of the predicted value. */
enum place { WITHIN, ACROSS, OUTSIDE };

static enum place place_of(const struct cell *c, enum cell_figure f, double bound)
{
	double should = c->predicted.value[f];
	struct interval is = c->measured.interval[f];

	if (!is.known || !(should > 0))
		return ACROSS;
	if (is.low >= (1 - bound) * should && is.high <= (1 + bound) * should)
		return WITHIN;
	return is.high < (1 - bound) * should || is.low > (1 + bound) * should ? OUTSIDE : ACROSS;
}

static void count_places(const struct curve *c, unsigned count[3])
{
	for (size_t i = 0; i < c->cells; i++) {
		const struct cell *cell = c->cell[i];

		if (cell->void_reason || cell->utilization > 0.9 + SAME)
			continue;
		count[place_of(cell, CELL_P99, BOUND_P99)]++;
		count[place_of(cell, CELL_MEAN, BOUND_MEAN)]++;
	}
}

void claim_prediction(const struct curves *curves, struct verdict *v)
{
	struct errors p99, mean;
	bool round_robin = false, central = false;
	unsigned count[3] = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		if (!is_examined(c) || !tell(c, CURVE_PREDICTED, &v->figures, &p99, &mean))
			continue;
		if (strcmp(c->policy, "central") == 0)
			central = true;
		else
			round_robin = true;
		count_places(c, count);
	}
	if (!has_both(round_robin, central, v))
		return;
	v->kind = count[OUTSIDE] > 0  ? VERDICT_FAILS
		  : count[ACROSS] > 0 ? VERDICT_UNDECIDED
				      : VERDICT_HOLDS;
	buffer_printf(&v->reason,
		"Of %u measured 95 %% intervals %u lie within the bound, %u across it, %u beyond "
		"it.",
		count[WITHIN] + count[ACROSS] + count[OUTSIDE], count[WITHIN], count[ACROSS],
		count[OUTSIDE]);
	put_left_out(curves, &v->reason);
}
