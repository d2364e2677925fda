/* /status.json: every figure of the fleet, per worker and in sum; see docs/metrics.md. */
#ifndef QUERN_SERVER_STATS_STATUS_JSON_H
#define QUERN_SERVER_STATS_STATUS_JSON_H

#include "config/config.h"
#include "lib/buffer.h"
#include "server/stats/sample.h"

/*
 * Appends one JSON object and a newline. config_path is the file that c was read from, or NULL.
 * Percentiles and means of a window without samples are null. 0 or -ENOMEM, and then out's earlier
 * content is intact.
 */
int status_json_write(const struct sampler *s, const struct config *c, const char *config_path,
	struct buffer *out) __attribute__((warn_unused_result));

#endif
