#include "bench/plan/planner.h"

#include "bench/plan/closed.h"
#include "bench/plan/heat.h"
#include "bench/plan/service_quantile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

/*
 * Requests that a simulation may take: to decide yes or no; for a row of the table that meets the
 * objective, or not.
 */
#define DECIDE_REQUESTS 3000000
#define ROW_REQUESTS 20000000
#define HOPELESS_ROW_REQUESTS 3000000
#define ROWS_BEYOND 2 /* after the answer */

static void note(const struct planner_options *o, const struct policy *p, unsigned workers)
{
	char name[POLICY_TEXT_BYTES], text[80];

	if (!o->note)
		return;
	(void)snprintf(text, sizeof text, "%s, %u worker%s", policy_format(p, name, sizeof name),
		workers, workers == 1 ? "" : "s");
	o->note(o->own, text);
}

static double utilization(const struct planner_options *o, unsigned workers)
{
	return o->rate_rps * o->service->mean_us / 1e6 / workers;
}

static bool is_exact(const struct planner_options *o, const struct policy *p, unsigned workers)
{
	struct closed_response closed;

	if (o->arrival->kind != ARRIVAL_POISSON)
		return false;
	closed_response(p, workers, o->rate_rps, o->service, &closed);
	return !isnan(closed.p99_us);
}

static struct predict_options prediction_of(
	const struct planner_options *o, const struct policy *p, unsigned workers)
{
	return (struct predict_options){.policy = *p,
		.workers = workers,
		.rate_rps = o->rate_rps,
		.arrival = o->arrival,
		.service = o->service,
		.precision = o->precision,
		.seed = o->seed,
		.stop = o->stop,
		.objective = &o->objective};
}

static bool is_predictable(
	const struct planner_options *o, const struct policy *p, unsigned workers)
{
	const struct predict_options options = prediction_of(o, p, workers);
	const double rho = utilization(o, workers);

	if (!(rho < 1))
		return false;
	return is_exact(o, p, workers) ||
	       (rho <= PLANNER_UTILIZATION_MOST && predict_is_within_reach(&options));
}

/* Whether so many workers meet the objective beyond doubt. */
static int decide(const struct planner_options *o, const struct policy *p, unsigned workers,
	bool *ret, struct buffer *reason)
{
	struct predict_options options = prediction_of(o, p, workers);
	struct prediction prediction;
	struct interval interval;

	*ret = false;
	if (!is_predictable(o, p, workers))
		return 0;
	note(o, p, workers);
	options.decide = true;
	options.requests_most = DECIDE_REQUESTS;
	const int failed = predict(&options, &prediction, reason);
	if (failed < 0)
		return failed;
	(void)prediction_at(&prediction, o->objective.quantile, &interval);
	*ret = objective_judge(&o->objective, interval) == OBJECTIVE_MET;
	return 0;
}

/*
 * The smallest number of workers from `least` to o->workers_most that meets the objective, 0 if
 * none does; `guess` is where to begin. First steps that double, until the answer lies between two
 * numbers, then bisection.
 */
static int find_smallest(const struct planner_options *o, const struct policy *p, unsigned least,
	unsigned guess, unsigned *ret, struct buffer *reason)
{
	unsigned below = least - 1; /* does not meet it (or is not allowed) */
	unsigned above = 0;	    /* meets it; 0: none is known */
	unsigned step = 1, at = guess;
	int failed = 0;

	while (failed == 0 && (above == 0 || above - below > 1)) {
		bool met;

		failed = decide(o, p, at, &met, reason);
		if (failed < 0)
			break;
		if (met)
			above = at;
		else
			below = at;
		if (below >= o->workers_most)
			break;
		if (above == 0)
			at = below + step < o->workers_most ? below + step : o->workers_most;
		else if (below < least && above - below > step)
			at = above - step;
		else
			at = below + (above - below) / 2;
		step *= 2;
	}
	if (failed == 0)
		*ret = above;
	return failed;
}

/*
 * Which numbers of workers are shown: all from the first to the last, or where these are too many,
 * some up to the answer's neighbourhood.
 */
static size_t choose_rows(
	unsigned least, unsigned answer, unsigned most, unsigned row[PLANNER_ROWS_MOST])
{
	unsigned last = answer == 0 ? most : answer + ROWS_BEYOND;
	size_t n = 0;

	if (last > most)
		last = most;
	if (last - least < PLANNER_ROWS_MOST) {
		for (unsigned k = least; k <= last; k++)
			row[n++] = k;
		return n;
	}
	const unsigned near = answer == 0 ? last : answer - 1;
	const size_t close = last - near + 1, apart = PLANNER_ROWS_MOST - close;
	for (size_t i = 0; i < apart; i++)
		row[n++] = least + (unsigned)((near - least) * i / apart);
	for (unsigned k = near; k <= last; k++)
		row[n++] = k;
	return n;
}

static int fill_row(const struct planner_options *o, struct planner_row *row, bool hopeless,
	struct buffer *reason)
{
	struct predict_options options = prediction_of(o, &o->policy, row->workers);
	struct interval interval;

	row->utilization = utilization(o, row->workers);
	row->verdict = OBJECTIVE_UNMET;
	row->predicted = is_predictable(o, &o->policy, row->workers);
	if (!row->predicted)
		return 0;
	note(o, &o->policy, row->workers);
	options.requests_most = hopeless ? HOPELESS_ROW_REQUESTS : ROW_REQUESTS;
	const int failed = predict(&options, &row->prediction, reason);
	if (failed < 0)
		return failed;
	(void)prediction_at(&row->prediction, o->objective.quantile, &interval);
	row->verdict = objective_judge(&o->objective, interval);
	return 0;
}

