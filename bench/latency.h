/*
 * Latencies as every subcommand shows them: {"mean", "p50", "p90", "p95", "p99", "p999", "max"} in
 * ms, and a table.
 */
#ifndef QUERN_BENCH_LATENCY_H
#define QUERN_BENCH_LATENCY_H

#include "bench/stat/batches.h"

#include <jansson.h>

/*
 * With "mean_interval", "p50_interval", "p95_interval", "p99_interval": [low, high] where known.
 * All null when empty.
 */
json_t *latency_json(const struct batches *b);

/* Without intervals. */
json_t *latency_json_of(const struct quantiles *q);

/* A time in us as ms, and any other number; JSON null where it is not finite. */
json_t *latency_ms_json(double us);
json_t *latency_real_json(double value);

/* [low, high] in ms, or JSON null where unknown. */
json_t *latency_interval_json(struct interval i);

/* "1.23 ms", "456 us", "2.34 s": three digits and the unit that suits. Returns text. */
const char *latency_text(double us, char *text, size_t n);
#define LATENCY_TEXT_BYTES 24

#endif
