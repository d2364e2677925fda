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
#include "server/http/wait.h"
#include "server/stats/stats.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/*
 * An idle connection owns no buffer, but busy ones need theirs with every request: as many small ones as this are kept
 * for the next that needs one, as long as there are connections.
 */
#define HTTP_SPARE_BUFFERS 32
#define HTTP_SPARE_BYTES ((size_t)2048)

struct http_server {
	struct http_server_options options;
	struct event_base *base;  /* borrowed */
	struct stats_seat *stats; /* borrowed; this process is its writer */
	struct event *accept_event, *resume_event;
	bool accepting;	 /* accept_event is in the base */
	bool draining;	 /* answers close their connections */
	bool closed;	 /* no more connections are accepted */
	uint64_t now_us; /* when the callback at hand began */
	uint64_t turn;	 /* counts http_server_turn() */
	unsigned heard;	 /* times that the loop told of a connection in this turn */
	uint64_t busy;	 /* connections with a request begun and not wholly answered */
	uint64_t open;	 /* connections that are not closed */
	uint64_t peak; /* the most of them since it was last set to `open`, which anybody may do */
	uint64_t last_us; /* while draining: from then on each answer is its connection's last */
	struct http_waiting waiting;
	struct http_conn_list dead; /* closed, freed at the end of the callback */
	struct http_reply reply;    /* the answer under construction; one at a time */
	struct buffer head;
	struct buffer spare[HTTP_SPARE_BUFFERS]; /* left by connections that are idle now */
	unsigned spares;
	char *scratch; /* HTTP_READ_BYTES, what recv() fills */
};

/* What is read at a time. A client may be that far ahead of its answers; then it is not read any more. */
#define HTTP_READ_BYTES ((size_t)16384)

/* Starts accepting on listener (non-blocking). 0 or -ENOMEM, and then nothing is left to free. */
int http_server_init(struct http_server *s, struct event_base *base, int listener,
	struct stats_seat *stats, const struct http_server_options *options)
	__attribute__((warn_unused_result));

/* Closes every connection; the listening socket stays the caller's. */
void http_server_done(struct http_server *s);

/*
 * Other limits and times from now on; the rest of the options stays. Connections are left alone: a request that has begun
 * is read within the limits it began with, and only deadlines may come nearer.
 */
void http_server_change(struct http_server *s, const struct http_server_options *options);

/*
 * Every connection is closed after its next answer, which says so, or when it has been idle for idle_us. Where a further
 * request has come already, the answer to that one is the last, within client_us. New connections are still accepted,
 * until http_server_close(); but for requests and answers under way nobody has longer than client_us.
 */
void http_server_drain(struct http_server *s, uint64_t client_us, uint64_t idle_us);

/* Accepts no more connections, but by http_server_empty(). */
void http_server_close(struct http_server *s);

/* Accepts all connections that wait, and reads what they have sent, as far as limits and memory allow. */
void http_server_empty(struct http_server *s);

/* Every callback begins with this: it reads the clock and ends the time that counts as idle. */
void http_server_wake(struct http_server *s);

/* A turn of the loop begins: it asks what has come on all connections. Only for who wants to know http_conn.turn. */
void http_server_turn(struct http_server *s);

/* Every callback, and every job, ends with this: it frees what was closed and accepts again where
 * there is room. */
void http_server_settle(struct http_server *s);

#endif