/*
 * The search decided with few requests; the table's rows have more, and the last word if they have
 * one.
 */
static void settle(struct plan *plan)
{
	size_t i = plan->rows;

	/* Chance may leave the last rows undecided, although fewer workers suffice. */
	while (i > 0 && plan->row[i - 1].verdict != OBJECTIVE_MET)
		i--;
	for (; i > 0 && plan->row[i - 1].verdict == OBJECTIVE_MET; i--)
		plan->workers = plan->row[i - 1].workers;
}

static int fill_table(const struct planner_options *o, struct plan *plan, struct buffer *reason)
{
	unsigned workers[PLANNER_ROWS_MOST] = {0};
	const unsigned found = plan->workers;
	int failed = 0;

	plan->rows = choose_rows(plan->least, found, o->workers_most, workers);
	for (size_t i = 0; failed == 0 && i < plan->rows; i++) {
		plan->row[i].workers = workers[i];
		failed = fill_row(o, &plan->row[i], found == 0 || workers[i] + 1 < found, reason);
	}
	if (failed == 0 && found > 0)
		settle(plan);
	return failed;
}

/*
 * At the same utilization more workers are not slower: where chance in a simulation says so, it is
 * not listened to.
 */
static void level(const struct planner_options *o, struct planner_heat *heat)
{
	if (heat[1].utilization >= heat[0].utilization)
		return;
	heat[1].utilization = heat[0].utilization;
	heat[1].at_us = heat[0].at_us;
	heat[1].rate_rps = heat[1].utilization * heat[1].workers * 1e6 / o->service->mean_us;
}

static int fill_heat(const struct planner_options *o, struct plan *plan, struct buffer *reason)
{
	int failed = 0;

	for (size_t i = 0; failed == 0 && i < plan->rows; i++) {
		note(o, &o->policy, plan->row[i].workers);
		failed = heat_find(o, &plan->row[i], &plan->heat[i], reason);
		if (failed == 0 && i > 0)
			level(o, &plan->heat[i - 1]);
	}
	return failed;
}

static int fill_needs(const struct planner_options *o, struct plan *plan, struct buffer *reason)
{
	static const struct policy others[] = {{POLICY_RR, 0}, {POLICY_LEAST, 0},
		{POLICY_RANDOM_OF, 1}, {POLICY_RANDOM_OF, 2}, {POLICY_CENTRAL_OF, 1},
		{POLICY_CENTRAL_OF, 2}, {POLICY_SHARED, 0}};
	int failed = 0;

	for (size_t i = 0; failed == 0 && i < sizeof others / sizeof *others; i++) {
		struct planner_need *need = &plan->need[plan->needs];

		if (policy_equal(&others[i], &o->policy))
			continue;
		need->policy = others[i];
		failed = find_smallest(
			o, &others[i], plan->least, plan->workers, &need->workers, reason);
		plan->needs++;
	}
	return failed;
}

/* Whether it is beyond any number of workers. */
static bool is_impossible(const struct planner_options *o, struct buffer *reason)
{
	const double alone_us = service_quantile(o->service, o->objective.quantile);

	if (alone_us <= o->objective.limit_us)
		return false;
	buffer_printf(reason,
		"no number of workers meets %s=%gms: the service alone, without any waiting, "
		"already has "
		"%s = %.4gms",
		o->objective.name, o->objective.limit_us / 1000, o->objective.name,
		alone_us / 1000);
	return true;
}

static bool is_too_much(
	const struct planner_options *o, const struct plan *plan, struct buffer *reason)
{
	if (plan->least <= o->workers_most)
		return false;
	buffer_printf(reason,
		"at most %u workers cannot carry it: %.4g requests a second of %.4gms each are "
		"%.4g "
		"workers' full time, so that %u is the least number whose queues do not grow "
		"without end",
		o->workers_most, o->rate_rps, o->service->mean_us / 1000, plan->erlangs,
		plan->least);
	return true;
}

static void say_none(const struct planner_options *o, struct buffer *reason)
{
	buffer_printf(reason,
		"up to %u workers do not meet %s=%gms; the service alone has %s = %.4gms, which no "
		"number "
		"of workers shortens",
		o->workers_most, o->objective.name, o->objective.limit_us / 1000, o->objective.name,
		service_quantile(o->service, o->objective.quantile) / 1000);
}

int planner_run(const struct planner_options *o, struct plan *ret, struct buffer *reason)
{
	struct plan plan = {.erlangs = o->rate_rps * o->service->mean_us / 1e6};
	unsigned guess;

	if (plan.erlangs >= 1e9) {
		buffer_printf(reason, "%.4g workers' full time is beyond any plan", plan.erlangs);
		return -EINVAL;
	}
	plan.least = (unsigned)floor(plan.erlangs) + 1;
	if (is_impossible(o, reason) || is_too_much(o, &plan, reason)) {
		*ret = plan;
		return 0;
	}
	guess = (unsigned)ceil(plan.erlangs / PLANNER_UTILIZATION_MOST);
	guess = guess > o->workers_most ? o->workers_most : guess < plan.least ? plan.least : guess;
	int failed = find_smallest(o, &o->policy, plan.least, guess, &plan.workers, reason);
	if (failed == 0)
		failed = fill_table(o, &plan, reason);
	if (failed == 0)
		failed = fill_heat(o, &plan, reason);
	if (failed == 0 && plan.workers > 0)
		failed = fill_needs(o, &plan, reason);
	if (failed < 0)
		return failed;
	if (plan.workers == 0)
		say_none(o, reason);
	*ret = plan;
	return 0;
}
