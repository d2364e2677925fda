/*
 * One client's connection: bytes in, requests out; an answer in, bytes out.
 *
 *   IDLE -first byte-> READING -whole request-> IN_HAND -answer-> (WRITING) -> IDLE
 *
 * and from (WRITING) also to LINGER, or closed.
 *
 * The socket stays registered for reading from beginning to end, so that a keep-alive request costs
 * no epoll_ctl; only a client that sends ahead of its answers, or takes them slowly, causes any.
 */
#ifndef QUERN_SERVER_HTTP_CONN_H
#define QUERN_SERVER_HTTP_CONN_H

#include "server/http/parse.h"
#include "server/http/server.h"
#include "server/job.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

enum http_conn_state {
	CONN_IDLE,
	CONN_READING,
	CONN_IN_HAND,
	CONN_WRITING,
	CONN_LINGER,
	CONN_CLOSED
};

struct http_conn {
	TAILQ_ENTRY(http_conn) link;
	struct http_server *server;
	enum http_conn_state state;
	enum http_wait wait;
	uint64_t deadline_us;
	int fd;
	bool reading;	      /* read_event is in the base */
	bool advancing;	      /* conn_advance() is on the stack */
	bool keep_alive;      /* after the answer at hand */
	bool ended;	      /* the client has sent its last byte */
	bool continued;	      /* 100 Continue was sent */
	uint64_t turn;	      /* of the server's turns, the one in which bytes came last */
	uint64_t first_turn;  /* the one in which it was accepted */
	size_t lingered;      /* bytes thrown away in CONN_LINGER */
	uint64_t begun_us;    /* when the first bytes came of a request that did not come whole */
	uint64_t complete_us; /* when the request at hand was whole */
	struct buffer in;     /* what has come and was not answered yet, from in_at on */
	size_t in_at;	      /* where the request at hand begins */
	struct buffer out;    /* what the socket would not take yet */
	size_t out_at;
	struct http_request request;
	struct http_limits limits; /* those of the server when the request began */
	struct job job;		   /* the owner of the request in hand keeps it here */
	struct event read_event, write_event;
};

/* Takes over fd (non-blocking). NULL when memory runs out; then fd is closed. */
struct http_conn *http_conn_new(struct http_server *s, int fd);

/* Takes what the socket has; c may be closed on return. */
void http_conn_read(struct http_conn *c);

/* Closes at once, whatever the state; the memory goes at http_server_settle(). */
void http_conn_close(struct http_conn *c);

/*
 * Answers the request in hand with s->reply and goes on with the connection's next request, if it
 * is there already. The connection may be closed on return.
 */
void http_conn_answer(struct http_conn *c, const struct http_reply_timing *timing);

/* Whether the client of the request in hand has closed its side. One system call. */
bool http_conn_is_gone(const struct http_conn *c);

/* Whether bytes have come that were not read yet. One system call. */
bool http_conn_has_input(const struct http_conn *c);

/* Its next share of requests, after HTTP_WAIT_MORE. */
void http_conn_continue(struct http_conn *c);

/* The deadline has passed. */
void http_conn_expire(struct http_conn *c);

/* The bytes that have come from the request at hand on, and how many they are. */
static inline const char *http_conn_data(const struct http_conn *c)
{
	return c->in.data + c->in_at;
}
static inline size_t http_conn_pending(const struct http_conn *c)
{
	return c->in.len - c->in_at;
}

/* Text of a part of the request in hand; not NUL-terminated. */
static inline const char *http_conn_text(const struct http_conn *c, struct http_span span)
{
	return http_conn_data(c) + span.at;
}

#endif
