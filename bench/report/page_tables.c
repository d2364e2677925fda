/* The tables of a report: every cell, also those that do not count. */
#include "bench/markup.h"
#include "bench/report/curves.h"
#include "bench/report/html.h"
#include "bench/report/page.h"

#include <inttypes.h>
#include <math.h>

static void cell_begin(struct buffer *out, const char *class)
{
	buffer_printf(out, *class ? "<td class=\"%s\">" : "<td>%s", class);
}

static void put(struct buffer *out, double value, int digits)
{
	cell_begin(out, "");
	html_number(out, value, digits);
	buffer_puts(out, "</td>");
}

static void put_figure(struct buffer *out, const struct cell_latency *l, enum cell_figure f)
{
	cell_begin(out, "");
	html_figure(out, l->value[f], l->interval[f]);
	buffer_puts(out, "</td>");
}

static void put_error(struct buffer *out, double share)
{
	cell_begin(out, "");
	html_percent(out, share);
	buffer_puts(out, "</td>");
}

static void put_share(struct buffer *out, double share)
{
	buffer_puts(out, "<td>");
	if (isfinite(share))
		buffer_printf(out, "%.1f", 100 * share);
	else
		buffer_puts(out, "–");
	buffer_puts(out, "</td>");
}

/* Above the columns: which model the predicted figures come from, once. */
static void put_caption(struct buffer *out, const struct curve *c)
{
	struct buffer service;

	buffer_init(&service);
	curve_put_service(c, &service);
	const char *text = buffer_cstring(&service);
	buffer_puts(out, "<caption>");
	markup_text(out, text ? text : c->kind);
	buffer_puts(out, ", ");
	markup_text(out, c->policy);
	buffer_printf(out, ", k = %u", c->workers);
	if (c->cell[0]->method) {
		buffer_puts(out, "<span class=\"faint\"> · predicted: ");
		markup_text(out, c->cell[0]->method);
		buffer_puts(out, "</span>");
	}
	if (c->cell[0]->formula) {
		buffer_puts(out, "<span class=\"faint\"> · closed form: ");
		markup_text(out, c->cell[0]->formula);
		buffer_puts(out, "</span>");
	}
	buffer_puts(out, "</caption>\n");
	buffer_done(&service);
}

static const char head[] =
	"<thead><tr><th>ρ wanted<br>%</th><th>busy, mean<br>%</th><th>most<br>%</th>"
	"<th>rate<br>per s</th><th>requests</th><th>errors</th>"
	"<th>mean<br>ms</th><th>p50<br>ms</th><th>p95<br>ms</th><th>p99<br>ms</th>"
	"<th>replay p99<br>ms</th><th>error<br>mean</th><th>error<br>p99</th>"
	"<th>predicted p99<br>ms</th><th>error<br>mean</th><th>error<br>p99</th>"
	"<th>closed p99<br>ms</th><th>late p99<br>ms</th><th>HAProxy<br>CPU %</th>"
	"<th>load<br>CPU %</th><th>seed</th><th class=\"text\">remarks</th></tr></thead>\n";

/* Whether it is from a quick run, why it does not count, and what else is to be known of it. */
static void put_remarks(struct buffer *out, const struct cell *c)
{
	cell_begin(out, c->void_reason ? "text reason" : c->note ? "text wide" : "text");
	if (c->quick)
		buffer_puts(out, c->void_reason || c->note ? "quick; " : "quick");
	if (c->void_reason) {
		buffer_puts(out, "void: ");
		markup_text(out, c->void_reason);
		buffer_puts(out, c->note ? "; " : "");
	}
	if (c->note)
		markup_text(out, c->note);
	buffer_puts(out, "</td>");
}

static void put_row(struct buffer *out, const struct cell *c)
{
	buffer_puts(out, c->void_reason ? "<tr class=\"void\">" : "<tr>");
	put_share(out, c->utilization);
	put_share(out, c->busy_mean);
	put_share(out, c->busy_most);
	put(out, isnan(c->offered_rps) ? c->rate_rps : c->offered_rps, 4);
	put(out, c->requests, 1);
	put(out, c->errors, 1);
	put_figure(out, &c->measured, CELL_MEAN);
	put_figure(out, &c->measured, CELL_P50);
	put_figure(out, &c->measured, CELL_P95);
	put_figure(out, &c->measured, CELL_P99);
	put(out, c->replay.value[CELL_P99], 4);
	put_error(out, cell_error(c, &c->replay, CELL_MEAN));
	put_error(out, cell_error(c, &c->replay, CELL_P99));
	put_figure(out, &c->predicted, CELL_P99);
	put_error(out, cell_error(c, &c->predicted, CELL_MEAN));
	put_error(out, cell_error(c, &c->predicted, CELL_P99));
	put(out, c->closed.value[CELL_P99], 4);
	put(out, c->lateness_p99, 2);
	put_share(out, c->haproxy_cpu);
	put_share(out, c->generator_cpu);
	buffer_printf(out, "<td>%" PRIu64 "</td>", c->seed);
	put_remarks(out, c);
	buffer_puts(out, "</tr>\n");
}

int page_tables(const struct cells *cells, const char *experiment, struct buffer *out)
{
	struct curves curves;

	int r = curves_init(&curves, cells, experiment);
	if (r < 0)
		return r;
	for (size_t i = 0; i < curves.count; i++) {
		const struct curve *c = &curves.curve[i];

		buffer_puts(out, "<div class=\"scroll\"><table>\n");
		put_caption(out, c);
		buffer_puts(out, head);
		buffer_puts(out, "<tbody>\n");
		for (size_t n = 0; n < c->cells; n++)
			put_row(out, c->cell[n]);
		buffer_puts(out, "</tbody></table></div>\n");
	}
	curves_done(&curves);
	return 0;
}
