/* How far measured figures are from the replay's and the predicted ones. */
#include "bench/report/draw.h"
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOUND 15 /* %: what p99 is held to */

static bool any_figure(const struct curves *all, const char *kind, enum curve_source source)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct curve *c = &all->curve[i];

		for (size_t n = 0; n < c->cells && draw_is_kind(c, kind); n++)
			if (!c->cell[n]->void_reason &&
				curve_latency(c->cell[n], source)->value[CELL_P99] > 0)
				return true;
	}
	return false;
}

/* A row for each cell of a policy: what is to be drawn, or nothing. */
typedef bool row_of(const struct cell *c, enum curve_source source, double value[4]);

static bool scatter_row(const struct cell *c, enum curve_source source, double value[4])
{
	struct interval i = c->measured.interval[CELL_P99];

	value[0] = curve_latency(c, source)->value[CELL_P99];
	value[1] = c->measured.value[CELL_P99];
	value[2] = i.known ? i.low : value[1];
	value[3] = i.known ? i.high : value[1];
	return value[0] > 0 && value[1] > 0;
}

/*
 * Replay and measurement share their arrivals, so the sampling error of one is not that of their
 * difference.
 */
static bool error_row(const struct cell *c, enum curve_source source, double value[4])
{
	double should = curve_latency(c, source)->value[CELL_P99];
	struct interval i = c->measured.interval[CELL_P99];
	bool whiskers = source == CURVE_PREDICTED && i.known;

	/* Policies stand a little apart, or their whiskers would cover each other. */
	value[0] = 100 * cell_busy(c) + 0.35 * ((double)draw_policy_colour(c->policy) - 3.5);
	value[1] = 100 * cell_error(c, curve_latency(c, source), CELL_P99);
	value[2] = whiskers ? 100 * (i.low / should - 1) : value[1];
	value[3] = whiskers ? 100 * (i.high / should - 1) : value[1];
	return !isnan(value[1]);
}

static const char *const policies[] = {
	"roundrobin", "random", "random(2)", "leastconn", "central", "central(2)", NULL};

static bool is_policy(const struct curve *c, const char *policy)
{
	if (policy)
		return strcmp(c->policy, policy) == 0;
	for (size_t i = 0; policies[i]; i++)
		if (strcmp(c->policy, policies[i]) == 0)
			return false;
	return true;
}

static void draw_policy(struct picture *p, const struct curves *all, const char *kind,
	const char *policy, enum curve_source source, row_of *row)
{
	unsigned rows = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct curve *c = &all->curve[i];

		if (!draw_is_kind(c, kind) || !is_policy(c, policy))
			continue;
		for (size_t n = 0; n < c->cells; n++) {
			double value[4];

			if (c->cell[n]->void_reason || !row(c->cell[n], source, value))
				continue;
			if (rows++ == 0)
				picture_data(p);
			picture_row(p, value, 4);
		}
	}
	if (rows > 0)
		picture_draw_coloured(p, "using 1:2:3:4 with yerrorbars",
			draw_policy_colour(policy ? policy : ""), "linewidth 1");
}

static void draw_policies(struct picture *p, const struct curves *all, const char *kind,
	enum curve_source source, row_of *row)
{
	for (size_t i = 0; policies[i]; i++)
		draw_policy(p, all, kind, policies[i], source, row);
	draw_policy(p, all, kind, NULL, source, row);
}

/* All of one kind that count: the range of p99, and the largest error in %. */
static void ranges(
	const struct curves *all, const char *kind, struct draw_range *p99, double *error)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct curve *c = &all->curve[i];

		for (size_t n = 0; n < c->cells && draw_is_kind(c, kind); n++) {
			const struct cell *cell = c->cell[n];
			double value[4];

			if (cell->void_reason)
				continue;
			draw_range_add(p99, cell->replay.value[CELL_P99]);
			draw_range_add(p99, cell->predicted.value[CELL_P99]);
			draw_range_add(p99, cell->measured.value[CELL_P99]);
			for (int s = CURVE_REPLAY; s <= CURVE_PREDICTED; s++)
				if (error_row(cell, (enum curve_source)s, value))
					*error = fmax(*error, fmax(fabs(value[2]), fabs(value[3])));
		}
	}
}

