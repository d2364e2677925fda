#include "bench/report/claims.h"

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

/* Whether its cells, void or not, reach from one utilization to another. */
static bool covers(const struct curve *c, double from, double to)
{
	return c->cell[0]->utilization <= from + SAME &&
	       c->cell[c->cells - 1]->utilization >= to - SAME;
}

static bool is_void_at(const struct curve *c, double at)
{
	for (size_t i = 0; i < c->cells; i++)
		if (c->cell[i]->void_reason && fabs(c->cell[i]->utilization - at) < SAME)
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

/* --- saturation ------------------------------------------------------------------------------- */

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
		enum judge_answer answer[SOURCES];

		if (!is_policy(c, "roundrobin"))
			continue;
		growth(c, 0.5, 0.95, CELL_P99, times);
		if (isnan(times[CURVE_MEASURED].value)) {
			j.left_out += covers(c, 0.5, 0.95);
			continue;
		}
		j.quick |= has_quick(c);
		for (int s = 0; s < SOURCES; s++)
			answer[s] = judge_above(times[s], 2, (enum curve_source)s);
		judge_part(&j, answer);
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
static bool is_there(struct curve_value knee, enum curve_source source)
{
	return isfinite(source == CURVE_MEASURED ? knee.high : knee.value);
}

/* No further than the last cell was measured, so a knee that was not reached is open. */
static void is_later(const struct curve_value now[SOURCES],
	const struct curve_value earlier[SOURCES], enum judge_answer answer[SOURCES])
{
	for (int s = 0; s < SOURCES; s++) {
		enum curve_source source = (enum curve_source)s;
		bool known = is_there(now[s], source) && is_there(earlier[s], source);

		answer[s] = known ? judge_greater(now[s], earlier[s], source) : JUDGE_OPEN;
	}
}

void claim_comes_back_later(const struct curves *curves, struct verdict *v)
{
	const struct curve *before = NULL;
	struct curve_value earlier[SOURCES] = {0};
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		struct curve_value knee[SOURCES];
		enum judge_answer answer[SOURCES];

		if (!is_policy(c, "roundrobin"))
			continue;
		for (int s = 0; s < SOURCES; s++)
			knee[s] = curve_passes(c, 0.1, 2, (enum curve_source)s, CELL_P99);
		if (isnan(knee[CURVE_MEASURED].value)) {
			j.left_out += is_void_at(c, 0.1);
			continue;
		}
		put_who(c, &v->figures);
		buffer_puts(&v->figures, "p99 passes twice its value at 10 % at ");
		put_knees(&v->figures, knee);
		buffer_puts(&v->figures, "\n");
		if (before && curve_same_service(before, c)) {
			j.quick |= has_quick(c) || has_quick(before);
			is_later(knee, earlier, answer);
			judge_part(&j, answer);
		}
		before = c;
		memcpy(earlier, knee, sizeof(earlier));
	}
	judge_decide(&j, v);
}

void claim_sixty(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		struct curve_value p99[SOURCES], p50[SOURCES];
		enum judge_answer answer[SOURCES];

		if (!is_policy(c, "roundrobin"))
			continue;
		growth(c, 0.1, 0.6, CELL_P99, p99);
		growth(c, 0.1, 0.6, CELL_P50, p50);
		if (isnan(p99[CURVE_MEASURED].value)) {
			j.left_out += covers(c, 0.1, 0.6);
			continue;
		}
		j.quick |= has_quick(c);
		for (int s = 0; s < SOURCES; s++) {
			enum curve_source source = (enum curve_source)s;

			answer[s] = judge_both(judge_above(p99[s], 2, source),
				judge_not(judge_above(p50[s], 2, source)));
		}
		judge_part(&j, answer);
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

/* --- policies --------------------------------------------------------------------------------- */

static void compare_curves(const struct curve *central, const struct curve *other, struct judge *j,
	struct buffer *figures)
{
	unsigned told = 0;

	for (size_t i = 0; i < central->cells; i++) {
		double at = central->cell[i]->utilization;
		struct curve_value a[SOURCES], b[SOURCES];
		enum judge_answer answer[SOURCES];

		if (at < 0.5 - SAME)
			continue;
		if (!curve_at(central, at, CURVE_MEASURED, CELL_P99) ||
			!curve_at(other, at, CURVE_MEASURED, CELL_P99)) {
			j->left_out += is_void_at(central, at) || is_void_at(other, at);
			continue;
		}
		j->quick |= central->cell[i]->quick;
		for (int s = 0; s < SOURCES; s++) {
			enum curve_source source = (enum curve_source)s;

			a[s] = curve_value_at(central, at, source, CELL_P99);
			b[s] = curve_value_at(other, at, source, CELL_P99);
			answer[s] = judge_greater(b[s], a[s], source);
		}
		judge_part(j, answer);
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
