/* load --json. */
#include "bench/load/load_report.h"

#include "bench/latency.h"

#include <math.h>

/* Rounded to ns, below which there are no clocks. */
static json_t *ms_of(const struct quantiles *q, double p)
{
	return q->count > 0 ? json_real(round(quantiles_at(q, p) * 1000) / 1e6) : json_null();
}

/* {"p50", "p99", "max"}: of what should be next to nothing, no more is of interest. */
static json_t *short_json(const struct quantiles *q)
{
	return json_pack(
		"{s:o, s:o, s:o}", "p50", ms_of(q, 0.5), "p99", ms_of(q, 0.99), "max", ms_of(q, 1));
}

static json_t *statuses_json(const struct recorder *r)
{
	json_t *object = json_object();
	char text[8];

	for (unsigned i = 0; object && i < RECORDER_STATUSES; i++)
		if (r->status[i] > 0 && json_object_set_new(object, sample_status_name(i, text),
						json_integer((json_int_t)r->status[i])) != 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *template_json(const struct load_report *r, size_t i)
{
	const struct recorder *recorder = r->recorder;

	return json_pack("{s:s, s:I, s:I, s:o}", "name", mix_template_name(r->mix, i), "requests",
		(json_int_t)recorder->of_template[i].count, "errors",
		(json_int_t)recorder->errors_of_template[i], "latency_ms",
		latency_json_of(&recorder->of_template[i]));
}

static json_t *templates_json(const struct load_report *r)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < r->recorder->templates; i++)
		if (json_array_append_new(array, template_json(r, i)) != 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* null: the server does not tell. */
static json_t *told_json(const struct quantiles *q)
{
	return q->count > 0 ? latency_json_of(q) : json_null();
}

static json_t *totals_json(const struct load_totals *t)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:{s:I, s:i}, s:I, s:I, s:b}",
		"requests", (json_int_t)t->intended, "duration_s", t->elapsed_us / 1e6,
		"offered_rps", t->offered_rps, "intended_rps", t->intended_rps, "achieved_rps",
		t->achieved_rps, "warmup_requests", (json_int_t)t->warmup, "waited",
		(json_int_t)t->waited, "generator_cpu", t->cpu_share, "connections", "opened",
		(json_int_t)t->connects, "most", (int)t->most_connections, "bytes_sent",
		(json_int_t)t->bytes_out, "bytes_received", (json_int_t)t->bytes_in, "ended_early",
		t->ended_early);
}

static json_t *answers_json(const struct load_report *r)
{
	const struct recorder *recorder = r->recorder;

	return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:{s:o, s:o}}", "latency_ms",
		latency_json(&recorder->latency), "errors", (json_int_t)recorder->errors,
		"statuses", statuses_json(recorder), "lateness_ms", short_json(&recorder->lateness),
		"waiting_ms", short_json(&recorder->blocked), "templates", templates_json(r),
		"server", "queue_ms", told_json(&recorder->queue), "service_ms",
		told_json(&recorder->service));
}

/* Adds the members of `part`, a new reference or NULL. */
static int add(json_t *object, json_t *part)
{
	const int result = part ? json_object_update(object, part) : -1;

	json_decref(part);
	return result;
}

json_t *load_report_json(const struct load_report *r)
{
	json_t *object = json_pack("{s:s, s:s, s:I, s:s?}", "url", r->url, "arrivals", r->arrivals,
		"seed", (json_int_t)r->seed, "void", r->void_reason);

	if (object && add(object, totals_json(r->totals)) == 0 && add(object, answers_json(r)) == 0)
		return object;
	json_decref(object);
	return NULL;
}
