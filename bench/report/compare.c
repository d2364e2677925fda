#include "bench/report/compare.h"

#include "bench/markup.h"
#include "bench/report/html.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const enum cell_figure compare_figures[COMPARE_FIGURES] = {CELL_P50, CELL_P95, CELL_P99};

static const struct cell *find(const struct cells *in, const struct cell *like)
{
	for (size_t i = 0; i < in->count; i++)
		if (strcmp(in->cell[i].experiment, like->experiment) == 0 &&
			strcmp(in->cell[i].name, like->name) == 0)
			return &in->cell[i];
	return NULL;
}

static enum compare_intervals judge(struct interval a, struct interval b)
{
	if (!a.known || !b.known)
		return COMPARE_UNKNOWN;
	return a.low <= b.high && b.low <= a.high ? COMPARE_OVERLAP : COMPARE_APART;
}

static struct compare_pair pair_of(const struct cell *a, const struct cell *b)
{
	struct compare_pair p = {.a = a, .b = b};

	for (int i = 0; i < COMPARE_FIGURES; i++) {
		enum cell_figure f = compare_figures[i];
		double base = a->measured.value[f];

		p.ratio[i] = base > 0 ? b->measured.value[f] / base : NAN;
		p.intervals[i] = judge(a->measured.interval[f], b->measured.interval[f]);
	}
	return p;
}

int compare_make(struct compare *ret, const struct cells *a, const struct cells *b)
{
	struct compare c = {.pair = calloc(a->count + 1, sizeof(*c.pair))};

	if (!c.pair)
		return -ENOMEM;
	for (size_t i = 0; i < a->count; i++) {
		const struct cell *other = find(b, &a->cell[i]);

		if (!other)
			c.only_a++;
		else if (a->cell[i].void_reason || other->void_reason)
			c.voided++;
		else
			c.pair[c.pairs++] = pair_of(&a->cell[i], other);
	}
	for (size_t i = 0; i < b->count; i++)
		c.only_b += !find(a, &b->cell[i]);
	*ret = c;
	return 0;
}

void compare_done(struct compare *c)
{
	free(c->pair);
	*c = (struct compare){0};
}

static bool same_experiment(const struct compare *c, size_t i)
{
	return i > 0 && strcmp(c->pair[i].a->experiment, c->pair[i - 1].a->experiment) == 0;
}

static unsigned count_apart(const struct compare *c, int figure)
{
	unsigned n = 0;

	for (size_t i = 0; i < c->pairs; i++)
		n += c->pair[i].intervals[figure] == COMPARE_APART;
	return n;
}

static void put_counts(const struct compare *c, struct buffer *out)
{
	buffer_printf(out,
		"%zu cells in both; intervals do not overlap for p50 in %u, p95 in %u, p99 in %u "
		"of "
		"them. %zu only in A, %zu only in B, %zu void in one of both.",
		c->pairs, count_apart(c, 0), count_apart(c, 1), count_apart(c, 2), c->only_a,
		c->only_b, c->voided);
}

/* --- the table -------------------------------------------------------------------------------- */

static size_t widest_name(const struct compare *c)
{
	size_t most = strlen("cell");

	for (size_t i = 0; i < c->pairs; i++) {
		size_t len = strlen(c->pair[i].a->name);

		most = len > most ? len : most;
	}
	return most;
}

static void put_ms(struct buffer *out, double value)
{
	struct buffer text;

	buffer_init(&text);
	if (isfinite(value))
		html_number(&text, value, 4);
	else
		buffer_putc(&text, '-');
	const char *shown = buffer_cstring(&text);
	buffer_printf(out, "  %8s", shown ? shown : "");
	buffer_done(&text);
}

/* "1.04" with a mark: "!" apart, " " overlapping, "?" not known. */
static void put_ratio(struct buffer *out, const struct compare_pair *p, int i)
{
	static const char mark[] = {'?', ' ', '!'};

	if (isnan(p->ratio[i]))
		buffer_puts(out, "      -");
	else
		buffer_printf(out, "  %5.2f", p->ratio[i]);
	buffer_putc(out, mark[p->intervals[i]]);
}