static const char *source_name(enum curve_source source)
{
	return source == CURVE_REPLAY ? "replay" : "prediction";
}

static void scatter_panel(struct picture *p, const struct curves *all, const char *kind,
	unsigned column, enum curve_source source, const struct draw_range *range)
{
	struct picture_axis x, y = draw_log_axis(range, "p99 measured, ms");
	char label[48], title[64];

	(void)snprintf(label, sizeof(label), "p99 of the %s, ms", source_name(source));
	(void)snprintf(title, sizeof(title), "Measured against %s", source_name(source));
	x = draw_log_axis(range, label);
	picture_panel(p, column, 0, title, &x, &y);
	picture_arrow(p, x.low, x.low, x.high, x.high, "linetype 8 back");
	draw_policies(p, all, kind, source, scatter_row);
	picture_panel_end(p);
}

static void error_panel(struct picture *p, const struct curves *all, const char *kind,
	unsigned column, enum curve_source source, double most)
{
	struct picture_axis x = draw_utilization_axis(DRAW_UTILIZATION);
	struct picture_axis y = {.label = "error of p99, %", .low = -most, .high = most};
	char title[64];

	(void)snprintf(title, sizeof(title), "Measured minus %s, in %% of the %s",
		source_name(source), source_name(source));
	picture_panel(p, column, 1, title, &x, &y);
	picture_arrow(p, 0, 0, 100, 0, "linetype 8 back");
	picture_arrow(p, 0, BOUND, 100, BOUND, "linetype 8 dashtype (6,5) back");
	picture_arrow(p, 0, -BOUND, 100, -BOUND, "linetype 8 dashtype (6,5) back");
	draw_policies(p, all, kind, source, error_row);
	picture_panel_end(p);
}

static void errors_legend(struct picture *p, const struct curves *all, const char *kind)
{
	for (size_t k = 0; k <= sizeof(policies) / sizeof(policies[0]) - 1; k++)
		for (size_t i = 0; i < all->count; i++) {
			const char *name = policies[k] ? policies[k] : all->curve[i].policy;
			char how[32];

			if (!draw_is_kind(&all->curve[i], kind) ||
				!is_policy(&all->curve[i], policies[k]))
				continue;
			(void)snprintf(
				how, sizeof(how), "points linetype %u", draw_policy_colour(name));
			picture_legend(p, how, name);
			break;
		}
	picture_legend(p, "lines linetype 8 dashtype (6,5)", "±15 %");
}

void plot_errors(struct plots *to, const struct curves *all, const char *kind)
{
	const bool replay = any_figure(all, kind, CURVE_REPLAY);
	const bool predicted = any_figure(all, kind, CURVE_PREDICTED);
	struct draw_range p99 = {NAN, NAN};
	double most = BOUND * 1.3;
	char name[PICTURE_NAME_BYTES];

	if (!replay && !predicted)
		return;
	struct plot *plot = plots_add(to, "model-error",
		"Every cell of every experiment. Above: on the diagonal, measurement and model "
		"agree. "
		"Below: the signed error; above 0 the real fleet was slower than the model. "
		"Whiskers are the "
		"measured 95 % intervals; the replay has the run's own arrivals and service times, "
		"so "
		"they do not apply to it.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	(void)snprintf(name, sizeof(name), "model-error %s", kind);
	picture_init(p, name, replay && predicted ? 980 : 640, 800, replay && predicted ? 2 : 1, 2);
	ranges(all, kind, &p99, &most);
	most = fmin(most * 1.05, 100);
	draw_set_kind_heading(p, all, kind, "Error of the models, p99");
	errors_legend(p, all, kind);
	for (unsigned s = CURVE_REPLAY, column = 0; s <= CURVE_PREDICTED; s++) {
		if (!(s == CURVE_REPLAY ? replay : predicted))
			continue;
		scatter_panel(p, all, kind, column, (enum curve_source)s, &p99);
		error_panel(p, all, kind, column++, (enum curve_source)s, most);
	}
	picture_end(p);
}
