#include "server/ctl/table.h"
#include "server/ctl/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GAP 3
#define FAILED_LATELY_S 3600
#define LINE_BYTES (REPORT_TEXT_BYTES + 128) /* a change's text, and what goes before it */

/* Pieces of text, put on a line for as long as they fit. */
struct flow {
	struct buffer *out;
	const struct table_style *style;
	size_t at;    /* characters on the line */
	size_t lines; /* begun */
};

/* Characters that UTF-8 text takes on a terminal, wide and combining ones aside. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void new_line(struct flow *f)
{
	if (f->at > 0)
		buffer_putc(f->out, '\n');
	f->at = 0;
}

static void piece(struct flow *f, enum tone tone, const char *text)
{
	size_t width = width_of(text);

	if (f->at > 0 && f->at + GAP + width > f->style->columns)
		new_line(f);
	if (f->at > 0)
		buffer_printf(f->out, "%*s", GAP, "");
	else
		f->lines++;
	f->at += (f->at > 0 ? GAP : 0) + width;
	table_tone(f->out, f->style, tone, text);
}

static void write_identity(struct flow *f, const struct report *r)
{
	char text[128], age[UNITS_BYTES];

	(void)snprintf(text, sizeof(text), "quernd %s", r->version);
	piece(f, TONE_BOLD, text);
	piece(f, table_tone_of_state(r->fleet.state), r->fleet.state);
	(void)snprintf(text, sizeof(text), "up %s", units_age(age, r->uptime_s));
	piece(f, TONE_PLAIN, text);
	(void)snprintf(text, sizeof(text), "pid %d", (int)r->pid);
	piece(f, TONE_PLAIN, text);
	piece(f, TONE_PLAIN, r->config ? r->config : "no configuration file");
	new_line(f);
}

static void write_late(struct flow *f, const struct report *r)
{
	char text[64];
	size_t late = 0;

	for (size_t i = 0; i < r->workers; i++)
		late += table_is_late(&r->worker[i]);
	(void)snprintf(text, sizeof(text), "%zu late (!): blocked for more than 1 s", late);
	if (late > 0)
		piece(f, TONE_BAD, text);
}

/* Slots that are left alone, and when the first of them is tried again. */
static void write_parked(struct flow *f, const struct report *r)
{
	char text[64], in[UNITS_BYTES];
	double next_s = INFINITY;
	size_t parked = 0;

	for (size_t i = 0; i < r->workers; i++) {
		if (strcmp(r->worker[i].state, "parked") != 0)
			continue;
		parked++;
		next_s = fmin(next_s, r->worker[i].next_start_s);
	}
	if (parked == 0)
		return;
	(void)snprintf(
		text, sizeof(text), "%zu parked, next try in %s", parked, units_age(in, next_s));
	piece(f, TONE_BAD, text);
}

static void write_leaving(struct flow *f, const struct report *r)
{
	char text[64];
	size_t leaving = 0;

	for (size_t i = 0; i < r->workers; i++)
		leaving += r->worker[i].draining_pid > 0;
	(void)snprintf(text, sizeof(text), "%zu replaced (+), still draining", leaving);
	if (leaving > 0)
		piece(f, TONE_WARN, text);
}

static void write_memory(struct flow *f, const struct report *r)
{
	char text[128], all[UNITS_BYTES], master[UNITS_BYTES], admin[UNITS_BYTES];
	uint64_t sum = r->fleet.memory_bytes + r->master_bytes + r->admin_bytes;

	(void)snprintf(text, sizeof(text), "memory %s (master %s, admin %s)",
		units_bytes(all, (double)sum), units_bytes(master, (double)r->master_bytes),
		units_bytes(admin, (double)r->admin_bytes));
	piece(f, TONE_PLAIN, text);
}

static void write_fleet(struct flow *f, const struct report *r)
{
	const char *scheme = r->tls ? "https" : "http";
	char text[256];

	(void)snprintf(text, sizeof(text),
		"%" PRIu32 " of %" PRIu32 " workers ready, at most %" PRIu32, r->ready, r->wanted,
		r->max);
	piece(f, r->ready < r->wanted ? TONE_WARN : TONE_PLAIN, text);
	write_late(f, r);
	write_parked(f, r);
	write_leaving(f, r);
	if (strcmp(r->balancer, "haproxy") == 0)
		(void)snprintf(
			text, sizeof(text), "%s://%s by haproxy, %s", scheme, r->listen, r->policy);
	else
		(void)snprintf(text, sizeof(text), "%s://%s", scheme, r->listen);
	if (r->listen[0])
		piece(f, TONE_PLAIN, text);
	write_memory(f, r);
	new_line(f);
}

