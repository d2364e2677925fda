/*
 * 1/T falls nearly in a straight line from an idle fleet's 1/S to 0 at utilization 1 (for M/M/1
 * exactly), so that the root of 1/T - 1/limit is found in a few predictions by the secant method
 * that keeps a bracket (Illinois: Dowell, Jarratt 1971).
 */
#include "bench/plan/heat.h"

#include "bench/plan/service_quantile.h"

#include <math.h>

#define HEAT_REQUESTS 3000000
#define EXACT_MOST 0.999
#define STEPS 40
/* Of the bracket, at the end: what a simulation tells, and a formula. */
#define WIDTH 0.002
#define EXACT_WIDTH 1e-5

struct bracket {
	double low, low_value;	 /* meets it: value >= 0 */
	double high, high_value; /* does not */
	double low_us;		 /* the objective's figure at low */
	int last;		 /* the side that the last point went to: -1, 1; 0: none */
};

static void narrow(struct bracket *b, double at, double value, double us)
{
	const int side = value >= 0 ? -1 : 1;

	if (side < 0) {
		b->low = at;
		b->low_value = value;
		b->low_us = us;
		if (b->last == side)
			b->high_value /= 2;
	} else {
		b->high = at;
		b->high_value = value;
		if (b->last == side)
			b->low_value /= 2;
	}
	b->last = side;
}

/* Where to look next: the secant's root, not too near to either end. */
static double next_of(const struct bracket *b)
{
	const double width = b->high - b->low;
	const double root = b->low + width * b->low_value / (b->low_value - b->high_value);

	return fmin(fmax(root, b->low + 0.05 * width), b->high - 0.05 * width);
}

/* The upper end of the objective's interval; infinite where there is none. */
static double upper_us(const struct objective *o, const struct prediction *p)
{
	struct interval interval;

	(void)prediction_at(p, o->quantile, &interval);
	return interval.known ? interval.high : INFINITY;
}

static double value_of(const struct objective *o, double us)
{
	return 1 / us - 1 / o->limit_us;
}

/* *ret_us: the objective's figure, at its interval's upper end; infinite: not known. */
static int look(const struct planner_options *o, unsigned workers, double at, double *ret_us,
	bool *ret_exact, struct buffer *reason)
{
	const struct predict_options options = {.policy = o->policy,
		.workers = workers,
		.rate_rps = at * workers * 1e6 / o->service->mean_us,
		.arrival = o->arrival,
		.service = o->service,
		.precision = o->precision,
		.requests_most = HEAT_REQUESTS,
		.seed = o->seed,
		.stop = o->stop,
		.objective = &o->objective};
	struct prediction prediction;

	/* As in the plan's rows: too near saturation counts as not meeting it. */
	*ret_us = INFINITY;
	*ret_exact = false;
	if (!predict_is_within_reach(&options))
		return 0;
	const int failed = predict(&options, &prediction, reason);
	if (failed < 0)
		return failed;
	*ret_us = upper_us(&o->objective, &prediction);
	*ret_exact = prediction.requests == 0;
	return 0;
}

static void begin(const struct planner_options *o, const struct planner_row *row, struct bracket *b)
{
	const double alone_us = service_quantile(o->service, o->objective.quantile);

	*b = (struct bracket){.low = 0,
		.low_value = value_of(&o->objective, alone_us),
		.low_us = alone_us,
		.high = 1,
		.high_value = -1 / o->objective.limit_us};
	if (row->predicted) {
		const double us = upper_us(&o->objective, &row->prediction);

		narrow(b, row->utilization, value_of(&o->objective, us), us);
	}
}

int heat_find(const struct planner_options *o, const struct planner_row *row,
	struct planner_heat *ret, struct buffer *reason)
{
	const bool row_exact = row->predicted && row->prediction.requests == 0;
	double most = row_exact ? EXACT_MOST : PLANNER_UTILIZATION_MOST;
	double width = row_exact ? EXACT_WIDTH : WIDTH;
	struct bracket b;

	begin(o, row, &b);
	for (unsigned i = 0; i < STEPS && b.high - b.low > width && b.low < most; i++) {
		const double at = fmin(next_of(&b), most);
		bool exact;
		double us;
		const int failed = look(o, row->workers, at, &us, &exact, reason);

		if (failed < 0)
			return failed;
		if (exact) {
			most = EXACT_MOST;
			width = EXACT_WIDTH;
		}
		narrow(&b, at, value_of(&o->objective, us), us);
	}
	*ret = (struct planner_heat){.workers = row->workers,
		.utilization = b.low,
		.rate_rps = b.low * row->workers * 1e6 / o->service->mean_us,
		.at_us = b.low_us};
	return 0;
}
