/* What several pictures have in common: curves, measured points, ranges, the words of headings. */
#ifndef QUERN_BENCH_REPORT_DRAW_H
#define QUERN_BENCH_REPORT_DRAW_H

#include "bench/report/curves.h"
#include "bench/report/picture.h"

/* A policy has the same colour and shape everywhere; so has a figure, and a number of workers. */
unsigned draw_policy_colour(const char *policy);
unsigned draw_figure_colour(enum cell_figure f);
unsigned draw_workers_colour(size_t index);

/*
 * What is predicted of a figure: the exact curve, drawn densely, where a closed form is known for
 * the nominal service; otherwise the cells' predictions, connected.
 */
void draw_prediction(struct picture *p, const struct curve *c, enum cell_figure f, unsigned colour);

/* Measured points with their intervals at the measured utilization; void cells as grey crosses. */
void draw_measured(struct picture *p, const struct curve *c, enum cell_figure f, unsigned colour);

struct draw_range {
	double low, high; /* NAN while empty */
};
void draw_range_add(struct draw_range *r, double value);
/* Of everything that draw_prediction() by the cells and draw_measured() show. */
void draw_range_curve(struct draw_range *r, const struct curve *c, enum cell_figure f);
/* A logarithmic axis with some room. */
struct picture_axis draw_log_axis(const struct draw_range *r, const char *label);

/* 0 to 100 %. */
struct picture_axis draw_utilization_axis(const char *label);
#define DRAW_UTILIZATION "workers' utilization (busy time), %"

/* A thin line at 60 %. */
void draw_sixty(struct picture *p, const struct draw_range *r);

/* Legends for void cells, where there is one. */
bool draw_has_void(const struct curve *curve, size_t n);
void draw_void_legend(struct picture *p);

/* "p99, emulated service exp:5ms (quick run)": appended to out. */
void draw_heading(struct buffer *out, const char *what, const struct curve *curve, size_t n);
/* The heading, and frees the text. */
void draw_set_heading(struct picture *p, struct buffer *text);

/* Pictures of all curves of one kind of service; the heading needs one of them. */
bool draw_is_kind(const struct curve *c, const char *kind);
void draw_set_kind_heading(
	struct picture *p, const struct curves *all, const char *kind, const char *what);

#endif
