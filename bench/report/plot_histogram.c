/*
 * The long tail: how response times are distributed, and what share of them is slower than a time.
 */
#include "bench/report/draw.h"
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double total_of(const struct cell *c)
{
	double total = 0;

	for (size_t i = 0; i < c->bars; i++)
		total += c->bar[i].count;
	return total;
}

/* The fastest 0.5 % are left out: on a logarithmic axis they would only squeeze the rest. */
static struct draw_range times_of(const struct cell *c, double total)
{
	struct draw_range r = {NAN, NAN};
	double below = 0;

	for (size_t i = 0; i < c->bars; i++) {
		below += c->bar[i].count;
		if (below >= total / 200)
			draw_range_add(&r, c->bar[i].low);
		draw_range_add(&r, c->bar[i].high);
	}
	/* Room for the words beside p99. */
	r.high *= 1.6;
	return r;
}

/*
 * Bars are not equally wide on a logarithmic axis, so their height is a density: by their areas
 * they compare.
 */
static double density(const struct cell_bar *b, double total)
{
	return b->low > 0 ? 100 * b->count / total / log2(b->high / b->low) : 0;
}

static double density_most(const struct cell *c, double total)
{
	double most = 0;

	for (size_t i = 0; i < c->bars; i++)
		most = fmax(most, density(&c->bar[i], total));
	return most;
}

/*
 * Mean and percentiles as lines through both panels, with words in the upper one, each on a line of
 * its own.
 */
static void mark(struct picture *p, const struct cell *c, double top, double bottom, bool words)
{
	static const enum cell_figure order[] = {CELL_P50, CELL_MEAN, CELL_P95, CELL_P99};
	static const char *const name[] = {"median", "mean", "p95", "p99"};

	for (unsigned i = 0; i < CELL_FIGURES; i++) {
		double at = c->measured.value[order[i]];
		char text[64], how[96];

		if (!(at > 0))
			continue;
		(void)snprintf(how, sizeof(how), "linetype %u linewidth 1.8 %s front",
			draw_figure_colour(order[i]),
			order[i] == CELL_MEAN ? "dashtype (8,4)" : "");
		picture_arrow(p, at, bottom, at, top, how);
		(void)snprintf(text, sizeof(text), " %s %.3g ms ", name[i], at);
		/* On the side where the fewest of the other lines are. */
		(void)snprintf(how, sizeof(how), "%s boxed textcolor rgb ink",
			order[i] == CELL_P50 || order[i] == CELL_P95 ? "right" : "left");
		if (words)
			picture_text(p, text, at, top * (0.95 - 0.09 * i), how);
	}
}

static void bars_panel(struct picture *p, const struct cell *c, const struct draw_range *times)
{
	const double total = total_of(c), high = density_most(c, total) * 1.45;
	struct picture_axis x = {.low = times->low, .high = times->high, .log = true};
	struct picture_axis y = {
		.label = "% of requests for each doubling", .low = 0, .high = high};

	picture_panel(p, 0, 0, "How long requests took", &x, &y);
	mark(p, c, high, 0, true);
	picture_data(p);
	for (size_t i = 0; i < c->bars; i++)
		if (c->bar[i].low >= times->low)
			picture_row(p,
				(double[]){
					c->bar[i].low, c->bar[i].high, density(&c->bar[i], total)},
				3);
	picture_draw_coloured(p, "using (sqrt($1*$2)):3:1:2:(0):3 with boxxyerror", PICTURE_FAINT,
		"fillstyle solid 0.45");
	picture_panel_end(p);
}

static void tail_panel(struct picture *p, const struct cell *c, const struct draw_range *times)
{
	const double total = total_of(c);
	double slower = total, least = 100;
	struct picture_axis x = {.label = "response time, ms (logarithmic)",
		.low = times->low,
		.high = times->high,
		.log = true};

	for (size_t i = 0; i + 1 < c->bars; i++) {
		slower -= c->bar[i].count;
		if (slower > 0)
			least = 100 * slower / total;
	}
	struct picture_axis y = {.label = "share that is slower, %",
		.low = pow(10, floor(log10(least))),
		.high = 130,
		.log = true};
	picture_panel(p, 0, 1, "The long tail: requests that took longer", &x, &y);
	mark(p, c, 130, y.low, false);
	picture_data(p);
	slower = total;
	picture_row(p, (double[]){times->low, 100}, 2);
	for (size_t i = 0; i < c->bars; i++) {
		slower -= c->bar[i].count;
		if (slower > 0.5)
			picture_row(p, (double[]){c->bar[i].high, 100 * slower / total}, 2);
	}
	picture_draw_coloured(p, "using 1:2 with lines", PICTURE_INK, "linewidth 2");
	picture_panel_end(p);
}

void plot_histogram(struct plots *to, const char *experiment, const struct curve *curve,
	const struct cell *cell)
{
	const double total = total_of(cell);
	struct draw_range times = times_of(cell, total);
	char name[PICTURE_NAME_BYTES], what[128];
	struct buffer heading;

	if (!(total > 0) || !(times.high > times.low))
		return;
	struct plot *plot = plots_add(to, experiment,
		"Above: the histogram, with mean, median, p95 and p99. Below: the share of "
		"requests that "
		"took longer than a time, which shows the tail that the bars are too low for.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	(void)snprintf(name, sizeof(name), "%s histogram %s %s %s k%u rho%.2f", experiment,
		cell->kind, curve->spec, cell->policy, cell->workers, cell->utilization);
	picture_init(p, name, 860, 640, 1, 2);
	buffer_init(&heading);
	(void)snprintf(what, sizeof(what), "Response times, %s, k = %u, %.0f %% utilization",
		cell->policy, cell->workers, 100 * cell->utilization);
	draw_heading(&heading, what, curve, 1);
	draw_set_heading(p, &heading);
	bars_panel(p, cell, &times);
	tail_panel(p, cell, &times);
	picture_end(p);
}
