#include "tests/faults/tally.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

static const char *const names[OUTCOMES] = {"right", "shed", "wrong", "malformed", "reset",
	"closed", "raced", "cut", "refused", "timeout"};

const char *outcome_name(enum outcome o)
{
	return names[o];
}

int tally_init(struct tally *t, uint64_t late_us)
{
	*t = (struct tally){.late_us = late_us};
	t->failure = calloc(TALLY_FAILURES, sizeof *t->failure);
	return t->failure ? 0 : -ENOMEM;
}

void tally_done(struct tally *t)
{
	free(t->failure);
	free(t->latency_us);
}

static bool is_failure(enum outcome o)
{
	return o != RIGHT && o != SHED && o != CUT;
}

/* A slow request is due when its last byte may go out; an answer to it can be earlier. */
static uint64_t age_us(uint64_t now_us, uint64_t then_us)
{
	return now_us > then_us ? now_us - then_us : 0;
}

static double ms(uint64_t us)
{
	return (double)us / 1e3;
}

static double wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Target names and details are ours, and need no escapes. */
static void keep_failure(struct tally *t, const struct ending *e, uint64_t now_us)
{
	const uint64_t sent_us = e->sent_us ? e->sent_us : now_us;
	struct failure *f = &t->failure[t->failures];

	/* What is no failure must not take the place of what is. */
	if (t->failures >= (is_failure(e->outcome) ? TALLY_FAILURES : TALLY_FAILURES / 10))
		return;
	t->failures++;
	snprintf(f->text, sizeof f->text,
		"{\"time\": %.6f, \"kind\": \"%s\", \"detail\": \"%s\", \"target\": \"%s\", "
		"\"status\": %u, "
		"\"slot\": %d, \"after_ms\": %.3f, \"sent_ms_ago\": %.3f, \"connection_ms\": %.3f, "
		"\"asked_before\": %u, \"port\": %u, \"bytes\": %zu}",
		wall_s(), outcome_name(e->outcome), e->detail ? e->detail : "", e->target->name,
		e->answer ? e->answer->status : 0, e->answer ? e->answer->slot : -1,
		ms(age_us(now_us, e->intended_us)), ms(age_us(now_us, sent_us)),
		e->opened_us ? ms(now_us - e->opened_us) : 0., e->asked_before, e->port, e->bytes);
}

