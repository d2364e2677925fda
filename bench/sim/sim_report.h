/*
 * A simulation's result for people and as JSON:
 *
 *   policy, workers, utilization, rate_rps, arrivals, seed   what was simulated
 *   service             {"spec", "mean_ms", "scv"}
 *   requests, warmup    how many were measured, and how many were left out before them
 *   simulated_s         time from the end of the warm-up to the last arrival
 *   busy                the workers' mean share of busy time in it
 *   latency_ms          response times, with intervals (bench/latency.h); wait_ms likewise, without
 *   closed              {"formula", "latency_ms": {...}}: what is exactly known (null where it is
 *                       not), or null
 *   void                null, or why the result does not count
 *
 * The JSON of equal options is equal, byte for byte.
 */
#ifndef QUERN_BENCH_SIM_SIM_REPORT_H
#define QUERN_BENCH_SIM_SIM_REPORT_H

#include "bench/plan/closed.h"
#include "bench/sim/sim.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <stdint.h>

struct sim_report {
	const struct sim_options *options;
	const struct sim_result *result;
	double rate_rps, utilization; /* nominal */
	struct closed_response closed;
	const char *void_reason; /* NULL: it counts */
	uint64_t took_us;
};

/* Fills in all but void_reason. The options' arrivals have been started. */
void sim_report_init(struct sim_report *r, const struct sim_options *o,
	const struct sim_result *result, uint64_t took_us);

void sim_report_table(const struct sim_report *r, struct buffer *out);

/* A new reference; NULL without memory. */
json_t *sim_report_json(const struct sim_report *r);

#endif
