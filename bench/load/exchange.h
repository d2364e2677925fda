/* Requests on their way: to a connection, over it, and to their end, whatever that is. */
#ifndef QUERN_BENCH_LOAD_EXCHANGE_H
#define QUERN_BENCH_LOAD_EXCHANGE_H

#include "bench/load/engine.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A live request that is due: goes out at once if a connection is idle, and otherwise waits behind
 * the others.
 */
void exchange_submit(struct engine *e, struct request *r, double now_us);

/* What epoll said of a connection. */
void exchange_event(struct engine *e, struct connection *c, uint32_t events);

/* Goes on with connections that had more to read than is read in one go. true: some still have. */
bool exchange_unread(struct engine *e);

/* Opens connections for those that wait. true: it stopped to let others have their turn. */
bool exchange_top_up(struct engine *e, double now_us);

/* Ends what has taken too long, requests and attempts to connect. */
void exchange_expire(struct engine *e, double now_us);

/* Ends a live request; its connection, if it has one, is the caller's to deal with before. */
void exchange_end(struct engine *e, struct request *r, unsigned status, double now_us);

/* Ends all live requests as unfinished. */
void exchange_break_off(struct engine *e, double now_us);

#endif
