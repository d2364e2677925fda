/*
 * /trace.json: the rings of all workers, or of one, as Chrome trace events (JSON object format), which Perfetto opens; what
 * stands where is told in docs/metrics.md. Times are clock_us(). It holds numbers, names of routes, and no text of a
 * request, since the rings have none.
 */
#ifndef QUERN_SERVER_STATS_TRACE_JSON_H
#define QUERN_SERVER_STATS_TRACE_JSON_H

#include "lib/buffer.h"
#include "server/stats/stats.h"

#include <stdint.h>

#define TRACE_JSON_ALL (-1)

struct trace_json_wish {
	int64_t worker;	   /* a slot below r->slots, or TRACE_JSON_ALL */
	uint64_t since_us; /* entries that ended before are left out; 0: none is */
};

/* Appends one JSON object and a newline. 0 or -ENOMEM, and then out's earlier content is intact. */
int trace_json_write(const struct stats_region *r, const struct trace_json_wish *wish,
	struct buffer *out) __attribute__((warn_unused_result));

#endif
