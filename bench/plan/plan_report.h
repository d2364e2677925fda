/*
 * A plan for people and as JSON:
 *
 *   rate_rps, arrivals, policy, seed     what was planned for
 *   objective          {"quantile": "p99", "limit_ms"}
 *   service            {"spec", "mean_ms", "scv", "overhead_ms", "objective_ms"}: all of a
 *                      request's time in a worker, the overhead included; objective_ms: the
 *                      objective's figure of the service alone, without waiting
 *   offered_erlangs    workers' full time that the rate takes
 *   plan               one for each number of workers: {"workers", "utilization", "latency_ms":
 *                      {..., "p99_interval", ...}, "method", "requests", "meets", "undecided"};
 *                      method null and latencies null: too near saturation to be simulated;
 *                      undecided: the limit lies within the interval ("meets" is false then)
 *   recommended_workers    null: nothing meets the objective, and "reason" says why (null
 *                          otherwise)
 *   how_hot            [{"workers", "utilization", "rate_rps", "objective_ms"}]: the highest that
 *                      still meets it
 *   policies           [{"policy", "workers"}]: the smallest number that each needs; null: more
 *                      than workers_most
 *   workers_most       where the search ends
 *   verify             with --verify, see bench/plan/verify.h; otherwise null
 */
#ifndef QUERN_BENCH_PLAN_PLAN_REPORT_H
#define QUERN_BENCH_PLAN_PLAN_REPORT_H

#include "bench/plan/planner.h"

#include <jansson.h>

struct plan_report {
	const struct planner_options *options;
	const struct plan *plan;
	const char *spec; /* of the service as it was asked for */
	double overhead_us;
	const char *reason; /* NULL where something meets the objective */
};

void plan_report_table(const struct plan_report *r, struct buffer *out);

/* A new reference; NULL without memory. */
json_t *plan_report_json(const struct plan_report *r);

/*
 * {"mean", "p50", ..., "max": null, "mean_interval", ...} in ms; a new reference, NULL without
 * memory. p NULL: all null.
 */
json_t *plan_report_latency(const struct prediction *p);

#endif
