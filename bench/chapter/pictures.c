#include "bench/chapter/pictures.h"

#include "bench/chapter/summary.h"
#include "bench/chapter/table.h"
#include "bench/report/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HEIGHT 440
#define WIDTH_LEAST 640
#define GROUP_PX 62 /* of a bar with room around it */
#define LABEL_LETTER_PX 8
#define LABEL_BYTES 200
#define RANGE "using 1:2:(0):($3-$2) with vectors nohead"
#define BAR 0.8 /* of a group's width, for all of its bars */

/* One plot on its way to a picture. */
struct drawing {
	struct picture *p;
	const struct chapter *c;
	const struct chapter_plot *plot;
	const json_t *lines;
	struct draw_range range;
	unsigned figures; /* that are there */
};

static void make(const struct drawing *d, size_t stage, size_t step, const char *figure,
	const char *template_name, struct summary *ret)
{
	struct buffer path, why;

	buffer_init(&path);
	buffer_init(&why);
	*ret = (struct summary){.median = NAN, .low = NAN, .high = NAN};
	if (figure_path(&path, figure, strlen(figure), template_name, &why) == 0 &&
		buffer_cstring(&path))
		summary_make(
			ret, d->lines, d->c->stage[d->plot->stage[stage]].name, step, path.data);
	buffer_done(&path);
	buffer_done(&why);
}

static const struct chapter_stage *stage_of(const struct drawing *d, size_t i)
{
	return &d->c->stage[d->plot->stage[i]];
}

/* Bars show the last step of a load that has several. */
static size_t step_of_bar(const struct drawing *d, size_t i)
{
	const size_t steps = stage_of(d, i)->load.rates;

	return steps > 0 ? steps - 1 : 0;
}

static size_t steps_of(const struct drawing *d, size_t i)
{
	return stage_of(d, i)->load.rates;
}

static void find_range(struct drawing *d)
{
	for (size_t i = 0; i < d->plot->stages; i++)
		for (size_t step = d->plot->curve ? 0 : step_of_bar(d, i); step < steps_of(d, i);
			step++)
			for (size_t f = 0; f < d->plot->figures; f++) {
				struct summary s;

				make(d, i, step, d->plot->figure[f], d->plot->template_name, &s);
				draw_range_add(&d->range, s.low);
				draw_range_add(&d->range, s.high);
				d->figures += s.median > 0;
			}
}

static void put_heading(const struct drawing *d)
{
	struct buffer heading;

	buffer_init(&heading);
	buffer_puts(&heading, d->plot->title);
	if (table_is_emulated(d->c))
		buffer_puts(&heading, " (emulated work)");
	draw_set_heading(d->p, &heading);
}

static unsigned colour_of(size_t i)
{
	static const unsigned colour[] = {PICTURE_BLUE, PICTURE_ORANGE, PICTURE_VERMILLION,
		PICTURE_GREEN, PICTURE_PURPLE, PICTURE_SKY, PICTURE_INK};

	return colour[i % (sizeof colour / sizeof *colour)];
}

static const char *axis_label(const struct drawing *d)
{
	return *d->plot->label ? d->plot->label : "ms";
}

/* --- bars ------------------------------------------------------------------------------------------------------ */

static double place(const struct drawing *d, size_t stage, size_t figure)
{
	return (double)stage + BAR * (((double)figure + 0.5) / (double)d->plot->figures - 0.5);
}

static double bar_width(const struct drawing *d)
{
	return 0.9 * BAR / (double)d->plot->figures;
}

/* Grey where nothing counts. */
static void draw_bars(struct drawing *d, size_t figure, bool voids)
{
	char how[64];
	unsigned rows = 0;

	for (size_t i = 0; i < d->plot->stages; i++) {
		struct summary s;

		make(d, i, step_of_bar(d, i), d->plot->figure[figure], d->plot->template_name, &s);
		if (!(s.median > 0) || s.of_voids != voids)
			continue;
		if (rows++ == 0)
			picture_data(d->p);
		picture_row(d->p, (double[]){place(d, i, figure), s.median, s.low, s.high}, 4);
	}
	if (rows == 0)
		return;
	(void)snprintf(how, sizeof how, "using 1:2:(%.4f) with boxes", bar_width(d));
	picture_draw_coloured(d->p, how, voids ? PICTURE_RULE : colour_of(figure), "");
}

