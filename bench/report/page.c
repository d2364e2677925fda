#include "bench/report/page.h"

#include "bench/markup.h"
#include "bench/report/html.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_lines(struct buffer *out, const struct buffer *lines)
{
	if (lines->len == 0)
		return;
	const char *at = lines->data, *end = at + lines->len;

	buffer_puts(out, "<ul>\n");
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		struct buffer line;

		if (!stop)
			stop = end;
		buffer_init(&line);
		buffer_append(&line, at, (size_t)(stop - at));
		const char *text = buffer_cstring(&line);
		buffer_puts(out, "<li>");
		markup_text(out, text ? text : "");
		buffer_puts(out, "</li>\n");
		buffer_done(&line);
		at = stop + 1;
	}
	buffer_puts(out, "</ul>\n");
}

static void put_verdict(struct buffer *out, const struct verdict *v)
{
	static const char *const class[] = {"holds", "fails", "undecided"};

	buffer_printf(out, "<div class=\"verdict %s\">\n<p>", class[v->kind]);
	markup_text(out, v->claim);
	buffer_printf(out, ": <span class=\"word\">%s</span>. ", verdict_words[v->kind]);
	buffer_append(out, v->reason.data, v->reason.len);
	buffer_puts(out, "</p>\n");
	put_lines(out, &v->figures);
	buffer_puts(out, "</div>\n");
}

static void put_verdicts(struct buffer *out, const struct verdicts *v, const char *experiment)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->verdict[i].experiment, experiment) == 0)
			put_verdict(out, &v->verdict[i]);
}

static void put_plot(
	struct buffer *out, const struct plot *plot, const struct gnuplot_images *images)
{
	struct buffer title = plot->picture.title; /* borrowed; buffer_cstring() would change it */

	buffer_puts(out, "<figure>\n<picture><source media=\"screen and (prefers-color-scheme: "
			 "dark)\" srcset=\"");
	html_data_uri(out, "image/svg+xml", &images->dark);
	buffer_printf(out, "\">\n<img width=\"%u\" height=\"%u\" alt=\"", plot->picture.width,
		plot->picture.height);
	struct buffer text;
	buffer_init(&text);
	buffer_append(&text, title.data, title.len);
	const char *alt = buffer_cstring(&text);
	markup_text(out, alt ? alt : "");
	buffer_done(&text);
	buffer_puts(out, "\" src=\"");
	html_data_uri(out, "image/svg+xml", &images->light);
	buffer_puts(out, "\"></picture>\n<figcaption>");
	markup_text(out, plot->caption);
	buffer_printf(out, " As PNG: plots/%s.png.</figcaption>\n</figure>\n", plot->picture.name);
}

static void put_plots(struct buffer *out, const struct page *p, const char *experiment)
{
	for (size_t i = 0; i < p->plots->count; i++)
		if (strcmp(p->plots->plot[i].experiment, experiment) == 0)
			put_plot(out, &p->plots->plot[i], &p->images[i]);
}

static const struct verdict_experiment *known(const char *name)
{
	for (size_t i = 0; verdict_experiments[i].name; i++)
		if (strcmp(verdict_experiments[i].name, name) == 0)
			return &verdict_experiments[i];
	return NULL;
}

static bool has_cells(const struct cells *cells, const char *experiment)
{
	for (size_t i = 0; i < cells->count; i++)
		if (strcmp(cells->cell[i].experiment, experiment) == 0)
			return true;
	return false;
}

static int put_experiment(struct buffer *out, const struct page *p, const char *name)
{
	const struct verdict_experiment *e = known(name);

	buffer_puts(out, "<h2>");
	markup_text(out, e ? e->title : name);
	buffer_puts(out, "</h2>\n");
	if (e) {
		buffer_puts(out, "<blockquote><p>");
		markup_text(out, e->claim);
		buffer_puts(out, "</p></blockquote>\n");
	}
	put_verdicts(out, p->verdicts, name);
	put_plots(out, p, name);
	if (!has_cells(p->cells, name))
		return 0;
	buffer_puts(out, "<h3>Every cell</h3>\n");
	return page_tables(p->cells, name, out);
}

