/* What lies between the measured figures and the replay's: the split, part by part. */
#include "bench/report/draw.h"
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SPLIT_CURVES_MOST 2
#define BARS_MOST 16

static bool has_split(const struct cell *c)
{
	return !c->void_reason && c->split[CELL_P99][CELL_REPLAY] > 0;
}

/* Cells of a curve with a split, each utilization once. */
static size_t split_cells(const struct curve *c, const struct cell **ret, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; i < c->cells && n < most; i++)
		if (has_split(c->cell[i]) &&
			(n == 0 || c->cell[i]->utilization > ret[n - 1]->utilization + 1e-6))
			ret[n++] = c->cell[i];
	return n;
}

static double part_of(const struct cell *c, enum cell_figure f, int part)
{
	return 100 * c->split[f][part] / c->split[f][CELL_REPLAY];
}

static void stack(const struct cell *c, enum cell_figure f, int part, double *low, double *high)
{
	double up = 0, down = 0, size = part_of(c, f, part);

	for (int i = CELL_TIMER; i < part; i++) {
		double other = part_of(c, f, i);

		up += other > 0 ? other : 0;
		down += other < 0 ? other : 0;
	}
	*low = size < 0 ? down + size : up;
	*high = size < 0 ? down : up + size;
}

static void split_panel(struct picture *p, const struct curve *c, unsigned column, unsigned row,
	enum cell_figure f, const double range[2])
{
	const struct cell *cell[BARS_MOST];
	size_t n = split_cells(c, cell, BARS_MOST);
	struct picture_axis x = {
		.label = "utilization (wanted), %", .low = 0.4, .high = (double)n + 0.6};
	struct picture_axis y = {
		.label = "added, % of the replay", .low = range[0], .high = range[1]};
	char title[96];

	(void)snprintf(title, sizeof(title), "%s, %s%s%s, k = %u", cell_figure_names[f], c->spec,
		*c->spec ? ", " : "", c->policy, c->workers);
	picture_panel(p, column, row, title, &x, &y);
	picture_raw(p, "set xtics ()");
	for (size_t i = 0; i < n; i++) {
		char tic[64];

		(void)snprintf(tic, sizeof(tic), "set xtics add ('%.0f' %zu)",
			100 * cell[i]->utilization, i + 1);
		picture_raw(p, tic);
	}
	picture_arrow(p, 0.4, 0, (double)n + 0.6, 0, "linetype 8 back");
	for (int part = CELL_TIMER; part <= CELL_GENERATOR; part++) {
		picture_data(p);
		for (size_t i = 0; i < n; i++) {
			double low, high, at = (double)i + 1;

			stack(cell[i], f, part, &low, &high);
			picture_row(p, (double[]){at, low, at - 0.34, at + 0.34, low, high}, 6);
		}
		picture_draw_coloured(p, "using 1:2:3:4:5:6 with boxxyerror", (unsigned)part, "");
	}
	picture_data(p);
	for (size_t i = 0; i < n; i++)
		picture_row(
			p, (double[]){(double)i + 1, part_of(cell[i], f, CELL_MEASURED) - 100}, 2);
	picture_draw_coloured(
		p, "using 1:2 with points", PICTURE_INK, "pointtype 12 pointsize 1.4");
	picture_panel_end(p);
}

/*
 * How well a curve stands for the claim: the two policies that it names, with four workers, first.
 */
static int split_rank(const struct curve *c)
{
	int rank = strncmp(c->spec, "exp:", 4) == 0 ? 0 : 8;

	rank += c->workers == 4 ? 0 : 4;
	if (strcmp(c->policy, "roundrobin") == 0)
		return rank;
	return rank + (strcmp(c->policy, "central") == 0 ? 1 : 2);
}

static unsigned choose(
	const struct curves *all, const char *kind, const struct curve *chosen[SPLIT_CURVES_MOST])
{
	unsigned n = 0;

	for (int rank = 0; rank < 16; rank++)
		for (size_t i = 0; i < all->count && n < SPLIT_CURVES_MOST; i++) {
			const struct cell *cell[1];

			if (draw_is_kind(&all->curve[i], kind) &&
				split_rank(&all->curve[i]) == rank &&
				split_cells(&all->curve[i], cell, 1) > 0)
				chosen[n++] = &all->curve[i];
		}
	return n;
}

static void split_range(const struct curve *c, enum cell_figure f, double range[2])
{
	const struct cell *cell[BARS_MOST];
	size_t n = split_cells(c, cell, BARS_MOST);

	for (size_t i = 0; i < n; i++)
		for (int part = CELL_TIMER; part <= CELL_GENERATOR; part++) {
			double low, high;

			stack(cell[i], f, part, &low, &high);
			range[0] = fmin(range[0], low * 1.1);
			range[1] = fmax(range[1], high * 1.1);
		}
}

static void split_legend(struct picture *p)
{
	for (int part = CELL_TIMER; part <= CELL_GENERATOR; part++) {
		char how[32];

		(void)snprintf(how, sizeof(how), "boxes linetype %d", part);
		picture_legend(p, how, cell_part_names[part]);
	}
	picture_legend(p, "points linetype 7 pointtype 12 pointsize 1.4", "sum");
}

void plot_split(struct plots *to, const struct curves *all, const char *kind)
{
	static const enum cell_figure figures[] = {CELL_MEAN, CELL_P99};
	const struct curve *chosen[SPLIT_CURVES_MOST];
	const unsigned n = choose(all, kind, chosen);
	char name[PICTURE_NAME_BYTES];

	if (n == 0)
		return;
	struct plot *plot = plots_add(to, "model-error",
		"What the real fleet adds to a perfect one, in % of the perfect one's time. timer: "
		"service "
		"times other than asked for; dispatch: workers other than the policy's own choice; "
		"loop: "
		"the fixed cost of a request; proxy: HAProxy and the sockets; generator: lateness "
		"of the "
		"load. Bars below 0 took time away; the diamond is the sum, measured minus "
		"replay.");
	if (!plot)
		return;
	struct picture *p = &plot->picture;
	(void)snprintf(name, sizeof(name), "model-error split %s", kind);
	picture_init(p, name, n > 1 ? 1020 : 660, 760, n, 2);
	draw_set_kind_heading(
		p, all, kind, "What lies between a perfect fleet and the measured one");
	split_legend(p);
	for (unsigned row = 0; row < 2; row++) {
		double range[2] = {-0.5, 1};

		for (unsigned i = 0; i < n; i++)
			split_range(chosen[i], figures[row], range);
		for (unsigned i = 0; i < n; i++)
			split_panel(p, chosen[i], i, row, figures[row], range);
	}
	picture_end(p);
}