static void put_values(const struct drawing *d, size_t figure)
{
	for (size_t i = 0; i < d->plot->stages; i++) {
		struct summary s;
		char text[32];

		make(d, i, step_of_bar(d, i), d->plot->figure[figure], d->plot->template_name, &s);
		(void)snprintf(text, sizeof text, s.median >= 100 ? "%.0f" : "%.3g", s.median);
		if (s.median > 0)
			picture_text(
				d->p, text, place(d, i, figure), s.high, "center offset 0,0.6");
	}
}

/* How far repetitions were apart. */
static void draw_ranges(struct drawing *d, size_t figure)
{
	unsigned rows = 0;

	for (size_t i = 0; i < d->plot->stages; i++) {
		struct summary s;

		make(d, i, step_of_bar(d, i), d->plot->figure[figure], d->plot->template_name, &s);
		if (!(s.median > 0))
			continue;
		if (rows++ == 0)
			picture_data(d->p);
		picture_row(d->p, (double[]){place(d, i, figure), s.low, s.high}, 3);
	}
	if (rows > 0)
		picture_draw_coloured(d->p, RANGE, PICTURE_INK, "linewidth 1");
}

/* One line of a stage's name below its bars. */
static void put_name_line(
	const struct drawing *d, size_t stage, const char *text, size_t len, unsigned line)
{
	struct buffer command;
	char copy[LABEL_BYTES];

	(void)snprintf(copy, sizeof copy, "%.*s", (int)len, text);
	buffer_init(&command);
	buffer_puts(&command, "set label ");
	picture_quote(&command, copy);
	buffer_printf(&command, " at first %zu, graph 0 center offset 0,-%.1f noenhanced", stage,
		0.9 + line);
	const char *raw = buffer_cstring(&command);
	if (raw)
		picture_raw(d->p, raw);
	d->p->script.failed = d->p->script.failed || !raw;
	buffer_done(&command);
}

/* The blank next to the middle; the whole length where there is none. */
static size_t middle_blank(const char *text)
{
	const size_t len = strlen(text);
	size_t best = len;

	for (size_t i = 0; i < len; i++) {
		const double far = fabs((double)i - (double)len / 2);

		if (text[i] == ' ' && (best == len || far < fabs((double)best - (double)len / 2)))
			best = i;
	}
	return best;
}

static double group_px(const struct drawing *d)
{
	return fmax(GROUP_PX * (double)d->plot->figures, 130);
}

static void put_names(const struct drawing *d)
{
	for (size_t i = 0; i < d->plot->stages; i++) {
		const char *title = stage_of(d, i)->title;
		const size_t blank = middle_blank(title), len = strlen(title);

		if ((double)len * LABEL_LETTER_PX < group_px(d) || blank == len) {
			put_name_line(d, i, title, len, 0);
			continue;
		}
		put_name_line(d, i, title, blank, 0);
		put_name_line(d, i, title + blank + 1, len - blank - 1, 1);
	}
}

static bool has_void(const struct drawing *d)
{
	bool any = false;

	for (size_t i = 0; i < d->plot->stages; i++)
		for (size_t step = d->plot->curve ? 0 : step_of_bar(d, i); step < steps_of(d, i);
			step++) {
			struct summary s;

			make(d, i, step, d->plot->figure[0], d->plot->template_name, &s);
			any = any || s.of_voids;
		}
	return any;
}

static void put_bars_legend(const struct drawing *d)
{
	for (size_t f = 0; f < d->plot->figures; f++) {
		char how[40];

		(void)snprintf(how, sizeof how, "boxes linetype %u", colour_of(f));
		picture_legend(d->p, how, d->plot->figure[f]);
	}
	if (has_void(d))
		picture_legend(d->p, "boxes linetype 9", "void: does not count");
}

