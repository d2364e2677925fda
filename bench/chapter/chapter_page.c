#include "bench/chapter/chapter_page.h"

#include "bench/chapter/summary.h"
#include "bench/chapter/table.h"
#include "bench/markup.h"
#include "bench/report/html.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PIECE_BYTES 65536u

/* --- verdicts -------------------------------------------------------------------------------------------------- */

static const char *class_of(const char *verdict)
{
	if (strcmp(verdict, judgement_words[JUDGEMENT_HOLDS]) == 0)
		return "holds";
	return strcmp(verdict, judgement_words[JUDGEMENT_FAILS]) == 0 ? "fails" : "undecided";
}

static void put_span(struct buffer *out, const char *data, size_t len)
{
	struct buffer copy;

	buffer_init(&copy);
	buffer_append(&copy, data, len);
	const char *text = buffer_cstring(&copy);
	markup_text(out, text ? text : "");
	buffer_done(&copy);
}

static void put_items(struct buffer *out, const struct buffer *lines)
{
	const char *at = lines->data, *end = at ? at + lines->len : at;

	if (lines->len == 0)
		return;
	buffer_puts(out, "<ul>\n");
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);

		buffer_puts(out, "<li>");
		put_span(out, at, len);
		buffer_puts(out, "</li>\n");
		at += len + 1;
	}
	buffer_puts(out, "</ul>\n");
}

static void put_judgement(struct buffer *out, const struct judgement *j)
{
	buffer_printf(out, "<div class=\"verdict %s\">\n<p>", class_of(judgement_words[j->kind]));
	markup_text(out, j->say);
	buffer_printf(out, ": <span class=\"word\">%s</span>. ", judgement_words[j->kind]);
	put_span(out, j->reason.data, j->reason.len);
	buffer_puts(out, "</p>\n");
	put_items(out, &j->figures);
	buffer_puts(out, "</div>\n");
}

/* --- pictures -------------------------------------------------------------------------------------------------- */

static void put_plot(
	struct buffer *out, const struct chapter_plot *plot, const struct chapter_picture *p)
{
	buffer_puts(out, "<figure>\n<picture><source media=\"screen and (prefers-color-scheme: "
			 "dark)\" srcset=\"");
	html_data_uri(out, "image/svg+xml", &p->images.dark);
	buffer_printf(out, "\">\n<img width=\"%u\" height=\"%u\" alt=\"", p->picture.width,
		p->picture.height);
	put_span(out, p->picture.title.data, p->picture.title.len);
	buffer_puts(out, "\" src=\"");
	html_data_uri(out, "image/svg+xml", &p->images.light);
	buffer_puts(out, "\"></picture>\n<figcaption>");
	markup_text(out, plot->caption);
	buffer_printf(out,
		"%sMedians; the lines show how far repetitions were apart. As PNG: "
		"plots/%s.png.</figcaption>\n</figure>\n",
		*plot->caption ? " " : "", p->picture.name);
}

static void put_plots(
	struct buffer *out, const struct chapter_report *r, const struct chapter_picture *picture)
{
	for (size_t i = 0; i < r->chapter->plots; i++)
		if (picture[i].made && picture[i].images.light.len > 0)
			put_plot(out, &r->chapter->plot[i], &picture[i]);
}

static int read_file(const char *path, struct buffer *ret)
{
	FILE *file = fopen(path, "re");

	while (file && !feof(file) && !ferror(file)) {
		char *to = buffer_reserve(ret, PIECE_BYTES);

		if (!to)
			break;
		ret->len += fread(to, 1, PIECE_BYTES, file);
	}
	const int result = file && !ferror(file) && !ret->failed ? 0 : -EIO;
	if (file)
		(void)fclose(file);
	return result;
}

/* A file of the directory, PNG or SVG, put into the page. */
static void put_file(struct buffer *out, const struct chapter_report *r, const char *name,
	const char *title, const char *caption)
{
	struct buffer bytes;
	char path[PATH_MAX];
	const bool svg = strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".svg") == 0;

	buffer_init(&bytes);
	if (snprintf(path, sizeof path, "%s/%s", r->directory, name) < PATH_MAX &&
		read_file(path, &bytes) == 0) {
		buffer_puts(out, "<figure>\n<img alt=\"");
		markup_text(out, title);
		buffer_puts(out, "\" src=\"");
		html_data_uri(out, svg ? "image/svg+xml" : "image/png", &bytes);
		buffer_puts(out, "\">\n<figcaption>");
		markup_text(out, title);
		buffer_puts(out, ". ");
		markup_text(out, caption);
		buffer_puts(out, " (");
		markup_text(out, name);
		buffer_puts(out, ")</figcaption>\n</figure>\n");
	}
	buffer_done(&bytes);
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void put_trace(struct buffer *out, const struct chapter_report *r,
	const struct chapter_stage *s, const json_t *trace)
{
	if (*text_at(trace, "picture"))
		put_file(out, r, text_at(trace, "picture"), s->title, text_at(trace, "said"));
}

