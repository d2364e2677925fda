#include "server/ctl/table.h"

#include "server/ctl/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Without these, which are only for wide terminals, two blanks are not worth a column. */
#define EXTRA 20

#define LATE_MS 1000

struct column {
	const char *group; /* drawn over all neighbours with the same one; NULL: none */
	const char *name;
	int rank;		    /* the column of highest rank is left out first; 0 never is */
	enum { ALWAYS, LIVING } of; /* LIVING: there is nothing to show without a worker */
	bool left;
	const char *(*cell)(char text[UNITS_BYTES], const struct report_row *row);
	enum tone (*tone)(const struct report_row *row);
};

static const char *slot_cell(char text[UNITS_BYTES], const struct report_row *row)
{
	(void)snprintf(text, UNITS_BYTES, "%u", (unsigned)row->slot);
	return text;
}

static const char *pid_cell(char text[UNITS_BYTES], const struct report_row *row)
{
	(void)snprintf(text, UNITS_BYTES, "%d", (int)row->pid);
	return text;
}

/* The fleet's row has no pid: its lag is that of the latest worker, its state is its own. */
bool table_is_late(const struct report_row *row)
{
	return row->pid > 0 && row->lag_ms.now > LATE_MS;
}

static const char *state_cell(char text[UNITS_BYTES], const struct report_row *row)
{
	(void)snprintf(text, UNITS_BYTES, "%s%s%s", row->state, row->draining_pid > 0 ? "+" : "",
		table_is_late(row) ? "!" : "");
	return text;
}

static const char *age_cell(char text[UNITS_BYTES], const struct report_row *row)
{
	return units_age(text, row->age_s);
}

static const char *lag_now_cell(char text[UNITS_BYTES], const struct report_row *row)
{
	return units_ms(text, row->lag_ms.now);
}

#define CELL(name, format, value)                                                                  \
	static const char *name##_cell(char text[UNITS_BYTES], const struct report_row *row)       \
	{                                                                                          \
		return format(text, value);                                                        \
	}
CELL(memory, units_bytes, (double)row->memory_bytes)
CELL(connections, units_count, (double)row->connections)
CELL(active, units_count, (double)row->active)
CELL(queue, units_count, (double)row->queue)
CELL(requests, units_count, (double)row->requests)
CELL(rate, units_rate, row->requests_per_s)
CELL(busy, units_percent, row->busy)
CELL(cpu, units_percent, row->cpu)
CELL(lag_p95, units_ms, row->lag_ms.p95)
CELL(mean, units_ms, row->response_ms.mean)
CELL(p50, units_ms, row->response_ms.p50)
CELL(p95, units_ms, row->response_ms.p95)
CELL(p99, units_ms, row->response_ms.p99)
CELL(restarts, units_count, (double)row->restarts)
CELL(hung, units_count, (double)row->hung)
CELL(recycled, units_count, (double)row->recycled)
CELL(parked, units_count, (double)row->parked)
CELL(queue_p50, units_ms, row->queue_ms.p50)
CELL(queue_p99, units_ms, row->queue_ms.p99)
CELL(service_p50, units_ms, row->service_ms.p50)
CELL(service_p99, units_ms, row->service_ms.p99)
CELL(refused, units_count, (double)row->shed_full + (double)row->shed_late)
CELL(gone, units_count, (double)row->abandoned)
CELL(timeouts, units_count, (double)row->timeouts)
CELL(received, units_bytes, (double)row->bytes_in)
CELL(sent, units_bytes, (double)row->bytes_out)

enum tone table_tone_of_state(const char *state)
{
	if (strcmp(state, "ready") == 0 || strcmp(state, "ok") == 0)
		return TONE_GOOD;
	if (strcmp(state, "waiting") == 0 || strcmp(state, "parked") == 0 ||
		strcmp(state, "down") == 0)
		return TONE_BAD;
	return strcmp(state, "unused") == 0 ? TONE_DIM : TONE_WARN;
}

static enum tone above(double value, double warn, double bad)
{
	return value >= bad ? TONE_BAD : value >= warn ? TONE_WARN : TONE_PLAIN;
}

