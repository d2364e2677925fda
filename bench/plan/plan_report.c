#include "bench/plan/plan_report.h"

#include "bench/latency.h"
#include "bench/plan/service_quantile.h"

#include <math.h>
#include <stdio.h>

static const struct {
	const char *name;
	double p;
	bool always; /* has a column in every table */
} figures[] = {{"mean", 0, true}, {"p50", 0.5, true}, {"p90", 0.9, false}, {"p95", 0.95, true},
	{"p99", 0.99, true}, {"p99.9", 0.999, false}};

#define FIGURES (sizeof figures / sizeof *figures)

static bool is_shown(const struct plan_report *r, size_t figure)
{
	return figures[figure].always || figures[figure].p == r->options->objective.quantile;
}

/* "12.3 ms +-2 %", without the latter where the figure is exact. */
static void put_figure(struct buffer *out, const struct planner_row *row, double p)
{
	char time[LATENCY_TEXT_BYTES], text[48];
	struct interval i;

	if (!row->predicted) {
		buffer_printf(out, "%17s", "-");
		return;
	}
	const double us = prediction_at(&row->prediction, p, &i);
	(void)latency_text(us, time, sizeof time);
	if (!i.known)
		(void)snprintf(text, sizeof text, "%s +-?  ", time);
	else if (i.low == i.high)
		(void)snprintf(text, sizeof text, "%s       ", time);
	else
		(void)snprintf(
			text, sizeof text, "%s +-%2.0f %%", time, 100 * interval_relative(i, us));
	buffer_printf(out, "%17s", text);
}

static const char *verdict_text(const struct planner_row *row)
{
	switch (row->verdict) {
	case OBJECTIVE_MET:
		return "yes";
	case OBJECTIVE_UNSURE:
		return "undecided";
	case OBJECTIVE_UNMET:
		break;
	}
	return "no";
}

static void put_row(const struct plan_report *r, const struct planner_row *row, struct buffer *out)
{
	buffer_printf(out, "%7u%10.1f %%", row->workers, 100 * row->utilization);
	for (size_t i = 0; i < FIGURES; i++)
		if (is_shown(r, i))
			put_figure(out, row, figures[i].p);
	buffer_printf(out, "  %-12s%s\n", row->predicted ? row->prediction.method : "none",
		verdict_text(row));
}

static void put_rows(const struct plan_report *r, struct buffer *out)
{
	bool saturated = false;

	buffer_printf(out, "\n%7s%12s", "workers", "utilization");
	for (size_t i = 0; i < FIGURES; i++)
		if (is_shown(r, i))
			/* Over the figures, not over their intervals. */
			buffer_printf(out, "%10s       ", figures[i].name);
	buffer_printf(out, "  %-12s%s <= %gms\n", "method", r->options->objective.name,
		r->options->objective.limit_us / 1000);
	for (size_t i = 0; i < r->plan->rows; i++) {
		put_row(r, &r->plan->row[i], out);
		saturated |= !r->plan->row[i].predicted;
	}
	if (saturated)
		buffer_printf(out,
			"Method none: too near saturation to be predicted (above %.0f %%, or below "
			"it for very\nunequal services); taken as not meeting it.\n",
			100 * PLANNER_UTILIZATION_MOST);
}

static void put_heat(const struct plan_report *r, struct buffer *out)
{
	char text[LATENCY_TEXT_BYTES];

	buffer_printf(out,
		"\nHow hot: the most that a number of workers carries within %s <= %gms\n",
		r->options->objective.name, r->options->objective.limit_us / 1000);
	buffer_printf(out, "%7s%12s%14s%12s\n", "workers", "utilization", "requests/s",
		r->options->objective.name);
	for (size_t i = 0; i < r->plan->rows; i++) {
		const struct planner_heat *h = &r->plan->heat[i];

		if (h->utilization > 0)
			buffer_printf(out, "%7u%10.1f %%%14.6g%12s\n", h->workers,
				100 * h->utilization, h->rate_rps,
				latency_text(h->at_us, text, sizeof text));
		else
			buffer_printf(out, "%7u%12s%14s%12s\n", h->workers, "none", "-", "-");
	}
}

static void put_need(
	const struct plan_report *r, const struct policy *p, unsigned workers, struct buffer *out)
{
	char name[POLICY_TEXT_BYTES];

	(void)policy_format(p, name, sizeof name);
	if (workers > 0)
		buffer_printf(out, "%-14s%7u%10.1f %%\n", name, workers,
			100 * r->plan->erlangs / workers);
	else
		buffer_printf(out, "%-14s  more than %u\n", name, r->options->workers_most);
}

static void put_needs(const struct plan_report *r, struct buffer *out)
{
	buffer_printf(out, "\nWhat each policy needs\n%-14s%7s%12s\n", "policy", "workers",
		"utilization");
	put_need(r, &r->options->policy, r->plan->workers, out);
	for (size_t i = 0; i < r->plan->needs; i++)
		put_need(r, &r->plan->need[i].policy, r->plan->need[i].workers, out);
}

