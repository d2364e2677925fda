/* quern-bench report, quern-bench compare. */
#include "bench/cli.h"
#include "bench/commands.h"
#include "bench/output.h"
#include "bench/report/cells.h"
#include "bench/report/compare.h"
#include "bench/report/gnuplot.h"
#include "bench/report/page.h"
#include "bench/report/plots.h"
#include "bench/report/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Names in the cells come from files: no control character of theirs reaches a terminal. */
static void make_printable(struct buffer *text)
{
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];
		bool c1 = c == 0xc2 && i + 1 < text->len && (unsigned char)text->data[i + 1] < 0xa0;

		if ((c < ' ' && c != '\n') || c == 0x7f)
			text->data[i] = '?';
		if (c1)
			text->data[i] = text->data[i + 1] = '?';
	}
}

static int print(const struct cli *c, struct buffer *text)
{
	make_printable(text);
	if (text->failed)
		return cli_fail(c, "%s", strerror(ENOMEM));
	if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
		return cli_fail(c, "standard output: %s", strerror(errno));
	return BENCH_GO_ON;
}

static int write_file(const struct cli *c, const char *path, const struct buffer *text)
{
	int r = text->failed ? -ENOMEM : output_text(path, text);

	return r < 0 ? cli_fail(c, "%s: %s", path, strerror(-r)) : BENCH_GO_ON;
}

/*
 * Reads DIR; what could not be read goes to standard error, and to `complaints` where the caller
 * wants it.
 */
static int read_cells(
	const struct cli *c, struct cells *ret, const char *dir, struct buffer *complaints)
{
	struct buffer error;

	buffer_init(&error);
	int r = cells_read(ret, dir, complaints, &error);
	make_printable(complaints);
	if (complaints->len > 0)
		(void)fwrite(complaints->data, 1, complaints->len, stderr);
	make_printable(&error);
	const char *text = buffer_cstring(&error);
	int code = r < 0 ? cli_fail(c, "%s", error.len > 0 && text ? text : strerror(-r))
			 : BENCH_GO_ON;
	buffer_done(&error);
	return code;
}

/* --- report ----------------------------------------------------------------------------------- */

struct report {
	const struct cli *cli;
	const char *dir, *output;
	bool plots_only;
	struct cells cells;
	struct plots plots;
	struct verdicts verdicts;
	struct gnuplot_images *images;
	struct buffer complaints;
};

static int draw_one(struct report *r, size_t i)
{
	const struct picture *p = &r->plots.plot[i].picture;
	struct buffer text;
	int code;

	buffer_init(&text);
	int result = gnuplot_draw(&r->images[i], p, &text);
	if (result < 0) {
		const char *error = buffer_cstring(&text);
		code = cli_fail(r->cli, "%s", error && *error ? error : strerror(-result));
	} else {
		buffer_printf(&text, "%s/plots/%s.png", r->dir, p->name);
		const char *path = buffer_cstring(&text);
		code = path ? write_file(r->cli, path, &r->images[i].png)
			    : cli_fail(r->cli, "%s", strerror(ENOMEM));
	}
	buffer_done(&text);
	return code;
}

static int make_directory(const struct report *r)
{
	struct buffer text;

	buffer_init(&text);
	buffer_printf(&text, "%s/plots", r->dir);
	const char *path = buffer_cstring(&text);
	int code = BENCH_GO_ON;
	if (!path)
		code = cli_fail(r->cli, "%s", strerror(ENOMEM));
	else if (mkdir(path, 0777) < 0 && errno != EEXIST)
		code = cli_fail(r->cli, "%s: %s", path, strerror(errno));
	buffer_done(&text);
	return code;
}

static int draw_all(struct report *r)
{
	r->images = calloc(r->plots.count + 1, sizeof(*r->images));
	if (!r->images)
		return cli_fail(r->cli, "%s", strerror(ENOMEM));
	int code = make_directory(r);
	for (size_t i = 0; i < r->plots.count && code == BENCH_GO_ON; i++)
		code = draw_one(r, i);
	return code;
}

