#include "bench/measure/measure_void.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define HAPROXY_MOST 0.8 /* CPUs */
#define OTHERS_MOST 0.25 /* CPUs that programs which are no part of it may use */
#define STEAL_MOST 0.1	 /* CPUs that the host may take away */

void measure_say(struct buffer *to, const char *format, ...)
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
	measure_say(why, "%llu of %llu requests failed", (unsigned long long)r->errors,
		(unsigned long long)r->latency.all.count);
	for (unsigned i = 0; i < RECORDER_STATUSES; i++)
		if ((i < 200 || i >= 400) && r->status[i] > 0)
			buffer_printf(why, " (%s: %llu)", sample_status_name(i, text),
				(unsigned long long)r->status[i]);
}

void measure_check_machine(const struct watch_shares *s, bool foreign, struct buffer *why)
{
	const double steal = s->machine_steal * (double)sysconf(_SC_NPROCESSORS_ONLN);

	if (s->balancer > HAPROXY_MOST)
		measure_say(why,
			"HAProxy was near full: %.0f %% of a CPU, at most %.0f %% is allowed",
			s->balancer * 100, HAPROXY_MOST * 100);
	if (s->restarted)
		measure_say(why, "a worker died meanwhile");
	if (!foreign && s->others > OTHERS_MOST)
		measure_say(why, "other programs used %.2f CPUs, at most %.2f is allowed",
			s->others, OTHERS_MOST);
	if (steal > STEAL_MOST)
		measure_say(why, "the host took away %.2f CPUs, at most %.2f is allowed", steal,
			STEAL_MOST);
}

bool measure_is_void(
	const struct measure *m, const struct measure_void_options *o, struct buffer *reason)
{
	struct recorder_limits limits = recorder_default_limits;

	limits.planned_us = o->planned_us;
	(void)recorder_is_void(&m->recorder, &m->totals, &limits, reason);
	if (m->totals.interrupted)
		return true;
	if (m->too_many)
		measure_say(reason, "there were more requests than room for them");
	check_errors(&m->recorder, reason);
	measure_check_machine(&m->shares, o->foreign, reason);
	return reason->len > 0 || reason->failed;
}
