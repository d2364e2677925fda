/*
 * One connection to Redis, by hiredis's asynchronous interface on the worker's loop, with at most one call on it. For
 * server/backend/ only.
 */
#ifndef QUERN_SERVER_BACKEND_LINK_H
#define QUERN_SERVER_BACKEND_LINK_H

#include "server/backend/answer.h"
#include "server/backend/backend.h"

#include <hiredis/async.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum link_state {
	LINK_CONNECTING,
	LINK_OPEN, /* with or without a call on it */
	LINK_DEAD, /* to be freed */
};

/* Why it is dead. */
enum link_end {
	LINK_REFUSED,  /* no connection was made */
	LINK_CLOSED,   /* by the other side */
	LINK_BROKEN,   /* by an error of the network */
	LINK_GARBAGE,  /* what came is not the protocol */
	LINK_TOO_MUCH, /* the answer is larger than ANSWER_BYTES_MAX or ANSWER_ROWS_MAX */
	LINK_NO_MEMORY,
};

struct link_ending {
	enum link_end end;
	int error;	/* of LINK_REFUSED and LINK_BROKEN: errno, or 0: `text` has it */
	char text[128]; /* hiredis's own words */
	bool heard;	/* bytes of an answer had come */
};

struct backend_link {
	TAILQ_ENTRY(backend_link) links; /* the pool's */
	struct backend_call *call;	 /* the pool's: what it is asked; NULL: it is idle */
	enum link_state state;
	struct link_ending ending; /* of LINK_DEAD */
	bool was_open;		   /* a connection was made */
	bool used;		   /* an earlier call was answered on it */
	bool heard;		   /* bytes of an answer to the call have come */
	struct answer *
		answer; /* to the call, once it is there; the link's, until somebody takes it and sets NULL */
	uint64_t sent_us;	   /* when the call was put on it */
	uint64_t seen_us, came_us; /* of the answer, as in struct backend_reply */

	/* private to link.c */
	struct http_server *server;
	redisAsyncContext *ac; /* NULL: dead */
	struct event *readable, *writable;
	bool wants_write;
	struct answer_bound bound;
	int64_t offset_ns; /* the clocks' difference when the call was sent */
	int64_t stamp_ns;
	/* It became open, its answer has come or begun to, or it died, other than within link_new() and link_send(). May free it. */
	void (*on_change)(struct backend_link *l, void *arg);
	void *arg;
};

/*
 * Begins to connect to a numeric host; it may be open, or dead, when this returns. Fills what is private, and the state. NULL:
 * out of memory.
 */
struct backend_link *link_new(struct http_server *server, const char *host, int port,
	void (*on_change)(struct backend_link *l, void *arg), void *arg);

/* Closes it. Not within anything that hiredis calls. */
void link_free(struct backend_link *l);

/*
 * Whether it tells that Redis, or the host that it is on, is there: something has come on it, be it the end. An end by this
 * host or by the network on the way is none.
 */
bool link_shows_life(const struct backend_link *l);

/* Sends the command as soon as it is open, at once if it is; it may be dead when this returns. l->call has been set. */
void link_send(struct backend_link *l);

#endif