static int write_page(struct report *r, struct buffer *said)
{
	struct buffer page, path;

	buffer_init(&page);
	buffer_init(&path);
	buffer_printf(&path, r->output ? "%s" : "%s/report.html", r->output ? r->output : r->dir);
	const char *to = buffer_cstring(&path), *complaints = buffer_cstring(&r->complaints);
	const struct page p = {.dir = r->dir,
		.cells = &r->cells,
		.verdicts = &r->verdicts,
		.plots = &r->plots,
		.images = r->images,
		.complaints = complaints ? complaints : ""};
	int code = !to || page_write(&p, &page) < 0 ? cli_fail(r->cli, "%s", strerror(ENOMEM))
						    : write_file(r->cli, to, &page);
	if (code == BENCH_GO_ON)
		buffer_printf(said, "report: %s\n", to);
	buffer_done(&page);
	buffer_done(&path);
	return code;
}

/* Each line indented by two more. */
static void put_lines(struct buffer *out, const struct buffer *lines)
{
	bool begins = true;

	for (size_t i = 0; i < lines->len; i++) {
		if (begins)
			buffer_puts(out, "    ");
		buffer_putc(out, lines->data[i]);
		begins = lines->data[i] == '\n';
	}
}

static void put_verdicts(struct buffer *out, const struct verdicts *v)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct verdict *one = &v->verdict[i];

		buffer_printf(out, "\n%s: %s\n  %s: ", one->experiment, one->claim,
			verdict_words[one->kind]);
		buffer_append(out, one->reason.data, one->reason.len);
		buffer_putc(out, '\n');
		put_lines(out, &one->figures);
	}
	if (v->missing.len > 0)
		buffer_putc(out, '\n');
	buffer_append(out, v->missing.data, v->missing.len);
}

static void put_voided(struct buffer *out, const struct cells *cells)
{
	size_t n = 0;

	for (size_t i = 0; i < cells->count; i++)
		if (cells->cell[i].void_reason)
			buffer_printf(out, "%s  %s %s: %s\n",
				n++ == 0 ? "\nvoid cells, which do not count:\n" : "",
				cells->cell[i].experiment, cells->cell[i].name,
				cells->cell[i].void_reason);
}

static int make_report(struct report *r)
{
	struct buffer said;

	int code = read_cells(r->cli, &r->cells, r->dir, &r->complaints);
	if (code != BENCH_GO_ON)
		return code;
	if (plots_make(&r->plots, &r->cells) < 0 || verdicts_make(&r->verdicts, &r->cells) < 0)
		return cli_fail(r->cli, "%s", strerror(ENOMEM));
	code = draw_all(r);
	if (code != BENCH_GO_ON)
		return code;
	buffer_init(&said);
	buffer_printf(&said, "plots: %s/plots, %zu pictures\n", r->dir, r->plots.count);
	if (!r->plots_only)
		code = write_page(r, &said);
	if (code == BENCH_GO_ON) {
		put_verdicts(&said, &r->verdicts);
		put_voided(&said, &r->cells);
		/* Once more, where nobody has to scroll for it. */
		if (!r->plots_only && r->output)
			buffer_printf(&said, "\nreport: %s\n", r->output);
		else if (!r->plots_only)
			buffer_printf(&said, "\nreport: %s/report.html\n", r->dir);
		code = print(r->cli, &said);
	}
	buffer_done(&said);
	return code;
}

static void report_free(struct report *r)
{
	for (size_t i = 0; r->images && i < r->plots.count; i++)
		gnuplot_images_done(&r->images[i]);
	free(r->images);
	plots_done(&r->plots);
	verdicts_done(&r->verdicts);
	cells_done(&r->cells);
	buffer_done(&r->complaints);
}

static const struct cli_option report_options[] = {
	{"-o", "FILE", "the page; DIR/report.html if not given"},
	{"--plots-only", NULL, "the PNG plots in DIR/plots/ and the verdicts, no page"},
	{NULL, NULL, NULL},
};

enum { REPORT_OUTPUT, REPORT_PLOTS_ONLY };

static int take_report_option(void *own, int option, const char *value)
{
	struct report *r = own;

	if (option == CLI_OPERAND && r->dir)
		return cli_wrong(r->cli, "unexpected argument: %s", value);
	if (option == CLI_OPERAND)
		r->dir = value;
	else if (option == REPORT_OUTPUT)
		r->output = value;
	else
		r->plots_only = true;
	return BENCH_GO_ON;
}

