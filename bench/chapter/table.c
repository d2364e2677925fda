#include "bench/chapter/table.h"

#include <math.h>
#include <string.h>

const char *const table_heads[TABLE_COLUMNS] = {"rate\nper s", "busy\n%", "requests\n", "min\nms",
	"mean\nms", "p50\nms", "p95\nms", "p99\nms", "max\nms", "loop p95\nms"};

/* Of the row's template, or of all requests; NULL: of the whole load, and so only in the row of all. */
static const char *const figures[TABLE_COLUMNS] = {
	NULL, NULL, "requests", "min", "mean", "p50", "p95", "p99", "max", NULL};
static const char *const of_load[TABLE_COLUMNS] = {
	"offered", "busy", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "loop.p95"};

static void fill(struct table_row *row, const json_t *lines)
{
	struct buffer path, why;

	buffer_init(&path);
	buffer_init(&why);
	for (int i = 0; i < TABLE_COLUMNS; i++) {
		const char *figure = figures[i]		  ? figures[i]
				     : row->template_name ? NULL
							  : of_load[i];

		row->figure[i] = (struct summary){.median = NAN, .low = NAN, .high = NAN};
		buffer_reset(&path);
		if (figure &&
			figure_path(&path, figure, strlen(figure), row->template_name, &why) == 0 &&
			buffer_cstring(&path))
			summary_make(
				&row->figure[i], lines, row->stage->name, row->step, path.data);
	}
	buffer_done(&path);
	buffer_done(&why);
}

static void put_step(const struct chapter_stage *s, size_t step, const json_t *lines,
	void (*put)(void *own, const struct table_row *row), void *own)
{
	struct table_row row = {.stage = s, .step = step};

	fill(&row, lines);
	put(own, &row);
	for (size_t i = 0; i < s->load.templates; i++) {
		row.template_name = s->load.name[i];
		if (!row.template_name)
			continue;
		fill(&row, lines);
		put(own, &row);
	}
}

void table_each(const struct chapter *c, const json_t *lines,
	void (*put)(void *own, const struct table_row *row), void *own)
{
	for (size_t i = 0; i < c->stages; i++) {
		const struct chapter_stage *s = &c->stage[i];
		struct table_row row = {.stage = s, .unable = summary_unable(lines, s->name)};

		if (row.unable)
			put(own, &row);
		for (size_t step = 0; step < s->load.rates && !row.unable; step++)
			put_step(s, step, lines, put, own);
	}
}

bool table_is_emulated(const struct chapter *c)
{
	bool emulated = false;

	for (size_t i = 0; i < c->stages; i++)
		emulated = emulated || c->stage[i].load.emulated;
	return emulated;
}

/* --- for people ------------------------------------------------------------------------------------------------ */

static void put_number(struct buffer *out, double value)
{
	if (!isfinite(value))
		buffer_printf(out, " %9s", "");
	else if (value >= 1000)
		buffer_printf(out, " %9.0f", value);
	else
		buffer_printf(out, " %9.3g", value);
}

static void put_row(void *own, const struct table_row *row)
{
	struct buffer *out = own;
	const struct summary *p99 = &row->figure[TABLE_P99];

	if (row->template_name)
		buffer_printf(out, "    %-16s", row->template_name);
	else if (row->stage->load.rates > 1)
		buffer_printf(out, "%-15s %4zu", row->stage->name, row->step);
	else
		buffer_printf(out, "%-20s", row->stage->name);
	if (row->unable) {
		buffer_printf(out, " not measured: %s\n", row->unable);
		return;
	}
	for (int i = 0; i < TABLE_COLUMNS; i++)
		put_number(
			out, i == TABLE_BUSY ? 100 * row->figure[i].median : row->figure[i].median);
	if (p99->of_voids)
		buffer_puts(out, "  void");
	else if (p99->voids > 0)
		buffer_printf(out, "  %u void", p99->voids);
	buffer_putc(out, '\n');
}

void table_text(const struct chapter *c, const json_t *lines, struct buffer *out)
{
	if (table_is_emulated(c))
		buffer_puts(out, "Emulated work: workers sleep instead of computing.\n");
	buffer_printf(out, "%-20s", "");
	for (int i = 0; i < TABLE_COLUMNS; i++)
		buffer_printf(out, " %9.*s", (int)strcspn(table_heads[i], "\n"), table_heads[i]);
	buffer_printf(out, "\n%-20s", "");
	for (int i = 0; i < TABLE_COLUMNS; i++)
		buffer_printf(out, " %9s", strchr(table_heads[i], '\n') + 1);
	buffer_putc(out, '\n');
	table_each(c, lines, put_row, out);
}
