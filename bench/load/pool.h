/*
 * The keep-alive connections of a load: opened on demand up to a bound; of the idle ones the last
 * used goes first, so that no more are kept warm than the load needs.
 */
#ifndef QUERN_BENCH_LOAD_POOL_H
#define QUERN_BENCH_LOAD_POOL_H

#include "bench/load/links.h"
#include "bench/load/response.h"
#include "bench/load/transport.h"
#include "bench/load/waiter.h"

#include <stdbool.h>
#include <stdint.h>

struct request;

enum connection_state {
	CONNECTION_OPENING,
	CONNECTION_IDLE,
	CONNECTION_BUSY,
	CONNECTION_CLOSED /* until pool_sweep(): an event for it may still be at hand */
};

struct connection {
	struct links links; /* in the pool's list of its state */
	enum connection_state state;
	struct transport transport;
	double opened_us;
	uint64_t answers;

	/*
	 * Busy: the request under way. Opening: the one that it is for, or NULL: whichever waits
	 * longest.
	 */
	struct request *request;
	size_t written; /* of the request's text */
	bool cut;	/* the rest of the text could not be written */
	struct response response;
};

struct pool {
	const struct target *target;
	SSL_CTX *tls; /* borrowed; NULL: plain */
	struct waiter *waiter;
	unsigned bound;

	struct links opening; /* in order of opened_us */
	struct links idle;
	struct links busy;
	struct links unread; /* busy ones that had more to read than is read in one go */
	struct links closed;
	unsigned count;	     /* opening, idle and busy */
	unsigned unreserved; /* opening, for no certain request */
	unsigned most;
	uint64_t established;
};

void pool_init(struct pool *p, const struct target *target, SSL_CTX *tls, struct waiter *waiter,
	unsigned bound);
void pool_done(struct pool *p);

/*
 * Begins to open a connection for `request` (or NULL). 0; -EAGAIN: the bound is reached, or that of
 * descriptors or memory in this process or the system; another -errno: the attempt has failed.
 */
int pool_open(struct pool *p, double now_us, struct request *request, struct connection **ret)
	__attribute__((warn_unused_result));

/* An opening or busy connection that is free now. */
void pool_put(struct pool *p, struct connection *c);
/* The last used idle connection, as a busy one with a request; NULL: none is idle. */
struct connection *pool_take(struct pool *p, struct request *request)
	__attribute__((warn_unused_result));
/*
 * An opening connection that is established, as a busy one with the request that it was opened for.
 */
void pool_take_opened(struct pool *p, struct connection *c);

void pool_close(struct pool *p, struct connection *c);
/* Frees the closed ones. */
void pool_sweep(struct pool *p);

#endif