static int read_report_options(struct cli *c, struct report *r)
{
	const int said = cli_read(c, take_report_option, r);

	if (said != BENCH_GO_ON)
		return said;
	if (!r->dir)
		return cli_wrong(c, "DIR is missing: where a sweep wrote cells.jsonl");
	if (r->plots_only && r->output)
		return cli_wrong(c, "-o and --plots-only exclude each other");
	return BENCH_GO_ON;
}

int bench_report(int argc, char **argv)
{
	struct cli c = {.command = "report",
		.operands = "DIR",
		.about = "Makes one self-contained page (DIR/report.html) and PNG plots "
			 "(DIR/plots/) of "
			 "what a sweep has\nmeasured, and prints a verdict for each claim. Needs "
			 "gnuplot.",
		.options = report_options};
	struct report r = {.cli = &c};

	buffer_init(&r.complaints);
	buffer_init(&r.verdicts.missing);
	cli_begin(&c, argc, argv);
	int code = read_report_options(&c, &r);
	if (code == BENCH_GO_ON)
		code = make_report(&r);
	report_free(&r);
	return code == BENCH_GO_ON ? BENCH_DONE : code;
}

/* --- compare ---------------------------------------------------------------------------------- */

struct sides {
	const struct cli *cli;
	unsigned dirs; /* read so far */
	const char *dir[2], *output;
	struct cells cells[2];
};

static int show_comparison(const struct cli *c, const struct sides *s)
{
	struct compare compare;
	struct buffer text;
	int code = BENCH_GO_ON;

	if (compare_make(&compare, &s->cells[0], &s->cells[1]) < 0)
		return cli_fail(c, "%s", strerror(ENOMEM));
	buffer_init(&text);
	if (s->output) {
		compare_page(&compare, s->dir[0], s->dir[1], &text);
		code = write_file(c, s->output, &text);
		buffer_reset(&text);
	}
	if (code == BENCH_GO_ON) {
		compare_table(&compare, s->dir[0], s->dir[1], &text);
		if (s->output)
			buffer_printf(&text, "page: %s\n", s->output);
		code = print(c, &text);
	}
	if (code == BENCH_GO_ON && compare.pairs == 0)
		code = cli_fail(c, "%s and %s have no cell in common that counts in both",
			s->dir[0], s->dir[1]);
	buffer_done(&text);
	compare_done(&compare);
	return code;
}

static int read_sides(const struct cli *c, struct sides *s)
{
	int code = BENCH_GO_ON;

	for (int i = 0; i < 2 && code == BENCH_GO_ON; i++) {
		struct buffer complaints;

		buffer_init(&complaints);
		code = read_cells(c, &s->cells[i], s->dir[i], &complaints);
		buffer_done(&complaints);
	}
	return code;
}

static const struct cli_option compare_options[] = {
	{"-o", "FILE", "a page as well"},
	{NULL, NULL, NULL},
};

static int take_compare_option(void *own, int option, const char *value)
{
	struct sides *s = own;

	if (option != CLI_OPERAND)
		s->output = value;
	else if (s->dirs == 2)
		return cli_wrong(s->cli, "unexpected argument: %s", value);
	else
		s->dir[s->dirs++] = value;
	return BENCH_GO_ON;
}

static int read_compare_options(struct cli *c, struct sides *s)
{
	const int said = cli_read(c, take_compare_option, s);

	if (said != BENCH_GO_ON)
		return said;
	if (s->dirs < 2)
		return cli_wrong(c, "two directories are needed, A and B");
	return BENCH_GO_ON;
}

int bench_compare(int argc, char **argv)
{
	struct cli c = {.command = "compare",
		.operands = "A B",
		.about = "Shows the cells that both directories have side by side: p50, p95 and "
			 "p99 of "
			 "both, B divided by A,\nand whether the 95 % intervals overlap.",
		.options = compare_options};
	struct sides s = {.cli = &c};

	cli_begin(&c, argc, argv);
	int code = read_compare_options(&c, &s);
	if (code == BENCH_GO_ON)
		code = read_sides(&c, &s);
	if (code == BENCH_GO_ON)
		code = show_comparison(&c, &s);
	cells_done(&s.cells[0]);
	cells_done(&s.cells[1]);
	return code == BENCH_GO_ON ? BENCH_DONE : code;
}