static void write_totals(struct flow *f, const struct report *r)
{
	const struct report_row *t = &r->fleet;
	char text[256], a[UNITS_BYTES], b[UNITS_BYTES], c[UNITS_BYTES];

	(void)snprintf(text, sizeof(text), "%s requests, %s per s", units_grouped(a, t->requests),
		units_rate(b, t->requests_per_s));
	piece(f, TONE_PLAIN, text);
	(void)snprintf(text, sizeof(text), "received %s, sent %s",
		units_bytes(a, (double)t->bytes_in), units_bytes(b, (double)t->bytes_out));
	piece(f, TONE_PLAIN, text);
	if (t->shed_full + t->shed_late > 0) {
		(void)snprintf(text, sizeof(text), "refused %s (queue full %s, waited too long %s)",
			units_grouped(a, t->shed_full + t->shed_late),
			units_grouped(b, t->shed_full), units_grouped(c, t->shed_late));
		piece(f, TONE_WARN, text);
	}
	if (t->abandoned > 0) {
		(void)snprintf(
			text, sizeof(text), "client gone %s", units_grouped(a, t->abandoned));
		piece(f, TONE_PLAIN, text);
	}
	if (t->timeouts > 0) {
		(void)snprintf(
			text, sizeof(text), "client timeouts %s", units_grouped(a, t->timeouts));
		piece(f, TONE_PLAIN, text);
	}
	if (t->hung + t->recycled > 0) {
		(void)snprintf(text, sizeof(text), "replaced: %s hung, %s recycled",
			units_grouped(a, t->hung), units_grouped(b, t->recycled));
		piece(f, t->hung > 0 ? TONE_WARN : TONE_PLAIN, text);
	}
	new_line(f);
}

/* The first line of text (below LINE_BYTES), as far as it fits into n characters. */
static void write_first_line(struct flow *f, enum tone tone, const char *text, size_t n)
{
	char line[LINE_BYTES + sizeof(" ...")];
	size_t len = strcspn(text, "\n");
	bool cut = text[len] != '\0';

	(void)snprintf(line, sizeof(line), "%.*s", (int)len, text);
	while (width_of(line) + (cut ? 4 : 0) > n && len > 0) {
		/* Whole characters: what continues one goes with its first byte. */
		do
			line[--len] = '\0';
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80);
		cut = true;
	}
	if (cut)
		(void)snprintf(line + len, sizeof(line) - len, " ...");
	piece(f, tone, line);
	new_line(f);
}

/* A change that runs, or the last one if it failed not long ago, on a line of its own. */
static void write_change(struct flow *f, const struct report *r)
{
	const struct report_change *c = r->changes > 0 ? &r->change[r->changes - 1] : NULL;
	char text[LINE_BYTES], age[UNITS_BYTES];
	double ended_s;

	if (!c)
		return;
	ended_s = c->age_s - ((double)c->ended_us - (double)c->begun_us) / 1e6;
	if (strcmp(c->state, "running") == 0) {
		(void)snprintf(text, sizeof(text),
			"%s: %" PRIu32 " of %" PRIu32 " workers, for %s: %s", c->kind, c->done,
			c->total, units_age(age, c->age_s), c->text);
		write_first_line(f, TONE_WARN, text, f->style->columns);
	} else if (strcmp(c->state, "failed") == 0 && ended_s < FAILED_LATELY_S) {
		(void)snprintf(text, sizeof(text), "%s failed %s ago: %s", c->kind,
			units_age(age, ended_s), c->text);
		write_first_line(f, TONE_BAD, text, f->style->columns);
	}
}

size_t summary_write(const struct report *r, const struct table_style *style, struct buffer *out)
{
	struct flow f = {.out = out, .style = style};

	write_identity(&f, r);
	write_fleet(&f, r);
	write_totals(&f, r);
	write_change(&f, r);
	return f.lines;
}
