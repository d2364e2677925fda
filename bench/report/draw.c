#include "bench/report/draw.h"

#include "bench/model/policy.h"
#include "bench/model/service.h"
#include "bench/plan/closed.h"

#include <math.h>
#include <string.h>

#define DENSE_FROM 0.02
#define DENSE_TO 0.985
#define DENSE_STEPS 150

unsigned draw_policy_colour(const char *policy)
{
	static const struct {
		const char *name;
		enum picture_colour colour;
	} known[] = {{"roundrobin", PICTURE_BLUE}, {"random", PICTURE_VERMILLION},
		{"random(2)", PICTURE_PURPLE}, {"leastconn", PICTURE_ORANGE},
		{"central", PICTURE_GREEN}, {"central(2)", PICTURE_SKY}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(policy, known[i].name) == 0)
			return known[i].colour;
	return PICTURE_INK;
}

unsigned draw_figure_colour(enum cell_figure f)
{
	static const unsigned colour[CELL_FIGURES] = {
		PICTURE_GREEN, PICTURE_BLUE, PICTURE_ORANGE, PICTURE_VERMILLION};

	return colour[f];
}

unsigned draw_workers_colour(size_t index)
{
	static const unsigned colour[] = {PICTURE_VERMILLION, PICTURE_ORANGE, PICTURE_GREEN,
		PICTURE_BLUE, PICTURE_PURPLE, PICTURE_SKY, PICTURE_INK};

	return colour[index % (sizeof(colour) / sizeof(colour[0]))];
}

/* --- curves ----------------------------------------------------------------------------------- */

static double closed_figure(const struct closed_response *r, enum cell_figure f)
{
	const double us[CELL_FIGURES] = {r->mean_us, r->p50_us, r->p95_us, r->p99_us};

	return us[f] / 1000;
}

struct nominal {
	struct policy policy;
	struct service service;
};

static bool nominal_of(struct nominal *ret, const struct curve *c)
{
	struct buffer error;

	buffer_init(&error);
	bool known = *c->spec && policy_parse(&ret->policy, c->policy, &error) == 0 &&
		     service_parse(&ret->service, c->spec, &error) == 0;
	buffer_done(&error);
	return known;
}

static double closed_at(
	const struct nominal *n, const struct curve *c, double utilization, enum cell_figure f)
{
	struct closed_response r;
	double rate = utilization * c->workers / (n->service.mean_us / 1e6);

	closed_response(&n->policy, c->workers, rate, &n->service, &r);
	return closed_figure(&r, f);
}

/* false, and nothing drawn, where the figure has no closed form. */
static bool draw_closed(
	struct picture *p, const struct curve *c, enum cell_figure f, unsigned colour)
{
	struct nominal n;

	if (!nominal_of(&n, c))
		return false;
	bool known = closed_at(&n, c, 0.5, f) > 0;
	if (known) {
		picture_data(p);
		for (int i = 0; i <= DENSE_STEPS; i++) {
			/* Closer together towards 1, where the curve is steep. */
			double share = 1 - pow(1 - (double)i / DENSE_STEPS, 2);
			double at = DENSE_FROM + (DENSE_TO - DENSE_FROM) * share;
			double y = closed_at(&n, c, at, f);

			if (y > 0)
				picture_row(p, (double[]){100 * at, y}, 2);
		}
		picture_draw_coloured(p, "using 1:2 with lines", colour, "");
	}
	service_done(&n.service);
	return known;
}

static size_t count_figures(const struct curve *c, enum curve_source source, enum cell_figure f)
{
	size_t n = 0;

	for (size_t i = 0; i < c->cells; i++)
		n += curve_latency(c->cell[i], source)->value[f] > 0;
	return n;
}

void draw_prediction(struct picture *p, const struct curve *c, enum cell_figure f, unsigned colour)
{
	if (draw_closed(p, c, f, colour) || count_figures(c, CURVE_PREDICTED, f) == 0)
		return;
	/* Between two simulated points the curve is curve_value_at()'s, a chord would lie far above it. */
	const double from = c->cell[0]->utilization, to = c->cell[c->cells - 1]->utilization;
	picture_data(p);
	for (int i = 0; i <= DENSE_STEPS; i++) {
		const double at = from + (to - from) * i / DENSE_STEPS;
		const double y = curve_value_at(c, at, CURVE_PREDICTED, f).value;

		if (y > 0)
			picture_row(p, (double[]){100 * at, y}, 2);
	}
	picture_draw_coloured(p, "using 1:2 with lines", colour, "");
}

