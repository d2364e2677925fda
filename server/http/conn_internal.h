/* For conn.c, which takes requests in, and conn_answer.c, which sends answers out. */
#ifndef QUERN_SERVER_HTTP_CONN_INTERNAL_H
#define QUERN_SERVER_HTTP_CONN_INTERNAL_H

#include "server/http/conn.h"

/* --- conn.c */

/* Counts what is busy as well. */
void conn_set_state(struct http_conn *c, enum http_conn_state state);

void conn_stop_reading(struct http_conn *c);
void conn_start_reading(struct http_conn *c);

/* Goes on with what has come already: the next request of the connection, if it is there. */
void conn_advance(struct http_conn *c);

/* --- conn_answer.c */

/* libevent's callback of write_event. */
void conn_on_writable(evutil_socket_t fd, short what, void *arg);

/* 100 Continue. c may be closed on return. */
void conn_send_continue(struct http_conn *c);

#endif
