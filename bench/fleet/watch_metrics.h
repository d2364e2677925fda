/* What a quernd's /metrics (Prometheus' text format) tells of its workers. */
#ifndef QUERN_BENCH_FLEET_WATCH_METRICS_H
#define QUERN_BENCH_FLEET_WATCH_METRICS_H

#include "bench/fleet/watch.h"

/*
 * Fills workers and worker[] with the slots whose worker is ready, in order of slot. 0, or -EPROTO
 * when there is none.
 */
int watch_metrics_read(struct watch_look *ret, const char *text, size_t len)
	__attribute__((warn_unused_result));

#endif
