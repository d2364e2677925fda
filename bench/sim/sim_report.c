#include "bench/sim/sim_report.h"

#include "bench/latency.h"

#include <math.h>
#include <stdio.h>

#define FIGURES 6

struct figure {
	const char *name; /* as in JSON */
	const char *title;
	double p; /* 0: the mean */
};

static const struct figure figures[FIGURES] = {
	{"mean", "mean", 0},
	{"p50", "p50", 0.5},
	{"p90", "p90", 0.9},
	{"p95", "p95", 0.95},
	{"p99", "p99", 0.99},
	{"p999", "p99.9", 0.999},
};

static double closed_figure(const struct closed_response *c, size_t i)
{
	const double value[FIGURES] = {
		c->mean_us, c->p50_us, c->p90_us, c->p95_us, c->p99_us, c->p999_us};

	return *c->formula ? value[i] : NAN;
}

void sim_report_init(struct sim_report *r, const struct sim_options *o,
	const struct sim_result *result, uint64_t took_us)
{
	*r = (struct sim_report){.options = o, .result = result, .took_us = took_us};
	r->rate_rps = arrival_rate(o->arrival);
	r->utilization = r->rate_rps * o->service->mean_us / 1e6 / o->workers;
	if (o->arrival->kind == ARRIVAL_POISSON)
		closed_response(&o->policy, o->workers, r->rate_rps, o->service, &r->closed);
}

/* Three digits that mean something; "-" where there is no figure. */
static const char *text_of(double us, char *text, size_t n)
{
	if (isnan(us)) {
		(void)snprintf(text, n, "-");
		return text;
	}
	return latency_text(us, text, n);
}

static void put_interval(struct buffer *out, struct interval i)
{
	char low[LATENCY_TEXT_BYTES], high[LATENCY_TEXT_BYTES], text[2 * LATENCY_TEXT_BYTES + 4];

	(void)snprintf(text, sizeof text, "unknown");
	if (i.known)
		(void)snprintf(text, sizeof text, "%s to %s", latency_text(i.low, low, sizeof low),
			latency_text(i.high, high, sizeof high));
	buffer_printf(out, "%24s", text);
}

static void put_figure(const struct sim_report *r, size_t i, struct buffer *out)
{
	const struct batches *response = &r->result->response;
	const double p = figures[i].p;
	char text[LATENCY_TEXT_BYTES];

	buffer_printf(out, "%-12s%12s", figures[i].title,
		latency_text(
			p > 0 ? quantiles_at(&response->all, p) : quantiles_mean(&response->all),
			text, sizeof text));
	put_interval(out, batches_interval(response, p));
	if (*r->closed.formula)
		buffer_printf(
			out, "%16s", text_of(closed_figure(&r->closed, i), text, sizeof text));
	buffer_putc(out, '\n');
}

static void put_head(const struct sim_report *r, struct buffer *out)
{
	const struct sim_options *o = r->options;
	const struct sim_result *result = r->result;
	const double simulated = (double)(result->measured + result->warmup);
	char text[POLICY_TEXT_BYTES];

	buffer_printf(out,
		"%s, %u worker%s, utilization %.4g (%.6g requests/s), service %s, %s "
		"arrivals, seed %llu\n",
		policy_format(&o->policy, text, sizeof text), o->workers,
		o->workers == 1 ? "" : "s", r->utilization, r->rate_rps, o->service->spec,
		arrival_name(o->arrival), (unsigned long long)o->seed);
	buffer_printf(out, "%llu requests after %llu of warm-up: %.6g s simulated in %.2f s",
		(unsigned long long)result->measured, (unsigned long long)result->warmup,
		result->simulated_us / 1e6, (double)r->took_us / 1e6);
	if (result->measured > 0)
		buffer_printf(
			out, ", %.1f million requests/s", simulated / fmax(1, (double)r->took_us));
	buffer_puts(out, "\n\n");
}

void sim_report_table(const struct sim_report *r, struct buffer *out)
{
	char text[LATENCY_TEXT_BYTES];

	put_head(r, out);
	if (r->result->measured > 0) {
		buffer_printf(out, "%-12s%12s%24s", "response", "simulated", "95 % interval");
		if (*r->closed.formula)
			buffer_printf(out, "%16s", r->closed.formula);
		buffer_putc(out, '\n');
		for (size_t i = 0; i < FIGURES; i++)
			put_figure(r, i, out);
		buffer_printf(out, "%-12s%12s\n", "max",
			latency_text(r->result->response.all.max, text, sizeof text));
		buffer_printf(out, "%-12s%12s\n", "mean wait",
			latency_text(quantiles_mean(&r->result->wait), text, sizeof text));
		buffer_printf(out, "%-12s%12.4f\n", "busy", r->result->utilization);
	}
	if (r->void_reason)
		buffer_printf(out, "\nVOID: %s\n", r->void_reason);
}

/* ms, rounded to ns as in bench/latency.c. */
static json_t *closed_json(const struct closed_response *c)
{
	if (!*c->formula)
		return json_null();
	json_t *latency = json_object();
	int failed = latency ? 0 : -1;
	for (size_t i = 0; i < FIGURES && !failed; i++)
		failed = json_object_set_new(
			latency, figures[i].name, latency_ms_json(closed_figure(c, i)));
	if (!failed)
		return json_pack("{s:s, s:o}", "formula", c->formula, "latency_ms", latency);
	json_decref(latency);
	return NULL;
}

json_t *sim_report_json(const struct sim_report *r)
{
	const struct sim_options *o = r->options;
	const struct sim_result *result = r->result;
	char policy[POLICY_TEXT_BYTES];

	/* json_pack() takes over what "o" gets, and fails where that is NULL. */
	return json_pack("{s:s, s:I, s:f, s:f, s:s, s:I, s:{s:s, s:o, s:f}, s:I, s:I, s:f, s:f, "
			 "s:o, s:o, s:o, s:s?}",
		"policy", policy_format(&o->policy, policy, sizeof policy), "workers",
		(json_int_t)o->workers, "utilization", r->utilization, "rate_rps", r->rate_rps,
		"arrivals", arrival_name(o->arrival), "seed", (json_int_t)o->seed, "service",
		"spec", o->service->spec, "mean_ms", latency_ms_json(o->service->mean_us), "scv",
		o->service->scv, "requests", (json_int_t)result->measured, "warmup",
		(json_int_t)result->warmup, "simulated_s", result->simulated_us / 1e6, "busy",
		result->utilization, "latency_ms", latency_json(&result->response), "wait_ms",
		latency_json_of(&result->wait), "closed", closed_json(&r->closed), "void",
		r->void_reason);
}
