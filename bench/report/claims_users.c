/* The claims about users: what a few large requests do to all, and what the average hides. */
#include "bench/report/claims.h"

#include "bench/model/service.h"
#include "bench/report/judge.h"

#include <math.h>
#include <string.h>

#define SAME 1e-6
#define SOURCES 3

static bool is_round_robin(const struct curve *c)
{
	return strcmp(c->policy, "roundrobin") == 0;
}

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

static void judge_sizes(const struct curve *c, double at, double small, struct judge *j)
{
	enum judge_answer answer[SOURCES];

	for (int s = 0; s < SOURCES; s++) {
		enum curve_source source = (enum curve_source)s;

		answer[s] =
			judge_above(curve_value_at(c, at, source, CELL_P95), 10 * small, source);
	}
	judge_part(j, answer);
}

void claim_power_users(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];
		double small = small_ms(c);

		for (size_t n = 0; n < c->cells && !isnan(small); n++) {
			double at = c->cell[n]->utilization;

			if (at < 0.5 - SAME)
				continue;
			if (!curve_at(c, at, CURVE_MEASURED, CELL_P95)) {
				j.left_out += is_round_robin(c);
				continue;
			}
			put_sizes(c, c->cell[n], small, &v->figures);
			if (!is_round_robin(c))
				continue;
			j.quick |= c->cell[n]->quick;
			judge_sizes(c, at, small, &j);
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

static void judge_average(const struct curve *c, double at, struct judge *j)
{
	enum judge_answer answer[SOURCES];

	for (int s = 0; s < SOURCES; s++) {
		enum curve_source source = (enum curve_source)s;
		struct curve_value p99 = curve_value_at(c, at, source, CELL_P99);
		struct curve_value mean = curve_value_at(c, at, source, CELL_MEAN);
		struct curve_value p50 = curve_value_at(c, at, source, CELL_P50);

		answer[s] = judge_both(judge_above(judge_ratio(p99, mean), 3, source),
			judge_greater(mean, p50, source));
	}
	judge_part(j, answer);
}

void claim_average_lies(const struct curves *curves, struct verdict *v)
{
	struct judge j = {0};

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		for (size_t n = 0; n < c->cells; n++) {
			double at = c->cell[n]->utilization;

			if (!curve_at(c, at, CURVE_MEASURED, CELL_P99)) {
				j.left_out++;
				continue;
			}
			put_average(c, c->cell[n], &v->figures);
			j.quick |= c->cell[n]->quick;
			judge_average(c, at, &j);
		}
	}
	judge_decide(&j, v);
}