static void put_pages(struct buffer *out, const struct chapter_report *r,
	const struct chapter_stage *s, const json_t *pages)
{
	for (size_t i = 0; i < s->samples.pages; i++) {
		const json_t *page = json_object_get(pages, s->samples.page[i].name);

		if (*text_at(page, "picture"))
			put_file(out, r, text_at(page, "picture"), s->title,
				text_at(page, "caption"));
	}
}

/* Of the first repetition: one picture of each kind is enough. */
static void put_extras(struct buffer *out, const struct chapter_report *r)
{
	for (size_t i = 0; i < r->chapter->stages; i++) {
		const struct chapter_stage *s = &r->chapter->stage[i];

		for (size_t step = 0; step < s->load.rates; step++) {
			const json_t *line = summary_line(r->lines, s->name, step, 0);

			put_trace(out, r, s, json_object_get(line, "trace"));
			put_pages(out, r, s, json_object_get(line, "pages"));
		}
	}
}

/* --- the table ------------------------------------------------------------------------------------------------- */

static void put_figure(struct buffer *out, const struct summary *s, double factor)
{
	const struct interval range = {
		.known = s->count > 1, .low = factor * s->low, .high = factor * s->high};

	buffer_puts(out, "<td>");
	html_figure(out, factor * s->median, range);
	buffer_puts(out, "</td>");
}

static void put_row_name(struct buffer *out, const struct table_row *row)
{
	buffer_puts(out, "<td class=\"text\">");
	if (row->template_name) {
		buffer_puts(out, "&nbsp;&nbsp;");
		markup_text(out, row->template_name);
	} else {
		markup_text(out, row->stage->title);
		if (row->stage->load.rates > 1)
			buffer_printf(out, ", step %zu", row->step);
		if (row->stage->load.emulated)
			buffer_puts(out, " (emulated work)");
	}
	buffer_puts(out, "</td>");
}

static void put_row(void *own, const struct table_row *row)
{
	struct buffer *out = own;
	const struct summary *p99 = &row->figure[TABLE_P99];

	buffer_puts(out, p99->of_voids ? "<tr class=\"void\">" : "<tr>");
	put_row_name(out, row);
	if (row->unable) {
		buffer_printf(out, "<td class=\"text reason\" colspan=\"%d\">not measured: ",
			TABLE_COLUMNS + 1);
		markup_text(out, row->unable);
		buffer_puts(out, "</td></tr>\n");
		return;
	}
	for (int i = 0; i < TABLE_COLUMNS; i++)
		put_figure(out, &row->figure[i], i == TABLE_BUSY ? 100 : 1);
	buffer_puts(out, "<td class=\"text reason\">");
	if (p99->of_voids)
		buffer_puts(out, "void");
	else if (p99->voids > 0)
		buffer_printf(
			out, "%u of %u repetitions void", p99->voids, p99->voids + p99->count);
	buffer_puts(out, "</td></tr>\n");
}

static void put_table(struct buffer *out, const struct chapter_report *r)
{
	buffer_puts(out, "<h3>Every stage</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th "
			 "class=\"text\">stage</th>");
	for (int i = 0; i < TABLE_COLUMNS; i++) {
		const char *unit = strchr(table_heads[i], '\n');

		buffer_printf(out, "<th>%.*s<br>%s</th>", (int)(unit - table_heads[i]),
			table_heads[i], unit + 1);
	}
	buffer_puts(out, "<th class=\"text\">remarks</th></tr></thead>\n<tbody>\n");
	table_each(r->chapter, r->lines, put_row, out);
	buffer_puts(out, "</tbody></table></div>\n");
}