static void put_head(const struct plan_report *r, struct buffer *out)
{
	const struct planner_options *o = r->options;
	char policy[POLICY_TEXT_BYTES], mean[LATENCY_TEXT_BYTES], alone[LATENCY_TEXT_BYTES],
		overhead[LATENCY_TEXT_BYTES];

	buffer_printf(out, "rate        %g requests/s, %s arrivals, %s\n", o->rate_rps,
		arrival_name(o->arrival), policy_format(&o->policy, policy, sizeof policy));
	buffer_printf(out, "service     %s", r->spec);
	if (r->overhead_us > 0)
		buffer_printf(out, " and %s overhead",
			latency_text(r->overhead_us, overhead, sizeof overhead));
	buffer_printf(out, ": mean %s, squared coefficient of variation %.4g, %s %s\n",
		latency_text(o->service->mean_us, mean, sizeof mean), o->service->scv,
		o->objective.name,
		latency_text(
			service_quantile(o->service, o->objective.quantile), alone, sizeof alone));
	buffer_printf(out, "offered     %.4g erlangs (workers' full time)\n", r->plan->erlangs);
	buffer_printf(out, "objective   %s at most %gms\n", o->objective.name,
		o->objective.limit_us / 1000);
}

void plan_report_table(const struct plan_report *r, struct buffer *out)
{
	put_head(r, out);
	if (r->plan->rows > 0) {
		put_rows(r, out);
		put_heat(r, out);
	}
	if (r->plan->workers == 0)
		return;
	put_needs(r, out);
	buffer_printf(out,
		"\nRecommended: %u worker%s. Simulated figures: 95 %% intervals, seed %llu.\n",
		r->plan->workers, r->plan->workers == 1 ? "" : "s",
		(unsigned long long)r->options->seed);
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Rounded to ns. */
json_t *plan_report_latency(const struct prediction *p)
{
	static const struct {
		const char *name, *interval;
		double p;
	} parts[] = {{"mean", "mean_interval", 0}, {"p50", "p50_interval", 0.5},
		{"p90", "p90_interval", 0.9}, {"p95", "p95_interval", 0.95},
		{"p99", "p99_interval", 0.99}, {"p999", "p999_interval", 0.999}};
	json_t *object = json_object();
	int failed = object ? 0 : -1;

	for (size_t i = 0; failed == 0 && i < sizeof parts / sizeof *parts; i++) {
		struct interval interval = {.known = false};
		const double us = p ? prediction_at(p, parts[i].p, &interval) : NAN;

		failed |= json_object_set_new(object, parts[i].name, latency_ms_json(us));
		failed |= json_object_set_new(
			object, parts[i].interval, latency_interval_json(interval));
	}
	if (failed == 0)
		failed = json_object_set_new(object, "max", json_null());
	if (failed == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *row_json(const struct planner_row *row)
{
	const struct prediction *p = row->predicted ? &row->prediction : NULL;

	return json_pack("{s:i, s:f, s:o, s:s?, s:I, s:b, s:b}", "workers", (int)row->workers,
		"utilization", row->utilization, "latency_ms", plan_report_latency(p), "method",
		p ? p->method : NULL, "requests", (json_int_t)(p ? p->requests : 0), "meets",
		row->verdict == OBJECTIVE_MET, "undecided", row->verdict == OBJECTIVE_UNSURE);
}

static json_t *heat_json(const struct planner_heat *h)
{
	return json_pack("{s:i, s:f, s:f, s:o}", "workers", (int)h->workers, "utilization",
		h->utilization, "rate_rps", h->rate_rps, "objective_ms", latency_ms_json(h->at_us));
}

static json_t *count_json(unsigned workers)
{
	return workers > 0 ? json_integer(workers) : json_null();
}

static json_t *need_json(const struct policy *p, unsigned workers)
{
	char name[POLICY_TEXT_BYTES];

	return json_pack("{s:s, s:o}", "policy", policy_format(p, name, sizeof name), "workers",
		count_json(workers));
}

static json_t *list_of(
	const struct plan_report *r, json_t *(*make)(const struct plan_report *, size_t), size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, make(r, i)) != 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static json_t *row_at(const struct plan_report *r, size_t i)
{
	return row_json(&r->plan->row[i]);
}

static json_t *heat_at(const struct plan_report *r, size_t i)
{
	return heat_json(&r->plan->heat[i]);
}

/* The policy that was planned for is the first one. */
static json_t *need_at(const struct plan_report *r, size_t i)
{
	return i == 0 ? need_json(&r->options->policy, r->plan->workers)
		      : need_json(&r->plan->need[i - 1].policy, r->plan->need[i - 1].workers);
}

json_t *plan_report_json(const struct plan_report *r)
{
	const struct planner_options *o = r->options;
	char policy[POLICY_TEXT_BYTES];

	return json_pack(
		"{s:f, s:s, s:s, s:I, s:{s:s, s:o}, s:{s:s, s:o, s:f, s:o, s:o}, s:f, s:o, "
		"s:o, s:s?, s:o, s:o, s:i, s:n}",
		"rate_rps", o->rate_rps, "arrivals", arrival_name(o->arrival), "policy",
		policy_format(&o->policy, policy, sizeof policy), "seed", (json_int_t)o->seed,
		"objective", "quantile", o->objective.name, "limit_ms",
		latency_ms_json(o->objective.limit_us), "service", "spec", r->spec, "mean_ms",
		latency_ms_json(o->service->mean_us), "scv", o->service->scv, "overhead_ms",
		latency_ms_json(r->overhead_us), "objective_ms",
		latency_ms_json(service_quantile(o->service, o->objective.quantile)),
		"offered_erlangs", r->plan->erlangs, "plan", list_of(r, row_at, r->plan->rows),
		"recommended_workers", count_json(r->plan->workers), "reason", r->reason, "how_hot",
		list_of(r, heat_at, r->plan->rows), "policies",
		list_of(r, need_at, r->plan->workers > 0 ? r->plan->needs + 1 : 0), "workers_most",
		(int)o->workers_most, "verify");
}
