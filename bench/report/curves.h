/*
 * Cells that belong together: those of one service, policy and number of workers are a curve over
 * the utilization. And what can be read off a curve.
 */
#ifndef QUERN_BENCH_REPORT_CURVES_H
#define QUERN_BENCH_REPORT_CURVES_H

#include "bench/report/cells.h"

struct curve {
	const char *kind, *spec; /* spec: "" where none is known */
	const char *policy;
	unsigned workers;
	const struct cell *const *cell; /* by utilization; borrowed from curves */
	size_t cells;
};

/*
 * By kind (emulated first), spec, policy (in the order of enum policy_kind) and workers; a curve's
 * cells by utilization.
 */
struct curves {
	struct curve *curve;
	size_t count;
	const struct cell **cell;
};

/* Of one experiment, or of all (NULL). The cells stay where they are. 0 or -ENOMEM. */
int curves_init(struct curves *ret, const struct cells *cells, const char *experiment)
	__attribute__((warn_unused_result));
void curves_done(struct curves *c);

/* Both are of one service: what belongs into one picture. */
bool curve_same_service(const struct curve *a, const struct curve *b);

/* NULL: none. */
const struct curve *curves_find(
	const struct curves *c, const struct curve *service, const char *policy, unsigned workers);

/* Whose figures are read. */
enum curve_source { CURVE_MEASURED, CURVE_REPLAY, CURVE_PREDICTED };
const struct cell_latency *curve_latency(const struct cell *c, enum curve_source source);

/* The cell at this utilization (as wanted) that counts and has the figure; NULL: none. */
const struct cell *curve_at(
	const struct curve *c, double utilization, enum curve_source source, enum cell_figure f);

/* A figure with what it may be at least and at most. */
struct curve_value {
	double value, low, high; /* NAN: not known. Without an interval low and high are NAN */
	bool interpolated;
};

/*
 * The figure at a utilization inside the measured range. Between two cells 1/figure is taken as
 * linear: exact for M/M/1, whose quantiles are in proportion to 1/(1 - rho), and close for its kin.
 */
struct curve_value curve_value_at(
	const struct curve *c, double utilization, enum curve_source source, enum cell_figure f);

/*
 * The utilization at which the figure passes `factor` times its value at `from`. low and high come
 * from the ends of the figures' intervals. value: infinite where the curve's last cell has not
 * passed it; NAN without a cell at `from`.
 */
struct curve_value curve_passes(const struct curve *c, double from, double factor,
	enum curve_source source, enum cell_figure f);

/* "emulated exp:5ms", for titles. */
void curve_put_service(const struct curve *c, struct buffer *out);

#endif
