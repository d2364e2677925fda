/*
 * Loop lag: how late a periodic timer of the loop is served. The same timer publishes lost log lines, and has memory given
 * back after a crowd of connections. A kernel timer with absolute due times is used, because libevent's own timers have the
 * grain of its coarse clock and of epoll's milliseconds.
 */
#ifndef QUERN_SERVER_LAG_H
#define QUERN_SERVER_LAG_H

#include "server/http/server.h"
#include "server/trim.h"

#include <event2/event.h>
#include <stdint.h>

struct lag {
	struct http_server *server; /* borrowed: its clock and its counters */
	struct event *event;
	int fd;
	uint64_t due_us;
	uint64_t log_lost; /* of log_lost(), what is in the counters already */
	struct trim trim;
	void (*on_tick)(void *arg); /* set by who wants to be called each time, else NULL */
	void *arg;
};

/* 0 or -errno; lag_done() takes either. */
int lag_init(struct lag *l, struct event_base *base, struct http_server *server)
	__attribute__((warn_unused_result));

/* Publishes for the last time. */
void lag_done(struct lag *l);

#endif