static void cut_blanks(struct buffer *out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
	buffer_putc(out, '\n');
}

void compare_table(
	const struct compare *c, const char *name_a, const char *name_b, struct buffer *out)
{
	const int wide = (int)widest_name(c);

	buffer_printf(out, "A: %s\nB: %s\n", name_a, name_b);
	for (size_t i = 0; i < c->pairs; i++) {
		const struct compare_pair *p = &c->pair[i];

		if (!same_experiment(c, i)) {
			buffer_printf(out, "\n%s\n%-*s", p->a->experiment, wide, "cell");
			for (int f = 0; f < COMPARE_FIGURES; f++)
				buffer_printf(out, "     %s A         B    B/A ",
					cell_figure_names[compare_figures[f]]);
			cut_blanks(out);
		}
		buffer_printf(out, "%-*s", wide, p->a->name);
		for (int f = 0; f < COMPARE_FIGURES; f++) {
			put_ms(out, p->a->measured.value[compare_figures[f]]);
			put_ms(out, p->b->measured.value[compare_figures[f]]);
			put_ratio(out, p, f);
		}
		cut_blanks(out);
	}
	buffer_puts(out,
		"\nTimes in ms. ! after a ratio: the 95 % intervals do not overlap; ?: not "
		"known.\n");
	put_counts(c, out);
	buffer_putc(out, '\n');
}

/* --- the page --------------------------------------------------------------------------------- */

static void put_page_row(struct buffer *out, const struct compare_pair *p)
{
	static const char *const word[] = {"not known", "overlap", "apart"};

	buffer_puts(out, "<tr><td class=\"text\">");
	markup_text(out, p->a->name);
	buffer_puts(out, p->a->quick || p->b->quick ? " (quick)</td>" : "</td>");
	for (int i = 0; i < COMPARE_FIGURES; i++) {
		enum cell_figure f = compare_figures[i];

		buffer_puts(out, "<td>");
		html_figure(out, p->a->measured.value[f], p->a->measured.interval[f]);
		buffer_puts(out, "</td><td>");
		html_figure(out, p->b->measured.value[f], p->b->measured.interval[f]);
		buffer_puts(out, p->intervals[i] == COMPARE_APART ? "</td><td class=\"differ\">"
								  : "</td><td>");
		html_number(out, p->ratio[i], 3);
		buffer_printf(out, "<small>%s</small></td>", word[p->intervals[i]]);
	}
	buffer_puts(out, "</tr>\n");
}

static void put_page_head(struct buffer *out, const char *experiment)
{
	buffer_puts(out, "<h2>");
	markup_text(out, experiment);
	buffer_puts(out,
		"</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th class=\"text\">cell</th>");
	for (int i = 0; i < COMPARE_FIGURES; i++)
		buffer_printf(out, "<th>%s A<br>ms</th><th>B<br>ms</th><th>B/A<br>intervals</th>",
			cell_figure_names[compare_figures[i]]);
	buffer_puts(out, "</tr></thead>\n<tbody>\n");
}

void compare_page(
	const struct compare *c, const char *name_a, const char *name_b, struct buffer *out)
{
	html_begin(out, "Quern: two runs side by side");
	buffer_puts(out, "<p>A: ");
	markup_text(out, name_a);
	buffer_puts(out, "<br>B: ");
	markup_text(out, name_b);
	buffer_puts(out, "</p>\n<p>");
	put_counts(c, out);
	buffer_puts(out, " Below a figure its 95 % interval.</p>\n");
	for (size_t i = 0; i < c->pairs; i++) {
		if (!same_experiment(c, i)) {
			buffer_puts(out, i > 0 ? "</tbody></table></div>\n" : "");
			put_page_head(out, c->pair[i].a->experiment);
		}
		put_page_row(out, &c->pair[i]);
	}
	buffer_puts(out, c->pairs > 0 ? "</tbody></table></div>\n" : "");
	html_end(out);
}
