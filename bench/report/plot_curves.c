/* Pictures whose panels have utilization as their x axis. */
#include "bench/report/draw.h"
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PANELS_MOST 12
#define PANEL_HIGH 300

/* "saturation p99 emulated exp:5ms": what picture_init() makes a file's name of. */
static void begin(struct picture *p, const char *experiment, const char *what,
	const struct curve *curve, const char *more, const unsigned size[4])
{
	char name[PICTURE_NAME_BYTES];

	(void)snprintf(name, sizeof(name), "%s %s %s %s %s", experiment, what, curve->kind,
		curve->spec, more);
	picture_init(p, name, size[0], size[1], size[2], size[3]);
}

static bool one_policy(const struct curve *curve, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (strcmp(curve[i].policy, curve[0].policy) != 0)
			return false;
	return true;
}

static void multiples_panel(struct picture *p, const struct curve *c, unsigned at,
	bool policy_known, const struct draw_range *range)
{
	static const enum cell_figure order[] = {CELL_P99, CELL_P95, CELL_MEAN, CELL_P50};
	struct picture_axis x = draw_utilization_axis(DRAW_UTILIZATION);
	struct picture_axis y = draw_log_axis(range, "response time, ms");
	char title[96];

	(void)snprintf(title, sizeof(title), "%s%sk = %u worker%s", policy_known ? "" : c->policy,
		policy_known ? "" : ", ", c->workers, c->workers > 1 ? "s" : "");
	picture_panel(p, at % p->columns, at / p->columns, title, &x, &y);
	draw_sixty(p, range);
	for (size_t i = 0; i < CELL_FIGURES; i++)
		draw_prediction(p, c, order[i], draw_figure_colour(order[i]));
	for (size_t i = 0; i < CELL_FIGURES; i++)
		draw_measured(p, c, order[i], draw_figure_colour(order[i]));
	picture_panel_end(p);
}

static void multiples_legend(struct picture *p, const struct curve *curve, size_t n)
{
	static const enum cell_figure order[] = {CELL_P99, CELL_P95, CELL_MEAN, CELL_P50};

	for (size_t i = 0; i < CELL_FIGURES; i++) {
		char how[48];

		(void)snprintf(
			how, sizeof(how), "linespoints linetype %u", draw_figure_colour(order[i]));
		picture_legend(p, how, cell_figure_names[order[i]]);
	}
	picture_legend(p, "lines linetype 8 dashtype (6,5)", "60 %");
	if (draw_has_void(curve, n))
		draw_void_legend(p);
}

static void multiples(struct plots *to, const char *experiment, const struct curve *curve, size_t n,
	const char *more)
{
	const unsigned columns = n == 1 ? 1 : n == 3 || n > 4 ? 3 : 2;
	const unsigned rows = (unsigned)((n + columns - 1) / columns);
	const unsigned width = columns == 1 ? 640 : columns == 2 ? 960 : 1120;
	const bool single = one_policy(curve, n);
	struct draw_range range = {NAN, NAN};
	struct buffer heading;
	char what[96];

	struct plot *plot = plots_add(to, experiment,
		"Points: measured, with 95 % intervals. Lines: predicted, by the closed form where "
		"it is "
		"exact, by simulation elsewhere. The same axes in every panel.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	begin(p, experiment, "percentiles", curve, more,
		(unsigned[]){width, rows * PANEL_HIGH + 80, columns, rows});
	buffer_init(&heading);
	(void)snprintf(what, sizeof(what), "Response time against utilization, %s",
		single ? curve->policy : "by policy");
	draw_heading(&heading, what, curve, n);
	draw_set_heading(p, &heading);
	multiples_legend(p, curve, n);
	for (size_t i = 0; i < n; i++)
		for (int f = 0; f < CELL_FIGURES; f++)
			draw_range_curve(&range, &curve[i], (enum cell_figure)f);
	for (unsigned i = 0; i < n; i++)
		multiples_panel(p, &curve[i], i, single, &range);
	picture_end(p);
}

void plot_multiples(struct plots *to, const char *experiment, const struct curve *curve, size_t n)
{
	for (size_t from = 0; from < n; from += PANELS_MOST) {
		size_t some = n - from < PANELS_MOST ? n - from : PANELS_MOST;
		char more[24] = "";

		if (from > 0)
			(void)snprintf(more, sizeof(more), "%zu", from / PANELS_MOST + 1);
		multiples(to, experiment, curve + from, some, more);
	}
}

/* --- p99 for each number of workers ----------------------------------------------------------- */

static void mark_doubled(struct picture *p, const struct curve *c)
{
	struct curve_value knee = curve_passes(c, 0.1, 2, CURVE_PREDICTED, CELL_P99);
	const struct cell *first = curve_at(c, 0.1, CURVE_PREDICTED, CELL_P99);

	if (!first || !isfinite(knee.value))
		return;
	picture_data(p);
	picture_row(p, (double[]){100 * knee.value, 2 * first->predicted.value[CELL_P99]}, 2);
	picture_draw_coloured(
		p, "using 1:2 with points", PICTURE_INK, "pointtype 6 pointsize 1.7 linewidth 1.6");
}

