/*
 * The lab's backend: a Redis that a worker asks on its own loop (lab.redis). Each call has a connection of its own while it
 * is under way, taken from those that are kept; so one that is slow, or answers nonsense, costs no other call, and the time
 * at which its answer reached this host can be told exactly.
 *
 * Connections are made when they are needed, and kept. Where connecting fails, calls fail at once until the next attempt is
 * due, which is after 50 ms at first and at most 500 ms. Where calls are not answered at all, calls wait while new connections
 * are tried one at a time, and no more than one a second.
 */
#ifndef QUERN_SERVER_BACKEND_BACKEND_H
#define QUERN_SERVER_BACKEND_BACKEND_H

#include "server/http/server.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct backend;

enum backend_outcome {
	BACKEND_OK,
	BACKEND_UNREACHABLE, /* no connection, or it broke off */
	BACKEND_NONSENSE, /* an answer that is not the protocol, an error, or of a type that was not asked for */
	BACKEND_LATE,	 /* none in time */
	BACKEND_CROWDED, /* too many calls wait already */
	BACKEND_ABSENT,	 /* lab.redis is not set, or this program was built without hiredis */
};

struct backend_text {
	const char *at; /* NULL: nil */
	size_t len;
};

/* Times are CLOCK_MONOTONIC, µs. */
struct backend_reply {
	enum backend_outcome outcome;
	char reason[160];	  /* unless BACKEND_OK: what was wrong, for the client */
	struct backend_text text; /* of a string or a nil */
	size_t rows;		  /* of a list */
	/* Row i of it; texts live as long as the reply. */
	struct backend_text (*row)(const struct backend_reply *r, size_t i);
	const void *value; /* the backend's own */
	uint64_t sent_us;  /* when the call was begun */
	uint64_t seen_us;  /* when the loop came round to the answer */
	uint64_t came_us;  /* when the answer reached this host, by the kernel; 0: not known */
};

#define BACKEND_WORDS 5
/* Connections of one worker at most, with a call on them or kept for the next one. */
#define BACKEND_LINKS 64u

/* Where a call is, for the backend alone. */
enum backend_place {
	BACKEND_NOWHERE, /* not under way */
	BACKEND_WAITING, /* for a connection that others have */
	BACKEND_AT_WORK,
};

/* One call. Embedded by its owner, who fills the words and leaves the rest zero. */
struct backend_call {
	struct backend_text word[BACKEND_WORDS];
	unsigned words;
	bool wants_list; /* else a string or a nil is expected */
	void (*on_reply)(struct backend_call *call, const struct backend_reply *reply, void *arg);
	void *arg;

	/* the backend's */
	enum backend_place place;
	struct backend_link *link; /* the connection it is on; NULL: it is on none */
	bool again;		   /* it was begun once more, on another connection */
	uint64_t sent_us, deadline_us;
	TAILQ_ENTRY(backend_call) waiting, under_way;
};

/*
 * For one worker. address is HOST:PORT, "" for none; timeout_us is that of a call, connecting included. server is borrowed:
 * its base, its clock and its counters (calls, calls_made, calls_failed, calls_late). *ret is never NULL on success. 0, -EINVAL
 * for an address that is none, or -ENOMEM.
 */
int backend_new(struct backend **ret, struct http_server *server, const char *address,
	uint64_t timeout_us) __attribute__((warn_unused_result));

/* Another timeout for the calls from now on. */
void backend_set_timeout(struct backend *b, uint64_t timeout_us);

/* Calls under way are dropped, without on_reply. NULL is fine. */
void backend_free(struct backend *b);

/* on_reply is called once, later or before this returns, unless the call is cancelled before. */
void backend_start(struct backend *b, struct backend_call *call);

/* Nobody wants the answer any more; nothing happens if the call is not under way. */
void backend_cancel(struct backend *b, struct backend_call *call);

/* False: this program was built without hiredis, and every call is BACKEND_ABSENT. */
bool backend_is_built(void);

#endif