/* Known ones in their order, then whatever else the file names. */
static int put_experiments(struct buffer *out, const struct page *p)
{
	int r = 0;

	for (size_t i = 0; verdict_experiments[i].name && r == 0; i++) {
		const char *name = verdict_experiments[i].name;

		if (has_cells(p->cells, name) || strcmp(name, "model-error") == 0)
			r = put_experiment(out, p, name);
	}
	for (size_t i = 0; i < p->cells->count && r == 0; i++) {
		const char *name = p->cells->cell[i].experiment;
		bool seen = known(name);

		for (size_t j = 0; j < i && !seen; j++)
			seen = strcmp(p->cells->cell[j].experiment, name) == 0;
		if (!seen)
			r = put_experiment(out, p, name);
	}
	return r;
}

/* --- the head of the page, and its end -------------------------------------------------------- */

static void put_summary(struct buffer *out, const struct page *p)
{
	buffer_puts(out, "<h2>In short</h2>\n<ul>\n");
	for (size_t i = 0; i < p->verdicts->count; i++) {
		const struct verdict *v = &p->verdicts->verdict[i];

		buffer_printf(out, "<li class=\"%s\">",
			v->kind == VERDICT_HOLDS   ? "holds"
			: v->kind == VERDICT_FAILS ? "fails"
						   : "undecided");
		markup_text(out, v->claim);
		buffer_printf(
			out, ": <span class=\"word\">%s</span>.</li>\n", verdict_words[v->kind]);
	}
	buffer_puts(out, "</ul>\n");
	put_lines(out, &p->verdicts->missing);
}

static void put_counts(struct buffer *out, const struct page *p)
{
	size_t quick = 0, voided = 0, emulated = 0;

	for (size_t i = 0; i < p->cells->count; i++) {
		const struct cell *c = &p->cells->cell[i];

		quick += c->quick;
		voided += c->void_reason != NULL;
		emulated += strcmp(c->kind, "emulated") == 0;
	}
	buffer_printf(out,
		"<p class=\"faint\">%zu cells, %zu of them with emulated service, %zu from a quick "
		"run, "
		"%zu void. ",
		p->cells->count, emulated, quick, voided);
	buffer_puts(out,
		"Emulated: workers sleep for the service time instead of computing, so that "
		"more workers than cores can be studied. Every picture and table says what "
		"it shows. Latency counts from the intended send; intervals are 95 %. An "
		"error is the measured value minus the model's, in % of the model's.</p>\n");
}

static void put_value(struct buffer *out, const json_t *value)
{
	char *text =
		json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	markup_text(out, json_is_string(value) ? json_string_value(value) : text ? text : "");
	free(text);
}

/* Objects within give rows of their own, "versions haproxy". */
static void put_machine_rows(struct buffer *out, json_t *object, const char *before)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (json_is_object(value) && !*before) {
			put_machine_rows(out, value, key);
			continue;
		}
		buffer_puts(out, "<tr><td class=\"text\">");
		markup_text(out, before);
		buffer_puts(out, *before ? " " : "");
		markup_text(out, key);
		buffer_puts(out, "</td><td class=\"text reason\">");
		put_value(out, value);
		buffer_puts(out, "</td></tr>\n");
	}
}

static void put_end(struct buffer *out, const struct page *p)
{
	buffer_puts(out, "<h2>Machine, versions, command</h2>\n");
	if (json_is_object(p->cells->machine)) {
		buffer_puts(out, "<table>\n");
		put_machine_rows(out, p->cells->machine, "");
		buffer_puts(out, "</table>\n");
	} else {
		buffer_puts(out, "<p>There is no machine.json beside the cells.</p>\n");
	}
	buffer_puts(out, "<p>Each cell's seed stands in its row. This page: <code>quern-bench "
			 "report ");
	markup_text(out, p->dir);
	buffer_puts(out, "</code>, quern-bench " QUERN_VERSION ".</p>\n");
	if (*p->complaints) {
		struct buffer lines;

		buffer_init(&lines);
		buffer_puts(&lines, p->complaints);
		buffer_puts(out, "<h3>What could not be read</h3>\n");
		put_lines(out, &lines);
		buffer_done(&lines);
	}
}

int page_write(const struct page *p, struct buffer *out)
{
	html_begin(out, "Quern: latency as workers near saturation");
	put_counts(out, p);
	put_summary(out, p);
	int r = put_experiments(out, p);
	put_end(out, p);
	html_end(out);
	return r == 0 && out->failed ? -ENOMEM : r;
}