static void summary_panel(struct picture *p, const struct curve *curve, size_t n)
{
	struct picture_axis x = draw_utilization_axis(DRAW_UTILIZATION), y;
	struct draw_range range = {NAN, NAN};

	for (size_t i = 0; i < n; i++)
		draw_range_curve(&range, &curve[i], CELL_P99);
	y = draw_log_axis(&range, "p99 of the response time, ms");
	picture_panel(p, 0, 0, "", &x, &y);
	if (p->second_axis) {
		double unit = curve->cell[0]->service_ms;

		picture_second_axis(p, &(struct picture_axis){.label = "in mean service times",
					       .low = y.low / unit,
					       .high = y.high / unit,
					       .log = true});
	}
	draw_sixty(p, &range);
	for (size_t i = 0; i < n; i++)
		draw_prediction(p, &curve[i], CELL_P99, draw_workers_colour(i));
	for (size_t i = 0; i < n; i++)
		draw_measured(p, &curve[i], CELL_P99, draw_workers_colour(i));
	for (size_t i = 0; i < n; i++)
		mark_doubled(p, &curve[i]);
	picture_panel_end(p);
}

static void summary_legend(struct picture *p, const struct curve *curve, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char how[48], text[48];

		(void)snprintf(how, sizeof(how), "linespoints linetype %u", draw_workers_colour(i));
		(void)snprintf(text, sizeof(text), "k = %u", curve[i].workers);
		picture_legend(p, how, text);
	}
	picture_legend(
		p, "points linetype 7 pointtype 6 pointsize 1.7 linewidth 1.6", "p99 has doubled");
	picture_legend(p, "lines linetype 8 dashtype (6,5)", "60 %");
	if (draw_has_void(curve, n))
		draw_void_legend(p);
}

void plot_summary(struct plots *to, const char *experiment, const struct curve *curve, size_t n)
{
	struct buffer heading;
	char what[96];

	struct plot *plot = plots_add(to, experiment,
		"One line for each number of workers. Points: measured, with 95 % intervals; "
		"lines: "
		"predicted. A ring marks where the prediction passes twice its value at 10 % "
		"utilization.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	begin(p, experiment, "p99", curve, "", (unsigned[]){820, 520, 1, 1});
	p->top = 24;
	p->second_axis = curve->cell[0]->service_ms > 0;
	buffer_init(&heading);
	(void)snprintf(
		what, sizeof(what), "p99 against utilization, %s over k workers", curve->policy);
	draw_heading(&heading, what, curve, n);
	draw_set_heading(p, &heading);
	summary_legend(p, curve, n);
	summary_panel(p, curve, n);
	picture_end(p);
}

/* --- policies --------------------------------------------------------------------------------- */

#define COLUMNS_MOST 4

static size_t worker_counts(const struct curve *curve, size_t n, unsigned count[COLUMNS_MOST])
{
	size_t counts = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		while (at < counts && count[at] < curve[i].workers)
			at++;
		if ((at < counts && count[at] == curve[i].workers) || counts == COLUMNS_MOST)
			continue;
		memmove(&count[at + 1], &count[at], (counts - at) * sizeof(count[0]));
		count[at] = curve[i].workers;
		counts++;
	}
	return counts;
}

static void policies_panel(struct picture *p, const struct curve *curve, size_t n, unsigned workers,
	unsigned column, enum cell_figure f, const struct draw_range *range)
{
	struct picture_axis x = draw_utilization_axis(DRAW_UTILIZATION);
	struct picture_axis y = draw_log_axis(range, "response time, ms");
	char title[64];

	(void)snprintf(title, sizeof(title), "%s, k = %u workers",
		f == CELL_P50 ? "median (p50)" : "p99", workers);
	picture_panel(p, column, f == CELL_P50 ? 1 : 0, title, &x, &y);
	for (size_t i = 0; i < n; i++)
		if (curve[i].workers == workers)
			draw_prediction(p, &curve[i], f, draw_policy_colour(curve[i].policy));
	for (size_t i = 0; i < n; i++)
		if (curve[i].workers == workers)
			draw_measured(p, &curve[i], f, draw_policy_colour(curve[i].policy));
	picture_panel_end(p);
}

static void policies_legend(struct picture *p, const struct curve *curve, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char how[48];
		bool told = false;

		for (size_t j = 0; j < i; j++)
			told |= strcmp(curve[j].policy, curve[i].policy) == 0;
		(void)snprintf(how, sizeof(how), "linespoints linetype %u",
			draw_policy_colour(curve[i].policy));
		if (!told)
			picture_legend(p, how, curve[i].policy);
	}
	if (draw_has_void(curve, n))
		draw_void_legend(p);
}

void plot_policies(struct plots *to, const char *experiment, const struct curve *curve, size_t n)
{
	static const enum cell_figure figures[] = {CELL_P99, CELL_P50};
	unsigned workers[COLUMNS_MOST + 1];
	const unsigned columns = (unsigned)worker_counts(curve, n, workers);
	struct buffer heading;

	struct plot *plot = plots_add(to, experiment,
		"Points: measured, with 95 % intervals; lines: predicted. The number of workers is "
		"the "
		"same within a column, only the way to choose one differs.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	begin(p, experiment, "side by side", curve, "",
		(unsigned[]){columns == 1 ? 640 : columns * 490, 760, columns, 2});
	buffer_init(&heading);
	draw_heading(&heading, "Policies", curve, n);
	draw_set_heading(p, &heading);
	policies_legend(p, curve, n);
	for (size_t i = 0; i < 2; i++) {
		struct draw_range range = {NAN, NAN};

		for (size_t j = 0; j < n; j++)
			draw_range_curve(&range, &curve[j], figures[i]);
		for (unsigned c = 0; c < columns; c++)
			policies_panel(p, curve, n, workers[c], c, figures[i], &range);
	}
	picture_end(p);
}
