/* A drain carried out on a worker's HTTP server: server/drain.h decides, this closes doors and connections. */
#ifndef QUERN_SERVER_LEAVE_H
#define QUERN_SERVER_LEAVE_H

#include "server/drain.h"
#include "server/http/server.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct leave {
	struct drain drain;
	struct http_server *server; /* borrowed */
	struct event *door;	    /* wakes the loop when the door may have to be closed */
	uint64_t closed_us;	    /* when it was */
};

/* 0 or -ENOMEM; leave_done() takes either, and a zeroed struct. */
int leave_init(struct leave *l, struct event_base *base, struct http_server *server)
	__attribute__((warn_unused_result));
void leave_done(struct leave *l);

/* In a callback of the loop: begins the drain, unless one has begun. */
void leave_begin(struct leave *l, enum drain_kind kind, bool balanced, uint64_t limit_us);

/*
 * To be asked at the end of each turn, after http_server_wake(): closes the door when it is time, and is true when the
 * worker may end: nothing is under way, no connection is left and, as far as anybody can know, none comes.
 */
bool leave_is_over(struct leave *l);

#endif
