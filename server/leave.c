#include "server/leave.h"

#include <errno.h>

#define SOON_US 1000u

/* The end of the turn looks at the door. */
static void on_door(evutil_socket_t fd, short what, void *arg)
{
	struct leave *l = arg;
	(void)fd;
	(void)what;

	http_server_wake(l->server);
}

int leave_init(struct leave *l, struct event_base *base, struct http_server *server)
{
	*l = (struct leave){.server = server, .door = evtimer_new(base, on_door, l)};
	return l->door ? 0 : -ENOMEM;
}

void leave_done(struct leave *l)
{
	if (l->door)
		event_free(l->door);
	l->door = NULL;
}

void leave_begin(struct leave *l, enum drain_kind kind, bool balanced, uint64_t limit_us)
{
	if (l->drain.kind != DRAIN_NONE)
		return;
	drain_begin(&l->drain, kind, balanced, limit_us, l->server->now_us);
	http_server_drain(l->server, drain_client_us(&l->drain), drain_idle_us(&l->drain));
}

/* False: the timer cannot be set. */
static bool wait_at_door(struct leave *l)
{
	uint64_t now_us = l->server->now_us, door_us = drain_door_us(&l->drain);
	/* libevent's clock is coarse; firing early must not become a spin. */
	uint64_t left_us = door_us > now_us + SOON_US ? door_us - now_us : SOON_US;
	struct timeval delay = {.tv_sec = (time_t)(left_us / 1000000u),
		.tv_usec = (suseconds_t)(left_us % 1000000u)};

	return evtimer_pending(l->door, NULL) || event_add(l->door, &delay) == 0;
}

/* Whoever waits in the accept queue of a worker that nobody follows would be reset when it ends. */
static void empty_queue(struct leave *l)
{
	if (l->drain.kind == DRAIN_RETIRE)
		http_server_empty(l->server);
}

static bool is_closed(struct leave *l)
{
	if (l->server->closed)
		return true;
	if (!drain_closes_door(&l->drain, l->server->now_us) && wait_at_door(l))
		return false;
	http_server_close(l->server);
	l->closed_us = l->server->now_us;
	empty_queue(l);
	return true;
}

/* HAProxy stops sending when it has seen the 404, so there is a last one; other clients may come for ever. */
static bool may_come_late(const struct leave *l)
{
	return l->drain.balanced &&
	       l->server->now_us < l->drain.began_us + drain_client_us(&l->drain);
}

bool leave_is_over(struct leave *l)
{
	if (l->drain.kind == DRAIN_NONE || !is_closed(l) || l->server->open > 0)
		return false;
	if (may_come_late(l))
		empty_queue(l);
	return l->server->open == 0;
}
