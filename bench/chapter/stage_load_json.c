/* A measured load as a part of a line of results (bench/experiments/chapters/README.md). */
#include "bench/chapter/stage_load.h"

#include "bench/latency.h"
#include "bench/load/load_report.h"

/* As everywhere, and the smallest. */
static json_t *with_least(const struct quantiles *q)
{
	json_t *latency = latency_json_of(q);

	if (latency && json_object_set_new(latency, "min",
			       q->count ? latency_ms_json(q->min) : json_null()) == 0)
		return latency;
	json_decref(latency);
	return NULL;
}

static double share(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : 0;
}

static json_t *templates_json(const struct stage_load_options *o, const struct stage_load *m)
{
	const struct chapter_load *load = &o->stage->load;
	const struct recorder *r = &m->recorder;
	json_t *all = json_object();
	int failed = all ? 0 : -1;

	for (size_t i = 0; i < load->templates && failed == 0; i++) {
		const uint64_t n = r->of_template[i].count;

		if (load->name[i])
			failed = json_object_set_new(all, load->name[i],
				json_pack("{s:I, s:f, s:o}", "requests", (json_int_t)n, "errors",
					share(r->errors_of_template[i], n), "latency_ms",
					with_least(&r->of_template[i])));
	}
	if (failed == 0)
		return all;
	json_decref(all);
	return NULL;
}

static json_t *load_json(
	const struct stage_load_options *o, const struct stage_load *m, const char *void_reason)
{
	const struct load_report report = {.url = stand_url(o->stand),
		.arrivals = o->stage->load.constant ? "constant" : "poisson",
		.mix = o->stage->load.mix,
		.seed = o->seed,
		.recorder = &m->recorder,
		.totals = &m->totals,
		.void_reason = void_reason};

	return load_report_json(&report);
}

static json_t *busy_json(const struct stage_load *m)
{
	const struct watch_shares *s = &m->shares;

	return m->looked ? json_pack("{s:f, s:f}", "mean", s->busy_mean, "most", s->busy_most)
			 : json_null();
}

static json_t *cpu_json(const struct stage_load *m)
{
	const struct watch_shares *s = &m->shares;

	if (!m->looked)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "server", m->server, "haproxy",
		s->balancer, "services", m->services, "generator", m->totals.cpu_share, "others",
		s->others, "steal", s->machine_steal);
}

static json_t *or_null(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

static json_t *text_or_null(const struct buffer *text)
{
	return text->len ? json_stringn(text->data, text->len) : json_null();
}

json_t *stage_load_json(const struct stage_load_options *o, const struct stage_load *m)
{
	const uint64_t n = m->recorder.latency.all.count;
	json_t *text = text_or_null(&m->void_reason);
	json_t *line = json_pack("{s:o, s:o, s:o, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"latency_ms", with_least(&m->recorder.latency.all), "templates",
		templates_json(o, m), "load", load_json(o, m, json_string_value(text)), "requests",
		(json_int_t)n, "errors", share(m->recorder.errors, n), "busy", busy_json(m), "cpu",
		cpu_json(m), "loop_ms", or_null(m->loop), "status", or_null(m->status), "probe",
		or_null(m->probe), "void", text, "note", text_or_null(&m->note));

	return line;
}
