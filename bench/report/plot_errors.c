/* How far measured figures are from the replay's and the predicted ones, and what lies between. */
#include "bench/report/draw.h"
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BOUND 15 /* %: what p99 is held to */

static void begin(struct picture *p, const char *what, const char *kind, const unsigned size[4])
{
	char name[PICTURE_NAME_BYTES];

	(void)snprintf(name, sizeof(name), "model-error %s %s", what, kind);
	picture_init(p, name, size[0], size[1], size[2], size[3]);
}

static bool is_kind(const struct curve *c, const char *kind)
{
	return strcmp(c->kind, kind) == 0;
}

static bool any_figure(const struct curves *all, const char *kind, enum curve_source source)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct curve *c = &all->curve[i];

		for (size_t n = 0; n < c->cells && is_kind(c, kind); n++)
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

/* Replay and measurement share their arrivals, so the sampling error of one is not that of their difference. */
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

		if (!is_kind(c, kind) || !is_policy(c, policy))
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

		for (size_t n = 0; n < c->cells && is_kind(c, kind); n++) {
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

			if (!is_kind(&all->curve[i], kind) ||
				!is_policy(&all->curve[i], policies[k]))
				continue;
			(void)snprintf(
				how, sizeof(how), "points linetype %u", draw_policy_colour(name));
			picture_legend(p, how, name);
			break;
		}
	picture_legend(p, "lines linetype 8 dashtype (6,5)", "±15 %");
}

static const struct curve *first_of(const struct curves *all, const char *kind)
{
	for (size_t i = 0; i < all->count; i++)
		if (is_kind(&all->curve[i], kind))
			return &all->curve[i];
	return NULL;
}

static void set_heading(
	struct picture *p, const struct curves *all, const char *kind, const char *what)
{
	struct curve any = *first_of(all, kind);
	struct buffer heading;

	any.spec = "";
	buffer_init(&heading);
	draw_heading(&heading, what, &any, 1);
	draw_set_heading(p, &heading);
}

void plot_errors(struct plots *to, const struct curves *all, const char *kind)
{
	const bool replay = any_figure(all, kind, CURVE_REPLAY);
	const bool predicted = any_figure(all, kind, CURVE_PREDICTED);
	struct draw_range p99 = {NAN, NAN};
	double most = BOUND * 1.3;

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
	begin(p, "", kind,
		(unsigned[]){replay && predicted ? 980 : 640, 800, replay && predicted ? 2 : 1, 2});
	ranges(all, kind, &p99, &most);
	most = fmin(most * 1.05, 100);
	set_heading(p, all, kind, "Error of the models, p99");
	errors_legend(p, all, kind);
	for (unsigned s = CURVE_REPLAY, column = 0; s <= CURVE_PREDICTED; s++) {
		if (!(s == CURVE_REPLAY ? replay : predicted))
			continue;
		scatter_panel(p, all, kind, column, (enum curve_source)s, &p99);
		error_panel(p, all, kind, column++, (enum curve_source)s, most);
	}
	picture_end(p);
}

/* --- what lies between ---------------------------------------------------------------------------------------------- */

#define SPLIT_CURVES_MOST 4

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

#define BARS_MOST 16

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

/* How well a curve stands for the claim: the two policies that it names, with four workers, first. */
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
		for (size_t i = 0; i < all->count && n < 2; i++) {
			const struct cell *cell[1];

			if (is_kind(&all->curve[i], kind) && split_rank(&all->curve[i]) == rank &&
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
	begin(p, "split", kind, (unsigned[]){n > 1 ? 1020 : 660, 760, n, 2});
	set_heading(p, all, kind, "What lies between a perfect fleet and the measured one");
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
