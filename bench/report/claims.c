#include "bench/report/claims.h"

#include "bench/model/service.h"
#include "bench/report/judge.h"

#include <math.h>
#include <string.h>

#define SAME 1e-6
#define SOURCES 3

static bool is_policy(const struct curve *c, const char *name)
{
	return strcmp(c->policy, name) == 0;
}

static bool has_quick(const struct curve *c)
{
	for (size_t i = 0; i < c->cells; i++)
		if (c->cell[i]->quick)
			return true;
	return false;
}

static void put_who(const struct curve *c, struct buffer *out)
{
	curve_put_service(c, out);
	buffer_printf(out, ", k = %u: ", c->workers);
}

/* "7.21 [6.1, 8.4], replay 7.18, predicted 7.3" */
static void put_three(struct buffer *out, const struct curve_value v[SOURCES])
{
	buffer_printf(out, "%.3g", v[CURVE_MEASURED].value);
	if (!isnan(v[CURVE_MEASURED].low) && !isnan(v[CURVE_MEASURED].high))
		buffer_printf(out, " [%.3g, %.3g]", v[CURVE_MEASURED].low, v[CURVE_MEASURED].high);
	if (!isnan(v[CURVE_REPLAY].value))
		buffer_printf(out, ", replay %.3g", v[CURVE_REPLAY].value);
	if (!isnan(v[CURVE_PREDICTED].value))
		buffer_printf(out, ", predicted %.3g", v[CURVE_PREDICTED].value);
}

/* --- saturation ----------------------------------------------------------------------------------------------------- */

/* How many times its value at `from` a figure is at `to`. */
static void growth(const struct curve *c, double from, double to, enum cell_figure f,
	struct curve_value ret[SOURCES])
{
	for (int s = 0; s < SOURCES; s++)
		ret[s] = judge_ratio(curve_value_at(c, to, (enum curve_source)s, f),
			curve_value_at(c, from, (enum curve_source)s, f));
}

void claim_climbs(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		struct curve_value times[SOURCES];

		growth(c, 0.5, 0.95, CELL_P99, times);
		if (!is_policy(c, "roundrobin") || isnan(times[CURVE_MEASURED].value))
			continue;
		j.parts++;
		j.quick |= has_quick(c);
		for (int s = 0; s < SOURCES; s++)
			judge_say(&j, (enum curve_source)s,
				judge_above(times[s], 2, (enum curve_source)s));
		put_who(c, &v->figures);
		buffer_puts(&v->figures, "p99 at 95 % over p99 at 50 %: ");
		put_three(&v->figures, times);
		buffer_puts(&v->figures,
			times[CURVE_MEASURED].interpolated ? " (interpolated)\n" : "\n");
	}
	judge_decide(&j, v);
}

static void put_knee(struct buffer *out, double at)
{
	if (isinf(at))
		buffer_puts(out, "not reached");
	else
		buffer_printf(out, "%.1f %%", 100 * at);
}

static void put_knees(struct buffer *out, const struct curve_value v[SOURCES])
{
	put_knee(out, v[CURVE_MEASURED].value);
	if (!isnan(v[CURVE_MEASURED].low) && !isnan(v[CURVE_MEASURED].high)) {
		buffer_puts(out, " [");
		put_knee(out, v[CURVE_MEASURED].low);
		buffer_puts(out, ", ");
		put_knee(out, v[CURVE_MEASURED].high);
		buffer_puts(out, "]");
	}
	if (!isnan(v[CURVE_REPLAY].value)) {
		buffer_puts(out, ", replay ");
		put_knee(out, v[CURVE_REPLAY].value);
	}
	if (!isnan(v[CURVE_PREDICTED].value)) {
		buffer_puts(out, ", predicted ");
		put_knee(out, v[CURVE_PREDICTED].value);
	}
}

/* The knee is there: found before the curve's end. */
static enum judge_answer is_there(struct curve_value knee, enum curve_source source)
{
	double late = source == CURVE_MEASURED ? knee.high : knee.value;

	return isfinite(late) ? JUDGE_YES : JUDGE_OPEN;
}

