/* A cell's line in cells.jsonl. */
#include "bench/latency.h"
#include "bench/sweep/cell.h"
#include "lib/clock.h"

#include <stdio.h>
#include <unistd.h>

#define BUCKETS_PER_BAR (QUANTILES_PER_OCTAVE / 8)

static json_t *shares(const double *share, unsigned n)
{
	json_t *list = json_array();

	for (unsigned i = 0; list && i < n; i++)
		(void)json_array_append_new(list, latency_real_json(share[i]));
	return list;
}

static json_t *service_json(const struct cell_options *o, const struct cell_result *r)
{
	static const char *const kinds[] = {"emulated", "real", "foreign"};
	const struct quantiles *told = &r->measure.recorder.service;
	const bool any = told->count > 0;

	return json_pack("{s:s, s:s?, s:o, s:o}", "kind", kinds[o->cell->service], "spec",
		o->cell->group->distribution, "mean_ms",
		any ? latency_ms_json(quantiles_mean(told)) : json_null(), "scv",
		any ? latency_real_json(quantiles_scv(told)) : json_null());
}

static json_t *calibration_json(const struct cell_result *r)
{
	const struct calibration *c = &r->calibration;

	return json_pack("{s:o, s:o, s:o, s:I}", "service_ms", latency_ms_json(r->service_us),
		"overhead_ms", latency_ms_json(c->overhead_us), "rate_rps",
		latency_real_json(r->rate_rps), "requests", (json_int_t)c->requests);
}

static json_t *busy_json(const struct watch_shares *s)
{
	return json_pack("{s:o, s:o, s:o}", "mean", latency_real_json(s->busy_mean), "most",
		latency_real_json(s->busy_most), "workers", shares(s->busy, s->workers));
}

static json_t *cpu_json(const struct cell_result *r)
{
	const struct watch_shares *s = &r->measure.shares;
	const double cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "workers", shares(s->cpu, s->workers),
		"haproxy", latency_real_json(s->balancer), "generator", latency_real_json(s->own),
		"machine_idle", latency_real_json(s->machine_idle), "steal",
		latency_real_json(s->machine_steal * cpus), "others", latency_real_json(s->others));
}

static json_t *replay_json(const struct cell_result *r)
{
	if (!r->split_known)
		return json_null();
	return json_pack("{s:o}", "latency_ms", latency_json_of(&r->split.replay));
}

static json_t *predicted_json(const struct cell_result *r)
{
	const struct prediction *p = &r->predicted;

	if (!r->is_predicted)
		return json_null();
	return json_pack("{s:s, s:{s:o, s:o, s:o, s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:I}",
		"method", p->method, "latency_ms", "mean", latency_ms_json(p->mean_us), "p50",
		latency_ms_json(p->p50_us), "p90", latency_ms_json(p->p90_us), "p95",
		latency_ms_json(p->p95_us), "p99", latency_ms_json(p->p99_us), "p999",
		latency_ms_json(p->p999_us), "mean_interval", latency_interval_json(p->mean),
		"p50_interval", latency_interval_json(p->p50), "p95_interval",
		latency_interval_json(p->p95), "p99_interval", latency_interval_json(p->p99),
		"requests", (json_int_t)p->requests);
}

static json_t *closed_json(const struct cell_result *r)
{
	const struct closed_response *c = &r->closed;

	if (!c->formula[0])
		return json_null();
	return json_pack("{s:s, s:{s:o, s:o, s:o, s:o, s:o, s:o}}", "formula", c->formula,
		"latency_ms", "mean", latency_ms_json(c->mean_us), "p50",
		latency_ms_json(c->p50_us), "p90", latency_ms_json(c->p90_us), "p95",
		latency_ms_json(c->p95_us), "p99", latency_ms_json(c->p99_us), "p999",
		latency_ms_json(c->p999_us));
}

static json_t *histogram_json(const struct quantiles *q)
{
	json_t *list = json_array();

	for (size_t at = 0; list && at < QUANTILES_BUCKETS; at += BUCKETS_PER_BAR) {
		uint64_t count = 0;

		for (size_t i = at; i < at + BUCKETS_PER_BAR; i++)
			count += q->bucket[i];
		if (count > 0)
			(void)json_array_append_new(
				list, json_pack("[o, o, I]", latency_ms_json(quantiles_low_us(at)),
					      latency_ms_json(
						      quantiles_high_us(at + BUCKETS_PER_BAR - 1)),
					      (json_int_t)count));
	}
	return list;
}

static json_t *text_or_null(const struct buffer *b)
{
	return b->len > 0 ? json_stringn(b->data, b->len) : json_null();
}

json_t *cell_result_json(const struct cell_options *o, const struct cell_result *r)
{
	char time[CLOCK_UTC_BYTES], policy[POLICY_TEXT_BYTES];

	return json_pack("{s:s, s:s, s:b, s:s, s:I, s:o, s:s, s:i, s:f, s:o, s:O, s:o, s:o, s:o,"
			 " s:o, s:o, s:o, s:o, s:o, s:o}",
		"experiment", o->experiment->name, "cell", o->cell->name, "quick", o->quick, "time",
		clock_format_utc(time, sizeof time, clock_wall_us(), 3), "seed",
		(json_int_t)o->seed, "service", service_json(o, r), "policy",
		policy_format(&o->cell->policy, policy, sizeof policy), "workers",
		(int)o->cell->workers, "utilization", o->cell->utilization, "calibration",
		calibration_json(r), "load", r->load, "busy", busy_json(&r->measure.shares), "cpu",
		cpu_json(r), "replay", replay_json(r), "split_ms",
		r->split_known ? split_json(&r->split) : json_null(), "predicted",
		predicted_json(r), "closed", closed_json(r), "histogram_ms",
		histogram_json(&r->measure.recorder.latency.all), "void",
		text_or_null(&r->void_reason), "note", text_or_null(&r->notes));
}
