/*
 * One table of routes: path, methods, handler. A handler sees a request and fills a reply; it never
 * sees a socket.
 */
#ifndef QUERN_SERVER_ROUTE_H
#define QUERN_SERVER_ROUTE_H

#include "config/config.h"
#include "server/http/parse.h"
#include "server/http/reply.h"
#include "server/stats/stats.h"

#include <stdbool.h>
#include <stddef.h>

struct params;
struct work_class;

/* What a handler may look at and write to, for the length of one call. */
struct exchange {
	const struct http_request *request;
	const char *data; /* the request's bytes: its spans are offsets into them */
	struct http_reply *reply;
	const struct config *config;
	bool draining;
	struct params *params;	/* the worker's own, to be reset before use */
	struct buffer *scratch; /* the worker's own */
};

struct route {
	const char *path;
	unsigned methods;  /* bits 1 << enum http_method, OPTIONS left out: all routes answer it */
	const char *allow; /* the same, as the Allow field */
	enum stats_route id;
	bool at_once;	  /* answered when it arrives, not from the job queue */
	bool lab;	  /* only there with lab.enabled */
	const char *work; /* name of the work in Server-Timing */
	/* One of both at least. The handler does all in one go on the loop; where there is none, or jobs are for threads, the
	 * work is done by execution.strategy. */
	void (*handle)(struct exchange *x);
	const struct work_class *class;
};

/*
 * The route of a request that was read whole. NULL: the reply is already filled, with a refusal
 * (404, 405, 501) or with the answer to OPTIONS; *ret_id says what to count it as.
 */
const struct route *route_find(const struct http_request *request, const char *data,
	const struct config *config, struct http_reply *reply, enum stats_route *ret_id);

#endif