void claim_comes_back_later(const struct curves *curves, struct verdict *v)
{
	const struct curve *before = NULL;
	struct curve_value earlier[SOURCES] = {0};
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		struct curve_value knee[SOURCES];

		for (int s = 0; s < SOURCES; s++)
			knee[s] = curve_passes(c, 0.1, 2, (enum curve_source)s, CELL_P99);
		if (!is_policy(c, "roundrobin") || isnan(knee[CURVE_MEASURED].value))
			continue;
		put_who(c, &v->figures);
		buffer_puts(&v->figures, "p99 passes twice its value at 10 % at ");
		put_knees(&v->figures, knee);
		buffer_puts(&v->figures, "\n");
		if (before && curve_same_service(before, c)) {
			j.parts++;
			j.quick |= has_quick(c) || has_quick(before);
			for (int s = 0; s < SOURCES; s++) {
				enum curve_source source = (enum curve_source)s;

				/* No further than the last cell was measured, so not reached is open. */
				if (is_there(knee[s], source) == JUDGE_YES &&
					is_there(earlier[s], source) == JUDGE_YES)
					judge_say(&j, source,
						judge_greater(knee[s], earlier[s], source));
			}
		}
		before = c;
		memcpy(earlier, knee, sizeof(earlier));
	}
	judge_decide(&j, v);
}

static enum judge_answer both(enum judge_answer a, enum judge_answer b)
{
	if (a == JUDGE_NO || b == JUDGE_NO)
		return JUDGE_NO;
	return a == JUDGE_YES && b == JUDGE_YES ? JUDGE_YES : JUDGE_OPEN;
}

void claim_sixty(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		struct curve_value p99[SOURCES], p50[SOURCES];

		growth(c, 0.1, 0.6, CELL_P99, p99);
		growth(c, 0.1, 0.6, CELL_P50, p50);
		if (!is_policy(c, "roundrobin") || isnan(p99[CURVE_MEASURED].value))
			continue;
		j.parts++;
		j.quick |= has_quick(c);
		for (int s = 0; s < SOURCES; s++) {
			enum curve_source source = (enum curve_source)s;

			judge_say(&j, source,
				both(judge_above(p99[s], 2, source),
					judge_not(judge_above(p50[s], 2, source))));
		}
		put_who(c, &v->figures);
		buffer_puts(&v->figures, "from 10 % to 60 % p99 grew by a factor of ");
		put_three(&v->figures, p99);
		buffer_puts(&v->figures, "; the median by ");
		put_three(&v->figures, p50);
		buffer_puts(
			&v->figures, p99[CURVE_MEASURED].interpolated ? " (interpolated)\n" : "\n");
	}
	judge_decide(&j, v);
}

/* --- policies ------------------------------------------------------------------------------------------------------- */

static void compare_curves(const struct curve *central, const struct curve *other, struct judge *j,
	struct buffer *figures)
{
	unsigned told = 0;

	for (size_t i = 0; i < central->cells; i++) {
		double at = central->cell[i]->utilization;
		struct curve_value a[SOURCES], b[SOURCES];

		if (at < 0.5 - SAME || !curve_at(central, at, CURVE_MEASURED, CELL_P99) ||
			!curve_at(other, at, CURVE_MEASURED, CELL_P99))
			continue;
		j->parts++;
		j->quick |= central->cell[i]->quick;
		for (int s = 0; s < SOURCES; s++) {
			enum curve_source source = (enum curve_source)s;

			a[s] = curve_value_at(central, at, source, CELL_P99);
			b[s] = curve_value_at(other, at, source, CELL_P99);
			judge_say(j, source, judge_greater(b[s], a[s], source));
		}
		if (told++ == 0) {
			put_who(central, figures);
			buffer_printf(figures, "p99 of central over that of %s: ", other->policy);
		}
		buffer_printf(figures, "%s%.3g at %.0f %%", told > 1 ? ", " : "",
			a[CURVE_MEASURED].value / b[CURVE_MEASURED].value, 100 * at);
	}
	if (told > 0)
		buffer_puts(figures, "\n");
}

