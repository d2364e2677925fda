/* The table that `load` prints, 100 columns wide. */
#include "bench/load/load_report.h"

#include "bench/latency.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WIDTH 100
#define LABEL 30
#define COLUMN 10
#define FACT 16
#define FACT_VALUE 12
#define FACT_TEXT (2 + FACT + FACT_VALUE + 3)

static const struct {
	const char *name;
	double p; /* 0: the mean; 1: the largest */
} columns[] = {{"mean", 0}, {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99},
	{"p99.9", 0.999}, {"max", 1}};

#define COLUMNS (sizeof columns / sizeof *columns)

/* "1,234,567" */
static const char *count_text(uint64_t count, char *text, size_t n)
{
	char digits[24];
	const size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
	size_t to = 0;

	for (size_t i = 0; i < len && to + 2 < n; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[to++] = ',';
		text[to++] = digits[i];
	}
	text[to] = '\0';
	return text;
}

static const char *rate_text(double rps, char *text, size_t n)
{
	char count[32];

	if (rps >= 999.5)
		(void)snprintf(
			text, n, "%s /s", count_text((uint64_t)llround(rps), count, sizeof count));
	else
		(void)snprintf(text, n, "%.*f /s", rps >= 99.95 ? 1 : rps >= 9.995 ? 2 : 3, rps);
	return text;
}

static const char *bytes_text(uint64_t bytes, char *text, size_t n)
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t u = 0;

	for (; u < 4 && value >= 1023.5; u++)
		value /= 1024;
	(void)snprintf(text, n, "%.*f %s", u > 0 && value < 99.95 ? 1 : 0, value, unit[u]);
	return text;
}

/* At most `most` characters of a text that is ASCII, with "..." where it was cut. */
static void put_cut(struct buffer *out, const char *text, size_t most)
{
	const size_t len = strlen(text);

	buffer_append(out, text, len <= most ? len : most - 3);
	if (len > most)
		buffer_puts(out, "...");
}

static void put_plural(struct buffer *out, uint64_t count, const char *what)
{
	char text[32];

	buffer_printf(
		out, "%s %s%s", count_text(count, text, sizeof text), what, count == 1 ? "" : "s");
}

/* --- facts: name, figure, remark ---------------------------------------------------------------------------------- */

static void put_fact(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, "  %-*s%*s   ", FACT, name, FACT_VALUE, value);
}

/* "200: 10,011, 503: 2", of answers or of errors; wrapped under the remarks. */
static void put_statuses(struct buffer *out, const struct recorder *r, bool errors)
{
	size_t column = FACT_TEXT + 30;
	bool first = true;

	for (unsigned i = 0; i < RECORDER_STATUSES; i++) {
		const struct sample like = {.status = (uint16_t)i};
		char name[8], count[32], item[48];

		if (r->status[i] == 0 || (sample_is_error(&like) != 0) != errors)
			continue;
		const int n = snprintf(item, sizeof item, "%s: %s", sample_status_name(i, name),
			count_text(r->status[i], count, sizeof count));
		column += (size_t)n + 2;
		if (column > WIDTH) {
			buffer_printf(out, ",\n%*s", FACT_TEXT, "");
			column = FACT_TEXT + (size_t)n;
		} else if (!first) {
			buffer_puts(out, ", ");
		}
		buffer_puts(out, item);
		first = false;
	}
}

static void put_sent(struct buffer *out, const struct load_report *r)
{
	const struct load_totals *t = r->totals;
	char text[32];

	put_fact(out, "offered", rate_text(t->offered_rps, text, sizeof text));
	buffer_printf(out, "%s arrivals, seed %" PRIu64 "\n", r->arrivals, r->seed);
	put_fact(out, "sent", rate_text(t->intended_rps, text, sizeof text));
	put_plural(out, t->intended, "request");
	buffer_printf(out, " in %.1f s", t->elapsed_us / 1e6);
	if (t->warmup > 0)
		buffer_printf(
			out, ", after %s in the warm-up", count_text(t->warmup, text, sizeof text));
	buffer_puts(out, t->ended_early ? "; ended early, precise enough\n" : "\n");
}

static void put_answers(struct buffer *out, const struct load_report *r)
{
	const struct recorder *recorder = r->recorder;
	char text[32];

	put_fact(out, "answered", rate_text(r->totals->achieved_rps, text, sizeof text));
	if (recorder->errors < recorder->latency.all.count) {
		buffer_puts(out, "with status ");
		put_statuses(out, recorder, false);
	} else {
		buffer_puts(out, "no request succeeded");
	}
	buffer_putc(out, '\n');
	put_fact(out, "errors", count_text(recorder->errors, text, sizeof text));
	if (recorder->errors > 0) {
		buffer_printf(out, "%.3g %% of all, ",
			100 * (double)recorder->errors / (double)recorder->latency.all.count);
		put_statuses(out, recorder, true);
	} else {
		buffer_puts(out, "in the measured part");
	}
	buffer_putc(out, '\n');
}

