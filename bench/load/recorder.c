#include "bench/load/recorder.h"

#include "bench/latency.h"
#include "bench/load/load_report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const struct recorder_limits recorder_default_limits = {
	.lateness_p99_us = 1000,
	.shortfall = 0.01,
	.generator_cpu = 0.85,
};

/* Samples are kept in an array that doubles. */
#define FIRST_CAPACITY 4096

static int init_templates(struct recorder *r, size_t templates)
{
	r->of_template = calloc(templates, sizeof(*r->of_template));
	r->errors_of_template = calloc(templates, sizeof(*r->errors_of_template));
	if (!r->of_template || !r->errors_of_template)
		return -ENOMEM;
	for (; r->templates < templates; r->templates++) {
		const int error = quantiles_init(&r->of_template[r->templates]);

		if (error < 0)
			return error;
	}
	return 0;
}

int recorder_init(struct recorder *r, size_t templates, bool keep, FILE *record)
{
	*r = (struct recorder){.keep = keep, .record = record};
	int error = batches_init(&r->latency, 0);

	if (error == 0)
		error = quantiles_init(&r->lateness);
	if (error == 0)
		error = quantiles_init(&r->blocked);
	if (error == 0)
		error = quantiles_init(&r->queue);
	if (error == 0)
		error = quantiles_init(&r->service);
	if (error == 0)
		error = init_templates(r, templates);
	if (error < 0)
		recorder_done(r);
	return error;
}

void recorder_done(struct recorder *r)
{
	batches_done(&r->latency);
	quantiles_done(&r->lateness);
	quantiles_done(&r->blocked);
	quantiles_done(&r->queue);
	quantiles_done(&r->service);
	for (size_t i = 0; i < r->templates; i++)
		quantiles_done(&r->of_template[i]);
	free(r->of_template);
	free(r->errors_of_template);
	free(r->sample);
	*r = (struct recorder){0};
}

static void keep(struct recorder *r, const struct sample *s)
{
	if (r->samples == r->capacity) {
		const size_t capacity = r->capacity ? r->capacity * 2 : FIRST_CAPACITY;
		struct sample *grown = realloc(r->sample, capacity * sizeof(*grown));

		if (!grown) {
			r->no_memory = true;
			return;
		}
		r->sample = grown;
		r->capacity = capacity;
	}
	r->sample[r->samples++] = *s;
}

static void record(struct recorder *r, const struct sample *s)
{
	const int error = load_record_line(r->record, s);

	if (error < 0)
		r->record_errno = -error;
}

/* Clocks of two readings may differ by less than their grain. */
static double not_negative(double us)
{
	return us > 0 ? us : 0;
}

void recorder_take(void *own, const struct sample *s)
{
	struct recorder *r = own;
	const double latency = not_negative(s->done_us - s->intended_us);

	batches_record(&r->latency, latency);
	quantiles_record(&r->lateness, not_negative(s->due_us - s->intended_us));
	if (s->sent_us >= 0)
		quantiles_record(&r->blocked, not_negative(s->sent_us - s->due_us));
	if (s->queue_us >= 0)
		quantiles_record(&r->queue, s->queue_us);
	if (s->service_us >= 0)
		quantiles_record(&r->service, s->service_us);
	r->status[s->status < RECORDER_STATUSES ? s->status : SAMPLE_BROKEN]++;
	if (s->template_index < r->templates) {
		quantiles_record(&r->of_template[s->template_index], latency);
		r->errors_of_template[s->template_index] += (uint64_t)sample_is_error(s);
	}
	r->errors += (uint64_t)sample_is_error(s);
	if (r->keep && !r->no_memory)
		keep(r, s);
	if (r->record && r->record_errno == 0)
		record(r, s);
}

/* Each reason is a clause; they are joined by "; ". */
static void clause(struct buffer *reason)
{
	if (reason->len > 0)
		buffer_puts(reason, "; ");
}

static void tell_interrupted(
	const struct load_totals *t, const struct recorder_limits *limits, struct buffer *reason)
{
	clause(reason);
	buffer_printf(reason, "interrupted after %.1f s", t->elapsed_us / 1e6);
	if (limits->planned_us > 0)
		buffer_printf(reason, " of %.4g s", limits->planned_us / 1e6);
	else if (limits->planned_requests > 0)
		buffer_printf(reason, ", %llu of %llu requests", (unsigned long long)t->intended,
			(unsigned long long)limits->planned_requests);
}

static void tell_late(
	const struct recorder *r, const struct recorder_limits *limits, struct buffer *reason)
{
	const double p99 = quantiles_at(&r->lateness, 0.99);
	char seen[LATENCY_TEXT_BYTES], allowed[LATENCY_TEXT_BYTES];

	if (p99 <= limits->lateness_p99_us)
		return;
	clause(reason);
	buffer_printf(reason,
		"the generator was late: p99 of its lateness is %s, at most %s is allowed",
		latency_text(p99, seen, sizeof seen),
		latency_text(limits->lateness_p99_us, allowed, sizeof allowed));
}

/* n arrivals of a Poisson process vary by sqrt(n), so three standard deviations are left to chance. */
static void tell_short(
	const struct load_totals *t, const struct recorder_limits *limits, struct buffer *reason)
{
	const double chance = 3 / sqrt((double)t->intended);

	if (t->intended_rps >= t->offered_rps * (1 - limits->shortfall - chance))
		return;
	clause(reason);
	buffer_printf(reason, "the generator fell short: %.4g requests/s instead of %.4g",
		t->intended_rps, t->offered_rps);
}

bool recorder_is_void(const struct recorder *r, const struct load_totals *t,
	const struct recorder_limits *limits, struct buffer *reason)
{
	const size_t start = reason->len;

	if (t->interrupted)
		tell_interrupted(t, limits, reason);
	if (r->latency.all.count == 0) {
		clause(reason);
		buffer_puts(reason, "no request was measured");
		return true;
	}
	tell_late(r, limits, reason);
	/* What an interruption cut short says nothing of the rate that was kept until then. */
	if (!t->interrupted)
		tell_short(t, limits, reason);
	if (t->cpu_share > limits->generator_cpu) {
		clause(reason);
		buffer_printf(reason,
			"the generator was itself near full: %.0f %% of a CPU, at most %.0f %% is "
			"allowed",
			t->cpu_share * 100, limits->generator_cpu * 100);
	}
	return reason->len > start || reason->failed;
}
