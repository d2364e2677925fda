/*
 * What all connections of one process share: its listening socket, limits, deadlines and counters.
 * A process (worker or admin) has one struct http_server, on its own event_base.
 *
 * Requests come out by `on_request`; whoever takes one answers it by http_conn_answer(), at once or
 * later.
 */
#ifndef QUERN_SERVER_HTTP_SERVER_H
#define QUERN_SERVER_HTTP_SERVER_H

#include "server/http/parse.h"
#include "server/http/reply.h"
#include "server/stats/stats.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_conn;
TAILQ_HEAD(http_conn_list, http_conn);

/* Connections wait for one of these; all in a list have the same patience, so the list is in order
 * of deadlines. */
enum http_wait {
	HTTP_WAIT_IDLE,	   /* for the next request's first byte */
	HTTP_WAIT_REQUEST, /* for the rest of a request */
	HTTP_WAIT_WRITE,   /* for the client to take its answer */
	HTTP_WAIT_LINGER,  /* for the client to close, after we did */
	HTTP_WAIT_KINDS,
	HTTP_WAIT_NONE = HTTP_WAIT_KINDS, /* in no list: the request is in our hands */
};

struct http_server_options {
	struct http_limits limits;
	uint64_t client_us, idle_us;
	uint64_t connections;	       /* held at once */
	struct http_reply_style style; /* strings borrowed until http_server_done() */
	void (*on_request)(struct http_conn *c, void *arg);
	/* The connection goes away while on_request's request is still unanswered. */
	void (*on_gone)(struct http_conn *c, void *arg);
	void *arg;
};

struct http_server {
	struct http_server_options options;
	struct event_base *base;  /* borrowed */
	struct stats_slot *stats; /* borrowed; this process is its writer */
	int listener;		  /* borrowed */
	struct event *accept_event, *resume_event, *deadline_event;
	bool accepting;		    /* accept_event is in the base */
	bool draining;		    /* answers close their connections */
	uint64_t now_us;	    /* when the callback at hand began */
	uint64_t deadline_armed_us; /* what deadline_event is set to; 0: nothing */
	uint64_t busy;		    /* connections with a request begun and not wholly answered */
	uint64_t open;		    /* connections in the lists or with a request in hand */
	struct http_conn_list waiting[HTTP_WAIT_KINDS];
	struct http_conn_list in_hand; /* HTTP_WAIT_NONE */
	struct http_conn_list dead;    /* closed, freed at the end of the callback */
	struct http_reply reply;       /* the answer under construction; one at a time */
	struct buffer head;
	char *scratch; /* HTTP_SCRATCH_BYTES, what recv() fills */
};

#define HTTP_SCRATCH_BYTES ((size_t)65536)

/* Starts accepting on listener (non-blocking). 0 or -ENOMEM, and then nothing is left to free. */
int http_server_init(struct http_server *s, struct event_base *base, int listener,
	struct stats_slot *stats, const struct http_server_options *options)
	__attribute__((warn_unused_result));

/* Closes every connection; the listening socket stays the caller's. */
void http_server_done(struct http_server *s);

/* Idle connections are closed, all others after the answer they wait for. New ones are still
 * accepted. */
void http_server_drain(struct http_server *s);

/* Every callback begins with this: it reads the clock and ends the time that counts as idle. */
void http_server_wake(struct http_server *s);

/* Every callback, and every job, ends with this: it frees what was closed and accepts again where
 * there is room. */
void http_server_settle(struct http_server *s);

/* For conn.c: moves c to a list and sets its deadline. */
void http_server_wait(struct http_server *s, struct http_conn *c, enum http_wait kind);

#endif