static void put_generator(struct buffer *out, const struct load_report *r)
{
	const struct load_totals *t = r->totals;
	char text[32], sent[32], received[32];

	(void)snprintf(text, sizeof text, "%u", t->most_connections);
	put_fact(out, "connections", text);
	buffer_printf(out,
		"at most, %s opened; waited for one: ", count_text(t->connects, text, sizeof text));
	put_plural(out, t->waited, "request");
	if (t->waited > 0)
		buffer_printf(out, " (%.3g %%)", 100 * (double)t->waited / (double)t->intended);
	(void)snprintf(text, sizeof text, "%.1f %%", 100 * t->cpu_share);
	buffer_putc(out, '\n');
	put_fact(out, "generator", text);
	buffer_printf(out, "of one CPU; %s sent, %s received\n",
		bytes_text(t->bytes_out, sent, sizeof sent),
		bytes_text(t->bytes_in, received, sizeof received));
}

/* --- figures: name, one column for each statistic ----------------------------------------------------------------- */

static void put_label(struct buffer *out, const char *label)
{
	buffer_printf(out, "%-*s", LABEL, label);
}

static double column_of(const struct quantiles *q, double p)
{
	return p == 0 ? quantiles_mean(q) : p == 1 ? q->max : quantiles_at(q, p);
}

static void put_figures(struct buffer *out, const char *label, const struct quantiles *q)
{
	char text[LATENCY_TEXT_BYTES];

	put_label(out, label);
	for (size_t i = 0; i < COLUMNS; i++)
		buffer_printf(out, "%*s", COLUMN,
			q->count > 0 ? latency_text(column_of(q, columns[i].p), text, sizeof text)
				     : "-");
	buffer_putc(out, '\n');
}

/* The largest value has no interval. */
static void put_intervals(struct buffer *out, const struct batches *b)
{
	struct interval interval[COLUMNS - 1];
	char text[LATENCY_TEXT_BYTES];
	bool unknown = false;

	for (size_t i = 0; i < COLUMNS - 1; i++) {
		interval[i] = batches_interval(b, columns[i].p);
		unknown |= !interval[i].known;
	}
	for (int high = 0; high <= 1; high++) {
		put_label(out, high ? "                       to" : "  95 % interval, from");
		for (size_t i = 0; i < COLUMNS - 1; i++)
			buffer_printf(out, "%*s", COLUMN,
				interval[i].known
					? latency_text(high ? interval[i].high : interval[i].low,
						  text, sizeof text)
					: "-");
		buffer_putc(out, '\n');
	}
	if (unknown)
		buffer_puts(out, "  (-: too few independent samples for an interval)\n");
}

static void put_templates(struct buffer *out, const struct load_report *r)
{
	const struct recorder *recorder = r->recorder;

	if (recorder->templates < 2)
		return;
	buffer_puts(out, "\nBy template\n");
	for (size_t i = 0; i < recorder->templates; i++) {
		buffer_puts(out, "  ");
		put_cut(out, mix_template_name(r->mix, i), WIDTH - 2);
		buffer_puts(out, "\n");
		struct buffer label;

		buffer_init(&label);
		buffer_puts(&label, "    ");
		put_plural(&label, recorder->of_template[i].count, "request");
		const char *text = buffer_cstring(&label);
		put_figures(out, text ? text : "", &recorder->of_template[i]);
		if (recorder->errors_of_template[i] > 0) {
			buffer_puts(out, "    ");
			put_plural(out, recorder->errors_of_template[i], "error");
			buffer_putc(out, '\n');
		}
		buffer_done(&label);
	}
}

static void put_server(struct buffer *out, const struct recorder *r)
{
	if (r->queue.count == 0 && r->service.count == 0)
		return;
	buffer_puts(out, "\nIn the server, as it told\n");
	if (r->queue.count > 0)
		put_figures(out, "  queue", &r->queue);
	if (r->service.count > 0)
		put_figures(out, "  service", &r->service);
}

/* Words, broken before column WIDTH. */
static void put_wrapped(struct buffer *out, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text) {
		const size_t word = strcspn(text, " ");

		if (column + 1 + word > WIDTH) {
			buffer_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			buffer_putc(out, ' ');
			column++;
		}
		buffer_append(out, text, word);
		column += word;
		text += word + strspn(text + word, " ");
	}
}

void load_report_table(const struct load_report *r, struct buffer *out)
{
	const struct recorder *recorder = r->recorder;

	buffer_puts(out, "Load of ");
	put_cut(out, r->url, WIDTH - 8);
	buffer_puts(out, "\n\n");
	put_sent(out, r);
	put_answers(out, r);
	put_generator(out, r);
	buffer_putc(out, '\n');
	put_label(out, "");
	for (size_t i = 0; i < COLUMNS; i++)
		buffer_printf(out, "%*s", COLUMN, columns[i].name);
	buffer_putc(out, '\n');
	put_figures(out, "Latency", &recorder->latency.all);
	put_intervals(out, &recorder->latency);
	put_templates(out, r);
	put_server(out, recorder);
	buffer_puts(out, "\nIn the generator\n");
	put_figures(out, "  lateness", &recorder->lateness);
	put_figures(out, "  wait for a connection", &recorder->blocked);
	if (r->void_reason) {
		buffer_puts(out, "\nVOID: ");
		put_wrapped(out, r->void_reason, 6);
		buffer_puts(out, ".\n      These figures do not count.\n");
	}
}
