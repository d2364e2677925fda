#include "bench/timeline/svg.h"

#include "bench/markup.h"
#include "bench/timeline/palette.h"

#include <math.h>
#include <string.h>

/* px of a screen */
#define WIDTH 1180
#define LEFT 158
#define RIGHT 118
#define PLOT (WIDTH - LEFT - RIGHT)
#define HEAD 58 /* title and who waited for whom */
#define LEGEND 26
#define LOOP 30
#define GAP 18
#define ROW 16
#define STEP 20
#define AXIS 46

#define NARROWEST 0.8 /* a box that is shorter is drawn as wide */
#define LETTER 6.6    /* width of a digit in a box */

struct drawing {
	const struct timeline_view *v;
	struct buffer *out;
	double loop_y, rows_y, axis_y;
	/* The box that was drawn last on the loop. */
	double drawn_from, drawn_to;
	size_t drawn_route;
};

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static double clamp(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

static double x_of(const struct drawing *d, int64_t us)
{
	const double share = (double)(us - d->v->from_us) / (double)(d->v->to_us - d->v->from_us);

	return LEFT + PLOT * clamp(share, 0, 1);
}

static const char *route_of(const struct drawing *d, size_t q)
{
	return d->v->events->route[d->v->events->request[q].route];
}

/* A box of the class; NARROWEST at least, so that whatever happened is seen. */
static void put_box(struct drawing *d, const char *class, const char *fill, int64_t from_us,
	int64_t to_us, double y, double height)
{
	const double x = x_of(d, from_us), width = fmax(x_of(d, to_us) - x, NARROWEST);

	buffer_printf(d->out,
		"<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"", class, x,
		y, width, height);
	if (fill)
		buffer_printf(d->out, " fill=\"%s\"", fill);
	buffer_puts(d->out, "/>\n");
}

static void put_words(struct drawing *d, const char *class, double x, double y, const char *text)
{
	buffer_printf(d->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	markup_text(d->out, text);
	buffer_puts(d->out, "</text>\n");
}

/* --- frame ------------------------------------------------------------------------------------ */

static const char style[] =
	"<style>"
	".tl{font-family:system-ui,'Liberation Sans',Arial,sans-serif;font-size:12px}"
	".tl text{fill:#1a1a1a}"
	".tl .paper{fill:#ffffff}"
	".tl .title{font-size:17px;font-weight:600}"
	".tl .said{font-size:13.5px}"
	".tl .faint{fill:#5f6368}"
	".tl .end{text-anchor:end}.tl .mid{text-anchor:middle}"
	".tl .strong{font-weight:600}"
	".tl .grid{stroke:#d9dce0;stroke-width:1}"
	".tl .frame{stroke:#8a9096;stroke-width:1;fill:none}"
	".tl .lane{fill:#f4f6f8}"
	".tl .mark{fill:#fdf3d8}"
	".tl .cause{opacity:.13}"
	".tl .wait{fill:#ffffff;stroke:#8a9096;stroke-width:1}"
	".tl .worst{stroke:#1a1a1a;stroke-width:1.6}"
	".tl .run{stroke:none}"
	".tl .hatch{fill:url(#tl-hatch)}"
	"@media (prefers-color-scheme:dark){"
	".tl text{fill:#e6e6e6}.tl .paper{fill:#16191d}.tl .faint{fill:#a2a8ae}"
	".tl .grid{stroke:#3c4043}.tl .lane{fill:#1f2429}.tl .mark{fill:#3a3420}"
	".tl .worst{stroke:#ffffff}.tl .cause{opacity:.25}}"
	"</style>\n"
	"<defs><pattern id=\"tl-hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
	"patternTransform=\"rotate(45)\"><rect width=\"3\" height=\"6\" fill=\"#ffffff\" "
	"fill-opacity=\".72\"/></pattern></defs>\n";

static void put_head(struct drawing *d, const char *title, const char *said)
{
	const double height = d->axis_y + AXIS;

	buffer_printf(d->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tl\" role=\"img\" "
		"viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\">\n<title>",
		WIDTH, height, WIDTH, height);
	markup_text(d->out, title);
	buffer_puts(d->out,
		"</title>\n<desc>A timeline of one event loop, and of the requests that "
		"it served at that moment: ");
	markup_text(d->out, said);
	buffer_puts(d->out, ".</desc>\n");
	buffer_puts(d->out, style);
	buffer_printf(
		d->out, "<rect class=\"paper\" width=\"%d\" height=\"%.0f\"/>\n", WIDTH, height);
	put_words(d, "title", 16, 26, title);
	put_words(d, "said", 16, 47, said);
}

/* The step between two ticks: 1, 2 or 5 times a power of ten, for six to twelve of them. */
static double tick_ms(double span_ms)
{
	const double rough = span_ms / 9, power = pow(10, floor(log10(rough)));
	const double times = rough / power;

	return power * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static void put_axis(struct drawing *d)
{
	const double span = ms(d->v->to_us - d->v->from_us), step = tick_ms(span);
	const int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
	struct buffer label;

	buffer_init(&label);
	for (int i = 0; i * step <= span * 1.0001; i++) {
		const double x = LEFT + PLOT * (i * step) / span;

		buffer_printf(d->out,
			"<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>\n<text class=\"faint mid\" "
			"x=\"%.1f\" y=\"%.1f\">%.*f</text>\n",
			x, d->loop_y - 4, d->axis_y + 5, x, d->axis_y + 18, decimals, i * step);
	}
	buffer_printf(&label, "ms, counted from %.1f ms of the trace on", ms(d->v->from_us));
	const char *text = buffer_cstring(&label);
	put_words(d, "faint mid", LEFT + PLOT / 2.0, d->axis_y + 36, text ? text : "ms");
	buffer_done(&label);
}

/* --- legend ----------------------------------------------------------------------------------- */

static double put_entry(
	struct drawing *d, double x, const char *class, const char *fill, const char *text)
{
	buffer_printf(d->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"18\" height=\"12\"",
		class, x, HEAD + 4);
	if (fill)
		buffer_printf(d->out, " fill=\"%s\"", fill);
	buffer_puts(d->out, "/>\n");
	put_words(d, "", x + 24, HEAD + 14, text);
	return x + 24 + 6.4 * (double)strlen(text) + 18;
}

/* Whether the picture has such a piece, of any route or of this one. */
static bool has_piece(const struct drawing *d, enum timeline_kind kind, size_t route)
{
	const struct timeline_events *e = d->v->events;

	for (size_t i = 0; i < e->pieces; i++) {
		const struct timeline_piece *p = &e->piece[i];
		const struct timeline_request *r = &e->request[p->request];

		if (p->kind == kind && r->worker == d->v->worker &&
			(route == SIZE_MAX || r->route == route) && p->from_us < d->v->to_us &&
			p->to_us > d->v->from_us)
			return true;
	}
	return false;
}

static void put_legend(struct drawing *d)
{
	const struct timeline_events *e = d->v->events;
	double x = put_entry(d, 16, "wait", NULL, "waits");

	for (size_t route = 0; route < e->routes; route++)
		if (has_piece(d, TIMELINE_RUN, route) || has_piece(d, TIMELINE_THREAD, route))
			x = put_entry(d, x, "run", timeline_colour_of(e->route[route]).fill,
				e->route[route]);
	if (has_piece(d, TIMELINE_THREAD, SIZE_MAX)) {
		(void)put_entry(d, x, "run", "#5f6368", "");
		x = put_entry(d, x, "hatch", NULL, "in a thread");
	}
	if (has_piece(d, TIMELINE_PENDING, SIZE_MAX))
		(void)put_entry(
			d, x, "run", TIMELINE_GREEN, "the backend\xe2\x80\x99s answer is pending");
}

/* --- the loop --------------------------------------------------------------------------------- */

/* The request's number in its box, where it fits. */
static void put_number(struct drawing *d, const struct timeline_piece *p)
{
	const struct timeline_request *r = &d->v->events->request[p->request];
	const double x = x_of(d, p->from_us), width = x_of(d, p->to_us) - x;
	double letters = 1;

	for (uint64_t rest = r->job; rest >= 10; rest /= 10)
		letters++;
	if (width < letters * LETTER + 6)
		return;
	buffer_printf(d->out,
		"<text class=\"mid\" x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%llu</text>\n",
		x + width / 2, d->loop_y + LOOP / 2.0 + 4,
		timeline_colour_of(route_of(d, p->request)).text, (unsigned long long)r->job);
}

/* Boxes of one route that follow each other within less than a pixel are drawn once: a trace has thousands of them. */
static bool is_hidden(struct drawing *d, const struct timeline_piece *p)
{
	const double x = x_of(d, p->from_us);
	const size_t route = d->v->events->request[p->request].route;
	const bool hidden =
		x_of(d, p->to_us) < d->drawn_to && x >= d->drawn_from && route == d->drawn_route;

	if (!hidden) {
		d->drawn_route = route;
		d->drawn_from = x;
		d->drawn_to = x + NARROWEST;
	}
	return hidden;
}

static void put_loop(struct drawing *d)
{
	const struct timeline_events *e = d->v->events;

	put_words(d, "strong end", LEFT - 10, d->loop_y + LOOP / 2.0 + 4, "the loop runs");
	buffer_printf(d->out,
		"<rect class=\"lane\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\"/>\n", LEFT,
		d->loop_y, PLOT, LOOP);
	for (size_t i = 0; i < e->pieces; i++) {
		const struct timeline_piece *p = &e->piece[i];

		if (p->kind != TIMELINE_RUN || e->request[p->request].worker != d->v->worker ||
			p->to_us < d->v->from_us || p->from_us > d->v->to_us || is_hidden(d, p))
			continue;
		put_box(d, "run", timeline_colour_of(route_of(d, p->request)).fill, p->from_us,
			p->to_us, d->loop_y, LOOP);
		put_number(d, p);
	}
}

/* Down from the pieces that the worst one waited for, over all rows. */
static void put_cause(struct drawing *d)
{
	const struct timeline_events *e = d->v->events;

	if (d->v->blame.most == e->requests)
		return;
	const struct timeline_request *r = &e->request[d->v->blame.most];
	for (size_t i = r->first; i < r->first + r->pieces; i++)
		if (e->piece[i].kind != TIMELINE_PENDING && e->piece[i].to_us > d->v->from_us &&
			e->piece[i].from_us < d->v->to_us)
			put_box(d, "cause", timeline_colour_of(route_of(d, d->v->blame.most)).fill,
				e->piece[i].from_us, e->piece[i].to_us, d->loop_y + LOOP,
				d->axis_y - d->loop_y - LOOP);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void put_piece(struct drawing *d, const struct timeline_piece *p, double y)
{
	if (p->to_us < d->v->from_us || p->from_us > d->v->to_us)
		return;
	put_box(d, "run",
		p->kind == TIMELINE_PENDING ? TIMELINE_GREEN
					    : timeline_colour_of(route_of(d, p->request)).fill,
		p->from_us, p->to_us, y, ROW);
	if (p->kind == TIMELINE_THREAD)
		put_box(d, "hatch", NULL, p->from_us, p->to_us, y, ROW);
}

static void put_labels(struct drawing *d, size_t q, double y)
{
	const struct timeline_request *r = &d->v->events->request[q];
	const int64_t waited_us = timeline_waited_us(d->v->events, q);
	const char *how = q == d->v->worst ? " strong" : "";

	buffer_printf(d->out, "<text class=\"end%s\" x=\"%d\" y=\"%.1f\">%llu ", how, LEFT - 10,
		y + 12.5, (unsigned long long)r->job);
	markup_text(d->out, route_of(d, q));
	buffer_printf(d->out, "</text>\n<text class=\"%s\" x=\"%d\" y=\"%.1f\">",
		q == d->v->worst ? "strong" : "faint", WIDTH - RIGHT + 10, y + 12.5);
	if (!r->whole)
		buffer_puts(d->out, "not answered yet");
	else if (r->status == 0)
		buffer_puts(d->out, "client had left");
	else
		buffer_printf(d->out, "waited %.*f ms", waited_us < 10000 ? 2 : 1, ms(waited_us));
	buffer_puts(d->out, "</text>\n");
}

static void put_row(struct drawing *d, size_t row)
{
	const struct timeline_events *e = d->v->events;
	const size_t q = d->v->row[row];
	const struct timeline_request *r = &e->request[q];
	const double y = d->rows_y + (double)(row * STEP);

	put_labels(d, q, y);
	put_box(d, "wait", NULL, r->from_us, r->to_us, y, ROW);
	for (size_t i = r->first; i < r->first + r->pieces; i++)
		put_piece(d, &e->piece[i], y);
	if (q == d->v->worst)
		put_box(d, "frame worst", NULL, r->from_us, r->to_us, y, ROW);
}

static void put_rows(struct drawing *d)
{
	const struct timeline_view *v = d->v;
	struct buffer text;

	for (size_t row = 0; row < v->rows; row++)
		if (v->row[row] == v->worst)
			buffer_printf(d->out,
				"<rect class=\"mark\" x=\"8\" y=\"%.1f\" width=\"%d\" "
				"height=\"%d\"/>\n",
				d->rows_y + (double)(row * STEP) - 2, WIDTH - 16, ROW + 4);
	put_cause(d);
	for (size_t row = 0; row < v->rows; row++)
		put_row(d, row);
	if (v->left_out == 0)
		return;
	buffer_init(&text);
	buffer_printf(&text, "and %zu more requests, left out, which waited %.1f ms at most",
		v->left_out, ms(v->left_out_waited_us));
	const char *words = buffer_cstring(&text);
	put_words(d, "faint", LEFT, d->rows_y + (double)(v->rows * STEP) + 12, words ? words : "");
	buffer_done(&text);
}

void timeline_svg(
	const struct timeline_view *v, const char *title, const char *said, struct buffer *out)
{
	struct drawing d = {.v = v, .out = out, .loop_y = HEAD + LEGEND + 10};

	d.rows_y = d.loop_y + LOOP + GAP;
	d.axis_y = d.rows_y + (double)(v->rows * STEP) + (v->left_out ? STEP : 0) + 2;
	put_head(&d, title, said);
	put_legend(&d);
	put_axis(&d);
	put_loop(&d);
	put_rows(&d);
	buffer_puts(out, "</svg>\n");
}