static void draw_some(struct picture *p, const struct curve *c, enum cell_figure f, bool voided,
	const char *how, unsigned colour, const char *more)
{
	unsigned rows = 0;

	for (size_t i = 0; i < c->cells; i++) {
		const struct cell *cell = c->cell[i];
		double y = cell->measured.value[f];
		struct interval around = cell->measured.interval[f];

		if (!(y > 0) || !cell->void_reason == voided)
			continue;
		if (rows++ == 0)
			picture_data(p);
		picture_row(p,
			(double[]){100 * cell_busy(cell), y, around.known ? around.low : y,
				around.known ? around.high : y},
			4);
	}
	if (rows > 0)
		picture_draw_coloured(p, how, colour, more);
}

void draw_measured(struct picture *p, const struct curve *c, enum cell_figure f, unsigned colour)
{
	draw_some(p, c, f, false, "using 1:2:3:4 with yerrorbars", colour, "linewidth 1.2");
	draw_some(
		p, c, f, true, "using 1:2 with points", PICTURE_FAINT, "pointsize 1.3 linewidth 2");
}

bool draw_has_void(const struct curve *curve, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < curve[i].cells; j++)
			if (curve[i].cell[j]->void_reason &&
				curve[i].cell[j]->measured.value[CELL_P99] > 0)
				return true;
	return false;
}

void draw_void_legend(struct picture *p)
{
	picture_legend(p, "points linetype 8 pointsize 1.3 linewidth 2", "void");
}

/* --- axes and headings ------------------------------------------------------------------------ */

void draw_range_add(struct draw_range *r, double value)
{
	if (!(value > 0) || !isfinite(value))
		return;
	if (!(r->low <= value))
		r->low = value;
	if (!(r->high >= value))
		r->high = value;
}

void draw_range_curve(struct draw_range *r, const struct curve *c, enum cell_figure f)
{
	for (size_t i = 0; i < c->cells; i++) {
		const struct cell *cell = c->cell[i];

		draw_range_add(r, cell->measured.value[f]);
		draw_range_add(r, cell->predicted.value[f]);
		if (cell->measured.interval[f].known) {
			draw_range_add(r, cell->measured.interval[f].low);
			draw_range_add(r, cell->measured.interval[f].high);
		}
	}
}

struct picture_axis draw_log_axis(const struct draw_range *r, const char *label)
{
	bool any = r->low > 0;

	return (struct picture_axis){.label = label,
		.low = any ? r->low / 1.3 : 1,
		.high = any ? r->high * 1.4 : 10,
		.log = true};
}

struct picture_axis draw_utilization_axis(const char *label)
{
	return (struct picture_axis){.label = label, .low = 0, .high = 100};
}

void draw_sixty(struct picture *p, const struct draw_range *r)
{
	if (!(r->low > 0))
		return;
	picture_arrow(p, 60, r->low / 1.3, 60, r->high * 1.4,
		"linetype 8 linewidth 1 dashtype (6,5) back");
}

static bool any_quick(const struct curve *curve, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < curve[i].cells; j++)
			if (curve[i].cell[j]->quick)
				return true;
	return false;
}

void draw_heading(struct buffer *out, const char *what, const struct curve *curve, size_t n)
{
	buffer_printf(out, "%s: %s service", what, curve->kind);
	if (*curve->spec)
		buffer_printf(out, " %s", curve->spec);
	if (any_quick(curve, n))
		buffer_puts(out, " (quick run)");
}

void draw_set_heading(struct picture *p, struct buffer *text)
{
	const char *heading = buffer_cstring(text);

	if (heading)
		picture_heading(p, heading);
	else
		p->script.failed = true;
	buffer_done(text);
}

bool draw_is_kind(const struct curve *c, const char *kind)
{
	return strcmp(c->kind, kind) == 0;
}

static const struct curve *first_of(const struct curves *all, const char *kind)
{
	for (size_t i = 0; i < all->count; i++)
		if (draw_is_kind(&all->curve[i], kind))
			return &all->curve[i];
	return NULL;
}

void draw_set_kind_heading(
	struct picture *p, const struct curves *all, const char *kind, const char *what)
{
	struct curve any = *first_of(all, kind);
	struct buffer heading;

	any.spec = "";
	buffer_init(&heading);
	draw_heading(&heading, what, &any, 1);
	draw_set_heading(p, &heading);
}
