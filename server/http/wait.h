/*
 * What connections wait for, and how long. Each kind of waiting is a list of connections that all have the same
 * patience, so it is in the order of their deadlines, and one timer serves all lists.
 */
#ifndef QUERN_SERVER_HTTP_WAIT_H
#define QUERN_SERVER_HTTP_WAIT_H

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_conn;
struct http_server;
TAILQ_HEAD(http_conn_list, http_conn);

enum http_wait {
	HTTP_WAIT_IDLE,	   /* for the next request's first byte */
	HTTP_WAIT_REQUEST, /* for the rest of a request */
	HTTP_WAIT_WRITE,   /* for the client to take its answer */
	HTTP_WAIT_LINGER,  /* for the client to close, after we did */
	HTTP_WAIT_MORE, /* for the loop's next turn: its bytes are here, its share of this turn is used up */
	HTTP_WAIT_NONE, /* for nothing: the request is in our hands */
	HTTP_WAIT_KINDS,
};

struct http_waiting {
	struct http_conn_list list[HTTP_WAIT_KINDS];
	uint64_t patience_us[HTTP_WAIT_KINDS]; /* UINT64_MAX: no deadline */
	struct event *deadline_event, *more_event;
	uint64_t armed_us; /* what deadline_event is set to; 0: nothing */
};

/* Patience comes from s->options. 0 or -ENOMEM; http_wait_done() takes either. */
int http_wait_init(struct http_server *s) __attribute__((warn_unused_result));

/* Closes all connections. */
void http_wait_done(struct http_server *s);

/* A new connection waits for nothing yet; a closed one leaves. */
void http_wait_join(struct http_server *s, struct http_conn *c);
void http_wait_leave(struct http_server *s, struct http_conn *c);

/* Moves c to the end of a list and sets its deadline. */
void http_wait_for(struct http_server *s, struct http_conn *c, enum http_wait kind);

/* Sets the patience of one kind; who waits already keeps its deadline, unless that would be later than with the new one. */
void http_wait_set(struct http_server *s, enum http_wait kind, uint64_t patience_us);

/* From now on nobody waits longer than at_most_us for that. */
void http_wait_hurry(struct http_server *s, enum http_wait kind, uint64_t at_most_us);

#endif