static enum tone state_tone(const struct report_row *row)
{
	return table_is_late(row) ? TONE_BAD : table_tone_of_state(row->state);
}

static enum tone busy_tone(const struct report_row *row)
{
	return above(row->busy, 0.7, 0.9);
}

static enum tone lag_tone(const struct report_row *row)
{
	return above(row->lag_ms.now, 50, 250);
}

static enum tone queue_tone(const struct report_row *row)
{
	return above((double)row->queue, 10, 100);
}

static enum tone restarts_tone(const struct report_row *row)
{
	return above((double)row->restarts, 1, INFINITY);
}

static enum tone hung_tone(const struct report_row *row)
{
	return above((double)row->hung, 1, INFINITY);
}

static enum tone parked_tone(const struct report_row *row)
{
	return above((double)row->parked, 1, INFINITY);
}

static enum tone refused_tone(const struct report_row *row)
{
	return above((double)row->shed_full + (double)row->shed_late, 1, INFINITY);
}

static const struct column columns[] = {
	{NULL, "slot", 0, ALWAYS, false, slot_cell, NULL},
	{NULL, "pid", 1, LIVING, false, pid_cell, NULL},
	{NULL, "state", 0, ALWAYS, true, state_cell, state_tone},
	{NULL, "age", 6, LIVING, false, age_cell, NULL},
	{NULL, "memory", 5, LIVING, false, memory_cell, NULL},
	{NULL, "conns", 8, LIVING, false, connections_cell, NULL},
	{"requests", "active", 9, LIVING, false, active_cell, NULL},
	{"requests", "queued", 3, LIVING, false, queue_cell, queue_tone},
	{"requests", "total", 7, ALWAYS, false, requests_cell, NULL},
	{"requests", "per s", 0, ALWAYS, false, rate_cell, NULL},
	{NULL, "busy", 0, LIVING, false, busy_cell, busy_tone},
	{NULL, "CPU", 2, LIVING, false, cpu_cell, NULL},
	{"lag ms", "now", 3, LIVING, false, lag_now_cell, lag_tone},
	{"lag ms", "p95", 11, ALWAYS, false, lag_p95_cell, NULL},
	{"response ms", "mean", 10, ALWAYS, false, mean_cell, NULL},
	{"response ms", "p50", 4, ALWAYS, false, p50_cell, NULL},
	{"response ms", "p95", 6, ALWAYS, false, p95_cell, NULL},
	{"response ms", "p99", 0, ALWAYS, false, p99_cell, NULL},
	{"queue ms", "p50", EXTRA + 3, ALWAYS, false, queue_p50_cell, NULL},
	{"queue ms", "p99", EXTRA, ALWAYS, false, queue_p99_cell, NULL},
	{"service ms", "p50", EXTRA + 3, ALWAYS, false, service_p50_cell, NULL},
	{"service ms", "p99", EXTRA, ALWAYS, false, service_p99_cell, NULL},
	{NULL, "refused", EXTRA + 1, ALWAYS, false, refused_cell, refused_tone},
	{"client", "gone", EXTRA + 4, ALWAYS, false, gone_cell, NULL},
	{"client", "timeouts", EXTRA + 4, ALWAYS, false, timeouts_cell, NULL},
	{"bytes", "in", EXTRA + 5, ALWAYS, false, received_cell, NULL},
	{"bytes", "out", EXTRA + 5, ALWAYS, false, sent_cell, NULL},
	{NULL, "hung", EXTRA + 6, ALWAYS, false, hung_cell, hung_tone},
	{NULL, "parked", EXTRA + 6, ALWAYS, false, parked_cell, parked_tone},
	{NULL, "recycled", EXTRA + 6, ALWAYS, false, recycled_cell, NULL},
	{"re-", "starts", 4, ALWAYS, false, restarts_cell, restarts_tone},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct layout {
	const struct report *report;
	const struct table_style *style;
	struct buffer *out;
	size_t gap;
	size_t width[COLUMNS]; /* 0: left out */
};

/* The last line sums up, and has neither a slot nor a pid. */
static const char *cell_of(
	char text[UNITS_BYTES], const struct column *c, const struct report_row *row, bool sum)
{
	if (sum && c->cell == slot_cell)
		return "all";
	if (sum && (c->cell == pid_cell || c->cell == age_cell))
		return "";
	if (!sum && row->pid == 0 && c->of == LIVING)
		return "-";
	return c->cell(text, row);
}

static void measure(struct layout *l)
{
	char text[UNITS_BYTES];

	for (size_t i = 0; i < COLUMNS; i++) {
		l->width[i] = strlen(columns[i].name);
		for (size_t n = 0; n <= l->report->workers; n++) {
			bool sum = n == l->report->workers;
			const struct report_row *row =
				sum ? &l->report->fleet : &l->report->worker[n];
			size_t len = strlen(cell_of(text, &columns[i], row, sum));

			if (len > l->width[i])
				l->width[i] = len;
		}
	}
}

/* The next column that is shown, from i on. */
static size_t shown(const struct layout *l, size_t i)
{
	while (i < COLUMNS && l->width[i] == 0)
		i++;
	return i;
}

static bool same_group(size_t i, size_t k)
{
	return k < COLUMNS && columns[i].group && columns[k].group &&
	       strcmp(columns[i].group, columns[k].group) == 0;
}

/*
 * How wide the columns are that share the group of column i, the first of them; and the first one
 * past them.
 */
static size_t span_of(const struct layout *l, size_t i, size_t *ret_next)
{
	size_t span = l->width[i], k = shown(l, i + 1);

	for (; same_group(i, k); k = shown(l, k + 1))
		span += l->gap + l->width[k];
	*ret_next = k;
	return span;
}

/*
 * Makes the first column of a group as wide as the group's name asks for. Returns the width of the
 * whole table.
 */
static size_t widen(struct layout *l)
{
	size_t all = 0, next;

	for (size_t i = shown(l, 0); i < COLUMNS; i = next) {
		size_t span = span_of(l, i, &next);
		size_t name = columns[i].group ? strlen(columns[i].group) : 0;

		if (name > span) {
			l->width[i] += name - span;
			span = name;
		}
		all += span + (all ? l->gap : 0);
	}
	return all;
}

static size_t least_needed(const struct layout *l)
{
	size_t worst = 0;

	for (size_t i = shown(l, 0); i < COLUMNS; i = shown(l, i + 1))
		if (columns[i].rank >= columns[worst].rank)
			worst = i;
	return worst;
}

/* Leaves out columns until the table fits, or only those are left that it is never without. */
static void fit(struct layout *l)
{
	measure(l);
	for (;;) {
		size_t worst = least_needed(l);

		l->gap = columns[worst].rank >= EXTRA ? 2 : 1;
		if (widen(l) <= l->style->columns || columns[worst].rank == 0)
			break;
		l->width[worst] = 0;
	}
	l->gap = 2;
	if (widen(l) > l->style->columns)
		l->gap = 1;
}

static void blanks(struct buffer *out, size_t n)
{
	buffer_printf(out, "%*s", (int)n, "");
}

static void rule(struct layout *l, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buffer_puts(l->out, l->style->utf8 ? "\xe2\x94\x80" : "-");
}

/* The name of a group in the middle of a rule; over a single column, flush right. */
static void write_group(struct layout *l, const char *name, size_t span, bool single)
{
	size_t rest = span - strlen(name);

	if (single || rest < 4) {
		blanks(l->out, rest);
		buffer_puts(l->out, name);
		return;
	}
	rule(l, (rest - 2) / 2);
	buffer_printf(l->out, " %s ", name);
	rule(l, rest - 2 - (rest - 2) / 2);
}

static void write_groups(struct layout *l)
{
	size_t owed = 0, next;

	for (size_t i = shown(l, 0); i < COLUMNS; i = next) {
		size_t span = span_of(l, i, &next);

		if (columns[i].group) {
			blanks(l->out, owed);
			write_group(l, columns[i].group, span, shown(l, i + 1) == next);
			owed = l->gap;
		} else {
			owed += span + l->gap;
		}
	}
	buffer_putc(l->out, '\n');
}

/*
 * One cell with what is owed before it. Blanks behind a cell are owed to the next one, so that none
 * end a line.
 */
static size_t write_cell(struct layout *l, size_t i, size_t owed, const char *text, enum tone tone)
{
	size_t rest = l->width[i] - strlen(text);

	blanks(l->out, owed + (columns[i].left ? 0 : rest));
	table_tone(l->out, l->style, tone, text);
	return l->gap + (columns[i].left ? rest : 0);
}

static void write_names(struct layout *l)
{
	size_t owed = 0;

	for (size_t i = shown(l, 0); i < COLUMNS; i = shown(l, i + 1))
		owed = write_cell(l, i, owed, columns[i].name, TONE_BOLD);
	buffer_putc(l->out, '\n');
}

static void write_row(struct layout *l, const struct report_row *row, bool sum)
{
	char text[UNITS_BYTES];
	size_t owed = 0;

	for (size_t i = shown(l, 0); i < COLUMNS; i = shown(l, i + 1)) {
		const char *cell = cell_of(text, &columns[i], row, sum);
		enum tone tone = columns[i].tone ? columns[i].tone(row) : TONE_PLAIN;

		if (tone == TONE_PLAIN && sum)
			tone = TONE_BOLD;
		if (*cell)
			owed = write_cell(l, i, owed, cell, tone);
		else
			owed += l->width[i] + l->gap;
	}
	buffer_putc(l->out, '\n');
}

void table_tone(
	struct buffer *out, const struct table_style *style, enum tone tone, const char *text)
{
	static const char *const codes[] = {"", "32", "33", "31;1", "2", "1"};

	if (style->colour && tone != TONE_PLAIN)
		buffer_printf(out, "\033[%sm%s\033[0m", codes[tone], text);
	else
		buffer_puts(out, text);
}

static bool has(const struct layout *l, const char *name)
{
	for (size_t i = shown(l, 0); i < COLUMNS; i = shown(l, i + 1))
		if (strcmp(columns[i].name, name) == 0)
			return true;
	return false;
}

/* What times the figures are of, as far as they are shown. */
static void write_note(struct layout *l)
{
	char note[128];

	(void)snprintf(note, sizeof(note),
		"per s, busy%s: the last second; %spercentiles: the last 10 s",
		has(l, "CPU") ? ", CPU" : "", has(l, "mean") ? "mean and " : "");
	if (strlen(note) > l->style->columns)
		return;
	table_tone(l->out, l->style, TONE_DIM, note);
	buffer_putc(l->out, '\n');
}

static void write_rows(struct layout *l, size_t room)
{
	size_t n = l->report->workers;
	char text[64];

	for (size_t i = 0; i < n && i < room; i++)
		write_row(l, &l->report->worker[i], false);
	if (room < n) {
		(void)snprintf(text, sizeof(text), "(%zu more workers)", n - room);
		table_tone(l->out, l->style, TONE_DIM, text);
		buffer_putc(l->out, '\n');
	}
}

/* What begins at `from` ends after that many lines. */
static void clip(struct buffer *out, size_t from, size_t lines)
{
	size_t at = from;

	for (; lines > 0 && at < out->len; at++)
		lines -= out->data[at] == '\n';
	out->len = at;
}

void table_write(const struct report *r, const struct table_style *style, struct buffer *out)
{
	struct layout l = {.report = r, .style = style, .out = out};
	size_t begin = out->len, room = r->workers;
	/* Beside the workers: the summary, a blank line, two of heads, and the sum. */
	size_t lines = summary_write(r, style, out) + 4;
	bool scarce = style->rows > 0 && lines + r->workers > style->rows;

	if (scarce)
		room = style->rows > lines + 1 ? style->rows - lines - 1 : 0;
	fit(&l);
	buffer_putc(out, '\n');
	write_groups(&l);
	write_names(&l);
	write_rows(&l, room);
	write_row(&l, &r->fleet, true);
	write_note(&l);
	if (style->rows > 0)
		clip(out, begin, style->rows);
}