static void put_voids(struct buffer *out, const struct chapter_report *r)
{
	bool any = false;

	for (size_t i = 0; i < json_array_size(r->lines); i++) {
		const json_t *line = json_array_get(r->lines, i);

		if (!*text_at(line, "void"))
			continue;
		buffer_puts(out, any ? "<li>" : "<h3>Loads that do not count</h3>\n<ul>\n<li>");
		any = true;
		markup_text(out, text_at(line, "stage"));
		buffer_printf(out, ", repetition %d, step %d: ",
			(int)json_integer_value(json_object_get(line, "repetition")) + 1,
			(int)json_integer_value(json_object_get(line, "step")));
		markup_text(out, text_at(line, "void"));
		buffer_puts(out, "</li>\n");
	}
	buffer_puts(out, any ? "</ul>\n" : "");
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static void put_machine(struct buffer *out, const struct chapter_report *r)
{
	char path[PATH_MAX];
	json_t *machine = snprintf(path, sizeof path, "%s/machine.json", r->directory) < PATH_MAX
				  ? json_load_file(path, 0, NULL)
				  : NULL;

	buffer_puts(out, "<p class=\"faint\">");
	markup_text(out, text_at(machine, "cpu"));
	buffer_printf(out, ", %d CPUs usable, ",
		(int)json_integer_value(json_object_get(machine, "usable_cpus")));
	markup_text(out, text_at(machine, "kernel"));
	buffer_puts(out, "; ");
	markup_text(out, text_at(machine, "time"));
	buffer_puts(out, "; revision ");
	markup_text(out, text_at(json_object_get(machine, "versions"), "revision"));
	buffer_puts(out, "; <code>");
	markup_text(out, text_at(machine, "command"));
	buffer_puts(out, "</code></p>\n");
	json_decref(machine);
}

static void put_head(struct buffer *out, const struct chapter_report *r)
{
	html_begin(out, r->chapter->title);
	buffer_puts(out, "<blockquote><p>");
	markup_text(out, r->chapter->claim);
	buffer_puts(out, "</p></blockquote>\n");
	for (size_t i = 0; i < r->chapter->notes; i++) {
		buffer_puts(out, "<p>");
		markup_text(out, r->chapter->note[i]);
		buffer_puts(out, "</p>\n");
	}
	buffer_printf(out,
		"<p class=\"faint\">%s, %u repetition%s. Latency counts from the intended send. "
		"The server has a CPU to "
		"itself, everything else has the others. Figures are medians over the repetitions, "
		"below them the range.%s</p>\n",
		r->full ? "Full run" : "Short run", r->repeat, r->repeat == 1 ? "" : "s",
		table_is_emulated(r->chapter) ? " Emulated work: workers sleep instead of "
						"computing, so that more workers than cores can be "
						"studied."
					      : "");
}

void chapter_page_write(
	const struct chapter_report *r, const struct chapter_picture *picture, struct buffer *out)
{
	put_head(out, r);
	for (size_t i = 0; i < r->chapter->claim_count; i++)
		put_judgement(out, &r->judgement[i]);
	put_plots(out, r, picture);
	put_extras(out, r);
	put_table(out, r);
	put_voids(out, r);
	put_machine(out, r);
	html_end(out);
}

/* --- the index ------------------------------------------------------------------------------------------------- */

static void put_chapter(struct buffer *out, const char *directory, const json_t *chapter)
{
	const json_t *claims = json_object_get(chapter, "claims");

	buffer_puts(out, "<h2><a href=\"");
	markup_text(out, directory);
	buffer_puts(out, "/report.html\">");
	markup_text(out, text_at(chapter, "title"));
	buffer_puts(out, "</a></h2>\n<blockquote><p>");
	markup_text(out, text_at(chapter, "claim"));
	buffer_puts(out, "</p></blockquote>\n<ul>\n");
	for (size_t i = 0; i < json_array_size(claims); i++) {
		const json_t *claim = json_array_get(claims, i);

		buffer_printf(out, "<li class=\"%s\">", class_of(text_at(claim, "verdict")));
		markup_text(out, text_at(claim, "say"));
		buffer_puts(out, ": <span class=\"word\">");
		markup_text(out, text_at(claim, "verdict"));
		buffer_puts(out, "</span>. <span class=\"faint\">");
		markup_text(out, text_at(claim, "reason"));
		buffer_puts(out, "</span></li>\n");
	}
	buffer_puts(out, "</ul>\n");
}

void chapter_page_index(const json_t *all, struct buffer *out)
{
	json_t *object = json_incref((json_t *)(uintptr_t)all), *chapter;
	const char *directory;

	html_begin(out, "Quern: every effect of a blocked event loop");
	json_object_foreach(object, directory, chapter)
	{
		put_chapter(out, directory, chapter);
	}
	html_end(out);
	json_decref(object);
}
