#include "bench/latency.h"

#include <math.h>
#include <stdio.h>

static const struct {
	const char *name;
	double p;
} shown[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};

#define SHOWN (sizeof shown / sizeof *shown)

json_t *latency_real_json(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Rounded to ns, which keeps the text short. */
json_t *latency_ms_json(double us)
{
	return latency_real_json(round(us * 1000) / 1e6);
}

json_t *latency_interval_json(struct interval i)
{
	return i.known ? json_pack("[o, o]", latency_ms_json(i.low), latency_ms_json(i.high))
		       : json_null();
}

json_t *latency_json_of(const struct quantiles *q)
{
	json_t *object = json_object();
	const bool any = q->count > 0;

	if (!object)
		return NULL;
	int failed = json_object_set_new(
		object, "mean", any ? latency_ms_json(quantiles_mean(q)) : json_null());
	for (size_t i = 0; i < SHOWN; i++)
		failed |= json_object_set_new(object, shown[i].name,
			any ? latency_ms_json(quantiles_at(q, shown[i].p)) : json_null());
	failed |= json_object_set_new(object, "max", any ? latency_ms_json(q->max) : json_null());
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

json_t *latency_json(const struct batches *b)
{
	static const struct {
		const char *name;
		double p;
	} intervals[] = {{"mean_interval", 0}, {"p50_interval", 0.5}, {"p95_interval", 0.95},
		{"p99_interval", 0.99}};
	json_t *object = latency_json_of(&b->all);
	int failed = 0;

	if (!object)
		return NULL;
	for (size_t i = 0; i < sizeof intervals / sizeof *intervals; i++)
		failed |= json_object_set_new(object, intervals[i].name,
			latency_interval_json(batches_interval(b, intervals[i].p)));
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

const char *latency_text(double us, char *text, size_t n)
{
	static const char *const unit[] = {"us", "ms", "s"};
	double value = us;
	size_t u = 0;

	/* 999.6 us would round to "1000 us". */
	while (u < 2 && value >= 999.5) {
		value /= 1000;
		u++;
	}
	(void)snprintf(text, n, "%.*f %s",
		value < 9.995	? 2
		: value < 99.95 ? 1
				: 0,
		value, unit[u]);
	return text;
}
