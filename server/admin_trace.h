/* The admin process's page /trace.json: the timelines of the workers, or what is wrong with the question. */
#ifndef QUERN_SERVER_ADMIN_TRACE_H
#define QUERN_SERVER_ADMIN_TRACE_H

#include "server/http/reply.h"
#include "server/stats/stats.h"

#include <stddef.h>

/*
 * Fills the reply for a query string of len bytes, "worker=0&seconds=2.5", of which each part may be missing: 200 and the
 * trace, or 400 with what is allowed. It is strict, for whoever asks has made the query by hand.
 */
void admin_trace_answer(
	const struct stats_region *r, const char *query, size_t len, struct http_reply *reply);

#endif
