#include "bench/plan/verify.h"

#include "bench/latency.h"

#include <math.h>
#include <stdio.h>

/* What is held against the measured figure. */
enum model { PLANNED, CALIBRATED, REPLAYED };

static double of_model(const struct verify_figure *f, enum model m)
{
	return m == PLANNED ? f->planned_us : m == CALIBRATED ? f->calibrated_us : f->replayed_us;
}

/* Signed: above 0 where more was predicted than measured. */
static double error_of(double predicted_us, double measured_us)
{
	return (predicted_us - measured_us) / measured_us;
}

static void put_time(struct buffer *out, double us)
{
	char text[LATENCY_TEXT_BYTES];

	buffer_printf(out, "%11s", isfinite(us) ? latency_text(us, text, sizeof text) : "-");
}

static void put_error(struct buffer *out, double predicted_us, double measured_us)
{
	const double error = error_of(predicted_us, measured_us);

	if (isfinite(error))
		buffer_printf(out, "%+7.1f %%", 100 * error);
	else
		buffer_printf(out, "%9s", "-");
}

static void put_figure(const struct verify_figure *f, struct buffer *out)
{
	char low[LATENCY_TEXT_BYTES], high[LATENCY_TEXT_BYTES], text[2 * LATENCY_TEXT_BYTES + 8];

	(void)snprintf(text, sizeof text, "unknown");
	if (f->measured.known)
		(void)snprintf(text, sizeof text, "%s to %s",
			latency_text(f->measured.low, low, sizeof low),
			latency_text(f->measured.high, high, sizeof high));
	buffer_printf(out, "%-6s", f->name);
	put_time(out, f->measured_us);
	buffer_printf(out, "%22s", text);
	for (enum model m = PLANNED; m <= REPLAYED; m++) {
		put_time(out, of_model(f, m));
		put_error(out, of_model(f, m), f->measured_us);
	}
	buffer_putc(out, '\n');
}

void verify_table(const struct verify_result *r, struct buffer *out)
{
	char overhead[LATENCY_TEXT_BYTES];

	buffer_printf(out,
		"\nVerified with emulated work (requests sleep in the worker): %llu requests in "
		"%.1f s, "
		"%.5g/s of %.5g/s, %llu errors\n",
		(unsigned long long)r->requests, r->seconds, r->achieved_rps, r->offered_rps,
		(unsigned long long)r->errors);
	buffer_printf(out, "%-6s%11s%22s%11s%9s%11s%9s%11s%9s\n", "", "measured", "95 % interval",
		"plan", "error", "calibrated", "error", "replayed", "error");
	for (size_t i = 0; i < VERIFY_FIGURES; i++)
		put_figure(&r->figure[i], out);
	buffer_printf(out, "%-6s%9.1f %%%22s%9.1f %%%9s", "busy", 100 * r->busy, "",
		100 * r->planned_utilization, "");
	if (r->calibrated)
		buffer_printf(out, "%9.1f %%", 100 * r->calibrated_utilization);
	(void)latency_text(r->overhead_us, overhead, sizeof overhead);
	buffer_printf(out,
		"\nErrors are (predicted - measured) / measured; \"plan\" is the table above. "
		"Calibrated: with "
		"%s of overhead per request,\nmeasured beforehand as the workers' busy time beyond "
		"the "
		"work%s Replayed: a perfect fleet with this run's own arrivals and\nwork, which "
		"leaves hardly any chance in its error.\n",
		overhead, r->calibrated ? "; --overhead plans with it." : ".");
}

static json_t *model_json(const struct verify_result *r, enum model m)
{
	json_t *object = json_object();
	int failed = object ? 0 : -1;

	for (size_t i = 0; failed == 0 && i < VERIFY_FIGURES; i++)
		failed = json_object_set_new(
			object, r->figure[i].name, latency_ms_json(of_model(&r->figure[i], m)));
	if (failed == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *error_json(const struct verify_result *r, enum model m)
{
	json_t *object = json_object();
	int failed = object ? 0 : -1;

	for (size_t i = 0; failed == 0 && i < VERIFY_FIGURES; i++) {
		const struct verify_figure *f = &r->figure[i];

		failed = json_object_set_new(object, f->name,
			latency_real_json(error_of(of_model(f, m), f->measured_us)));
	}
	if (failed == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *measured_json(const struct verify_result *r)
{
	json_t *object = json_object();
	int failed = object ? 0 : -1;

	for (size_t i = 0; failed == 0 && i < VERIFY_FIGURES; i++) {
		const struct verify_figure *f = &r->figure[i];
		char name[24];

		(void)snprintf(name, sizeof name, "%s_interval", f->name);
		failed = json_object_set_new(object, f->name, latency_ms_json(f->measured_us));
		if (failed == 0)
			failed = json_object_set_new(
				object, name, latency_interval_json(f->measured));
	}
	if (failed == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *verify_json(const struct verify_result *r)
{
	const struct buffer *why = &r->void_reason;

	return json_pack("{s:b, s:o, s:f, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:o}",
		"emulated", 1, "overhead_ms", latency_ms_json(r->overhead_us), "seconds",
		r->seconds, "requests", (json_int_t)r->requests, "errors", (json_int_t)r->errors,
		"offered_rps", r->offered_rps, "achieved_rps", r->achieved_rps, "busy", r->busy,
		"utilization", latency_real_json(r->planned_utilization), "planned",
		model_json(r, PLANNED), "calibrated", model_json(r, CALIBRATED), "replayed",
		model_json(r, REPLAYED), "measured", measured_json(r), "error",
		error_json(r, PLANNED), "calibrated_error", error_json(r, CALIBRATED),
		"replayed_error", error_json(r, REPLAYED), "void",
		why->len > 0 ? json_stringn(why->data, why->len) : json_null());
}