static void bars(struct drawing *d)
{
	const struct picture_axis x = {.low = -0.6, .high = (double)d->plot->stages - 0.4};
	struct picture_axis y = draw_log_axis(&d->range, axis_label(d));

	/* A bar has no natural foot on a logarithmic axis: it begins well below the least. */
	y.low = d->range.low / 2.5;
	y.high = d->range.high * 2;
	put_bars_legend(d);
	picture_panel(d->p, 0, 0, "", &x, &y);
	picture_raw(d->p, "unset xtics");
	put_names(d);
	for (size_t f = 0; f < d->plot->figures; f++) {
		put_values(d, f);
		draw_bars(d, f, false);
		draw_bars(d, f, true);
	}
	for (size_t f = 0; f < d->plot->figures; f++)
		draw_ranges(d, f);
	picture_panel_end(d->p);
}

/* --- curves ---------------------------------------------------------------------------------------------------- */

/* As often as the curve is drawn: a data block is drawn once. */
static unsigned put_curve(struct drawing *d, size_t stage, size_t figure, bool only_voids)
{
	unsigned rows = 0;

	for (size_t step = 0; step < steps_of(d, stage); step++) {
		struct summary x, y;

		make(d, stage, step, d->plot->x, NULL, &x);
		make(d, stage, step, d->plot->figure[figure], d->plot->template_name, &y);
		if (!isfinite(x.median) || !(y.median > 0) || (only_voids && !y.of_voids))
			continue;
		if (rows++ == 0)
			picture_data(d->p);
		picture_row(d->p, (double[]){x.median, y.low, y.high, y.median}, 4);
	}
	return rows;
}

static void draw_curve(struct drawing *d, size_t stage, size_t figure, unsigned colour)
{
	if (put_curve(d, stage, figure, false) > 0)
		picture_draw_coloured(d->p, RANGE, colour, "linewidth 1");
	if (put_curve(d, stage, figure, false) > 0)
		picture_draw_coloured(d->p, "using 1:4 with linespoints", colour, "");
	if (put_curve(d, stage, figure, true) > 0)
		picture_draw_coloured(
			d->p, "using 1:4 with points", PICTURE_FAINT, "pointsize 1.3 linewidth 2");
}

static void put_curve_legend(const struct drawing *d, size_t stage, size_t figure, unsigned colour)
{
	char how[40], text[LABEL_BYTES];

	(void)snprintf(how, sizeof how, "linespoints linetype %u", colour);
	(void)snprintf(text, sizeof text, "%s%s%s", stage_of(d, stage)->title,
		d->plot->figures > 1 ? ", " : "",
		d->plot->figures > 1 ? d->plot->figure[figure] : "");
	picture_legend(d->p, how, text);
}

static const char *x_label(const struct chapter_plot *plot)
{
	if (strcmp(plot->x, "offered") == 0 || strcmp(plot->x, "achieved") == 0)
		return "requests per second";
	return strcmp(plot->x, "busy") == 0 ? "busy share of the workers" : plot->x;
}

static void curves(struct drawing *d)
{
	const struct picture_axis x = {.label = x_label(d->plot), .low = 0, .high = NAN};
	const struct picture_axis y = draw_log_axis(&d->range, axis_label(d));
	const size_t figures = d->plot->figures;

	for (size_t i = 0; i < d->plot->stages * figures; i++)
		put_curve_legend(d, i / figures, i % figures, colour_of(i));
	if (has_void(d))
		draw_void_legend(d->p);
	picture_panel(d->p, 0, 0, "", &x, &y);
	for (size_t i = 0; i < d->plot->stages * figures; i++)
		draw_curve(d, i / figures, i % figures, colour_of(i));
	picture_panel_end(d->p);
}

/* --- together -------------------------------------------------------------------------------------------------- */

bool pictures_make(struct picture *ret, const struct chapter *c, size_t index, const json_t *lines)
{
	struct drawing d = {
		.p = ret, .c = c, .plot = &c->plot[index], .lines = lines, .range = {NAN, NAN}};
	char name[PICTURE_NAME_BYTES];
	double width = WIDTH_LEAST;

	find_range(&d);
	if (d.figures == 0)
		return false;
	if (!d.plot->curve)
		width = fmax(width, 120 + group_px(&d) * (double)d.plot->stages);
	(void)snprintf(name, sizeof name, "%s-%zu-%.40s", c->name, index + 1, d.plot->title);
	picture_init(ret, name, (unsigned)width, HEIGHT, 1, 1);
	put_heading(&d);
	if (d.plot->curve)
		curves(&d);
	else
		bars(&d);
	picture_end(ret);
	return true;
}
