#include "bench/sweep/cell_void.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void say(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct buffer *to, const char *format, ...)
{
	va_list arguments;
	char text[256];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_printf(to, "%s%s", to->len ? "; " : "", text);
}

static void check_errors(const struct recorder *r, struct buffer *why)
{
	char text[8];

	if (r->errors == 0)
		return;
	say(why, "%llu of %llu requests failed", (unsigned long long)r->errors,
		(unsigned long long)r->latency.all.count);
	for (unsigned i = 0; i < RECORDER_STATUSES; i++)
		if ((i < 200 || i >= 400) && r->status[i] > 0)
			buffer_printf(why, " (%s: %llu)", sample_status_name(i, text),
				(unsigned long long)r->status[i]);
}

static void check_machine(const struct watch_shares *s, bool foreign, struct buffer *why)
{
	const double steal = s->machine_steal * (double)sysconf(_SC_NPROCESSORS_ONLN);

	if (s->balancer > CELL_HAPROXY_MOST)
		say(why, "HAProxy was near full: %.0f %% of a CPU, at most %.0f %% is allowed",
			s->balancer * 100, CELL_HAPROXY_MOST * 100);
	if (s->restarted)
		say(why, "a worker died meanwhile");
	/* Of a foreign fleet not all processes are known, so they would pass for others. */
	if (!foreign && s->others > CELL_OTHERS_MOST)
		say(why, "other programs used %.2f CPUs, at most %.2f is allowed", s->others,
			CELL_OTHERS_MOST);
	if (steal > CELL_STEAL_MOST)
		say(why, "the host took away %.2f CPUs, at most %.2f is allowed", steal,
			CELL_STEAL_MOST);
}

void cell_find_void(const struct schedule_cell *c, struct cell_result *r, bool foreign)
{
	const struct measure *m = &r->measure;
	const double busy = m->shares.busy_mean;

	(void)recorder_is_void(&m->recorder, &m->totals, &recorder_default_limits, &r->void_reason);
	if (m->too_many)
		say(&r->void_reason, "there were more requests than room for them");
	check_errors(&m->recorder, &r->void_reason);
	check_machine(&m->shares, foreign, &r->void_reason);
	/* Chance alone moves a short cell's utilization by some per cent, so it is no reason. */
	if (fabs(busy - c->utilization) > CELL_BUSY_NEAR * c->utilization)
		say(&r->notes, "the workers were %.1f %% busy, wanted was %.1f %%", busy * 100,
			c->utilization * 100);
}
