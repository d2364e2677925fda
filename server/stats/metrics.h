/*
 * /metrics: the Prometheus text format, version 0.0.4; every metric is described in
 * docs/metrics.md.
 */
#ifndef QUERN_SERVER_STATS_METRICS_H
#define QUERN_SERVER_STATS_METRICS_H

#include "lib/buffer.h"
#include "server/stats/sample.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/*
 * Appends the whole page. A slot has series from its first worker on, and they never go away again.
 * 0 or -ENOMEM, and then out's earlier content is intact.
 */
int metrics_write(const struct sampler *s, struct buffer *out) __attribute__((warn_unused_result));

#endif