static int keep_latency(struct tally *t, uint64_t us)
{
	if (t->latencies == t->room) {
		const size_t room = t->room ? 2 * t->room : 65536;
		uint32_t *more = realloc(t->latency_us, room * sizeof *more);

		if (!more)
			return -ENOMEM;
		t->latency_us = more;
		t->room = room;
	}
	t->latency_us[t->latencies++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	return 0;
}

static int add_right(struct tally *t, const struct ending *e, uint64_t us)
{
	const int slot = e->answer->slot;
	const bool late = us > t->late_us;

	t->late += late;
	if (us > t->slowest_us)
		t->slowest_us = us;
	if (slot >= 0 && slot < TALLY_SLOTS) {
		t->slot[slot]++;
		t->late_slot[slot] += late;
	}
	return keep_latency(t, us);
}

static void add_shed(struct tally *t, const struct ending *e, uint64_t us)
{
	const int slot = e->answer->slot;

	t->late_shed += us > t->late_us;
	t->shed_at_once += us <= t->late_us && slot < 0;
	if (us > t->shed_slowest_us)
		t->shed_slowest_us = us;
	if (slot < 0 || slot >= TALLY_SLOTS)
		return;
	if (t->shed_slot[slot]++ == 0 || us < t->shed_least_us[slot])
		t->shed_least_us[slot] = us;
}

int tally_add(struct tally *t, const struct ending *e, uint64_t now_us)
{
	const uint64_t us = age_us(now_us, e->intended_us);

	t->outcomes[e->outcome]++;
	t->reused += e->asked_before > 0;
	if (e->outcome == RIGHT)
		return add_right(t, e, us);
	if (e->outcome == SHED)
		add_shed(t, e, us);
	keep_failure(t, e, now_us);
	return 0;
}

uint64_t tally_sent(const struct tally *t)
{
	uint64_t sum = 0;

	for (int o = 0; o < OUTCOMES; o++)
		sum += t->outcomes[o];
	return sum;
}

uint64_t tally_failed(const struct tally *t)
{
	uint64_t sum = 0;

	for (int o = 0; o < OUTCOMES; o++)
		sum += is_failure((enum outcome)o) ? t->outcomes[o] : 0;
	return sum;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The latencies must be sorted. */
static double quantile_ms(const struct tally *t, double q)
{
	if (t->latencies == 0)
		return 0;
	return ms(t->latency_us[(size_t)(q * (double)(t->latencies - 1))]);
}

static void sort(struct tally *t)
{
	if (t->latencies > 0)
		qsort(t->latency_us, t->latencies, sizeof *t->latency_us, compare);
}

void tally_print(struct tally *t, FILE *out, double seconds)
{
	sort(t);
	fprintf(out, "drive: %" PRIu64 " requests in %.1f s:", tally_sent(t), seconds);
	for (int o = 0; o < OUTCOMES; o++)
		if (o <= WRONG || t->outcomes[o])
			fprintf(out, " %" PRIu64 " %s,", t->outcomes[o],
				outcome_name((enum outcome)o));
	fprintf(out,
		" p50 %.2f p99 %.2f p99.9 %.2f max %.1f ms, %" PRIu64 " late; %" PRIu64
		" connections, %" PRIu64 " reuses, %" PRIu64
		" ended idle, sent at most %.1f ms late\n",
		quantile_ms(t, .5), quantile_ms(t, .99), quantile_ms(t, .999), ms(t->slowest_us),
		t->late, t->connections, t->reused, t->idle_closed, ms(t->send_lag_us));
}

static void write_slots(FILE *out, const char *name, const uint64_t slot[TALLY_SLOTS])
{
	const char *comma = "";

	fprintf(out, ",\n \"%s\": {", name);
	for (int i = 0; i < TALLY_SLOTS; i++) {
		if (slot[i] == 0)
			continue;
		fprintf(out, "%s\"%d\": %" PRIu64, comma, i, slot[i]);
		comma = ", ";
	}
	fputs("}", out);
}

void tally_write_json(struct tally *t, FILE *out, double seconds)
{
	sort(t);
	fprintf(out, "{\"sent\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"seconds\": %.3f",
		tally_sent(t), tally_failed(t), seconds);
	for (int o = 0; o < OUTCOMES; o++)
		fprintf(out, ", \"%s\": %" PRIu64, outcome_name((enum outcome)o), t->outcomes[o]);
	fprintf(out,
		",\n \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f, "
		"\"shed_max_ms\": %.3f, \"late\": %" PRIu64 ", \"late_shed\": %" PRIu64
		", \"shed_at_once\": %" PRIu64 ", \"connections\": %" PRIu64
		", \"reused\": %" PRIu64 ", \"idle_closed\": %" PRIu64 ", \"send_lag_ms\": %.3f",
		quantile_ms(t, .5), quantile_ms(t, .99), quantile_ms(t, .999), ms(t->slowest_us),
		ms(t->shed_slowest_us), t->late, t->late_shed, t->shed_at_once, t->connections,
		t->reused, t->idle_closed, ms(t->send_lag_us));
	write_slots(out, "slots", t->slot);
	write_slots(out, "late_slots", t->late_slot);
	write_slots(out, "shed_slots", t->shed_slot);
	write_slots(out, "shed_least_us", t->shed_least_us);
	fputs(",\n \"failures\": [", out);
	for (size_t i = 0; i < t->failures; i++)
		fprintf(out, "%s\n  %s", i ? "," : "", t->failure[i].text);
	fputs("]}\n", out);
}
