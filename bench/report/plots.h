/*
 * Which pictures the cells give: each belongs to an experiment, and is a gnuplot script that is
 * ready to be drawn.
 */
#ifndef QUERN_BENCH_REPORT_PLOTS_H
#define QUERN_BENCH_REPORT_PLOTS_H

#include "bench/report/cells.h"
#include "bench/report/picture.h"

struct plot {
	const char *experiment;
	struct picture picture;
	const char *caption; /* what to look for */
};

struct plots {
	struct plot *plot;
	size_t count, capacity;
	bool no_memory;
};

/* 0 or -ENOMEM. plots_done() frees. */
int plots_make(struct plots *ret, const struct cells *cells) __attribute__((warn_unused_result));
void plots_done(struct plots *p);

/* --- between the files that make them --------------------------------------------------------- */

struct curve;
struct curves;

/* Room for one more, or NULL; the picture is for the caller to begin. */
struct plot *plots_add(struct plots *p, const char *experiment, const char *caption);

/* Small multiples of mean and percentiles, a panel for each curve of curve[0..n). */
void plot_multiples(struct plots *to, const char *experiment, const struct curve *curve, size_t n);

/* p99 against utilization, a line for each number of workers. */
void plot_summary(struct plots *to, const char *experiment, const struct curve *curve, size_t n);

/* p99 and median, a line for each policy, a column for each number of workers. */
void plot_policies(struct plots *to, const char *experiment, const struct curve *curve, size_t n);

/* The histogram of a cell. */
void plot_histogram(struct plots *to, const char *experiment, const struct curve *curve,
	const struct cell *cell);

/*
 * Of all cells of one kind of service: measured against replay and prediction; and what lies
 * between.
 */
void plot_errors(struct plots *to, const struct curves *all, const char *kind);
void plot_split(struct plots *to, const struct curves *all, const char *kind);

#endif