static void central_against(const struct curves *curves, const char *policy, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		const struct curve *other = curves_find(curves, c, policy, c->workers);

		if (is_policy(c, "central") && other)
			compare_curves(c, other, &j, &v->figures);
	}
	judge_decide(&j, v);
}

void claim_central_round_robin(const struct curves *curves, struct verdict *v)
{
	central_against(curves, "roundrobin", v);
}

void claim_central_leastconn(const struct curves *curves, struct verdict *v)
{
	central_against(curves, "leastconn", v);
}

/* --- power users, and the average ----------------------------------------------------------------------------------- */

/* The smallest of the fixed times in ms; NAN where the service is not made of such. */
static double small_ms(const struct curve *c)
{
	struct service s;
	struct buffer error;
	double least = NAN;

	buffer_init(&error);
	int r = strncmp(c->spec, "points:", 7) == 0 ? service_parse(&s, c->spec, &error) : -1;
	buffer_done(&error);
	if (r < 0)
		return NAN;
	for (size_t i = 0; i < s.ranges; i++)
		if (!(least <= s.range[i].low_us))
			least = s.range[i].low_us;
	service_done(&s);
	return least / 1000;
}

static void put_sizes(
	const struct curve *c, const struct cell *cell, double small, struct buffer *out)
{
	const double *value = cell->measured.value;

	curve_put_service(c, out);
	buffer_printf(out,
		", %s, k = %u, %.0f %%: in units of a small request's %.3g ms: "
		"median %.3g, mean %.3g, p95 %.3g, p99 %.3g\n",
		c->policy, c->workers, 100 * cell->utilization, small, value[CELL_P50] / small,
		value[CELL_MEAN] / small, value[CELL_P95] / small, value[CELL_P99] / small);
}

void claim_power_users(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		double small = small_ms(c);

		for (size_t n = 0; n < c->cells && !isnan(small); n++) {
			double at = c->cell[n]->utilization;

			if (!curve_at(c, at, CURVE_MEASURED, CELL_P95) || at < 0.5 - SAME)
				continue;
			put_sizes(c, c->cell[n], small, &v->figures);
			if (!is_policy(c, "roundrobin"))
				continue;
			j.parts++;
			j.quick |= c->cell[n]->quick;
			for (int s = 0; s < SOURCES; s++) {
				enum curve_source source = (enum curve_source)s;

				judge_say(&j, source,
					judge_above(curve_value_at(c, at, source, CELL_P95),
						10 * small, source));
			}
		}
	}
	judge_decide(&j, v);
}

static void put_average(const struct curve *c, const struct cell *cell, struct buffer *out)
{
	const double *value = cell->measured.value;

	curve_put_service(c, out);
	buffer_printf(out,
		", %s, k = %u, %.0f %%: mean %.3g ms, median %.3g ms, p95 %.3g ms, p99 %.3g ms: "
		"p99 "
		"is %.3g times the mean and %.3g times the median\n",
		c->policy, c->workers, 100 * cell->utilization, value[CELL_MEAN], value[CELL_P50],
		value[CELL_P95], value[CELL_P99], value[CELL_P99] / value[CELL_MEAN],
		value[CELL_P99] / value[CELL_P50]);
}

void claim_average_lies(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		for (size_t n = 0; n < c->cells; n++) {
			double at = c->cell[n]->utilization;

			if (!curve_at(c, at, CURVE_MEASURED, CELL_P99))
				continue;
			put_average(c, c->cell[n], &v->figures);
			j.parts++;
			j.quick |= c->cell[n]->quick;
			for (int s = 0; s < SOURCES; s++) {
				enum curve_source source = (enum curve_source)s;
				struct curve_value p99 = curve_value_at(c, at, source, CELL_P99);
				struct curve_value mean = curve_value_at(c, at, source, CELL_MEAN);
				struct curve_value p50 = curve_value_at(c, at, source, CELL_P50);

				judge_say(&j, source,
					both(judge_above(judge_ratio(p99, mean), 3, source),
						judge_greater(mean, p50, source)));
			}
		}
	}
	judge_decide(&j, v);
}
