#include "server/http/wait.h"

#include "server/http/conn.h"
#include "server/http/server.h"

#include <errno.h>

#define LINGER_US 2000000u /* nginx's lingering_timeout is 5 s; our answers are small */
/* Connections that expire together are spread over turns, so that others need not wait for all of them. */
#define EXPIRIES_PER_TURN 64
#define SOON_US 1000u

static struct timeval to_timeval(uint64_t us)
{
	return (struct timeval){
		.tv_sec = (time_t)(us / 1000000u), .tv_usec = (suseconds_t)(us % 1000000u)};
}

/* Sets the timer for deadline_us, unless it fires early enough already. */
static void arm(struct http_server *s, uint64_t deadline_us)
{
	struct http_waiting *w = &s->waiting;

	if (w->armed_us != 0 && w->armed_us <= deadline_us)
		return;
	/* Never below a millisecond: the loop's own clock is coarse, and firing early must not become a spin. */
	uint64_t left_us = deadline_us > s->now_us + SOON_US ? deadline_us - s->now_us : SOON_US;
	struct timeval delay = to_timeval(left_us);
	if (event_add(w->deadline_event, &delay) == 0)
		w->armed_us = deadline_us;
}

static void expire_list(struct http_server *s, struct http_conn_list *list, unsigned *budget)
{
	struct http_conn *c;

	while ((c = TAILQ_FIRST(list)) && c->deadline_us <= s->now_us) {
		if (*budget == 0) {
			arm(s, s->now_us + SOON_US);
			return;
		}
		(*budget)--;
		http_conn_expire(c);
	}
	if (c && c->deadline_us != UINT64_MAX)
		arm(s, c->deadline_us);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	unsigned budget = EXPIRIES_PER_TURN;
	(void)fd;
	(void)what;

	http_server_wake(s);
	s->waiting.armed_us = 0;
	for (int kind = 0; kind < HTTP_WAIT_NONE; kind++)
		expire_list(s, &s->waiting.list[kind], &budget);
	http_server_settle(s);
}

/* Each connection that has more gets one more share; those that still have some then are served in the next turn. */
static void on_more(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	struct http_conn_list now = TAILQ_HEAD_INITIALIZER(now);
	struct http_conn *c;
	(void)fd;
	(void)what;

	http_server_wake(s);
	TAILQ_CONCAT(&now, &s->waiting.list[HTTP_WAIT_MORE], link);
	while ((c = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, c, link);
		c->wait = HTTP_WAIT_NONE;
		TAILQ_INSERT_TAIL(&s->waiting.list[HTTP_WAIT_NONE], c, link);
		http_conn_continue(c);
	}
	http_server_settle(s);
}

int http_wait_init(struct http_server *s)
{
	struct http_waiting *w = &s->waiting;

	for (int kind = 0; kind < HTTP_WAIT_KINDS; kind++) {
		TAILQ_INIT(&w->list[kind]);
		w->patience_us[kind] = UINT64_MAX;
	}
	w->patience_us[HTTP_WAIT_IDLE] = s->options.idle_us;
	w->patience_us[HTTP_WAIT_REQUEST] = s->options.client_us;
	w->patience_us[HTTP_WAIT_WRITE] = s->options.client_us;
	w->patience_us[HTTP_WAIT_LINGER] = LINGER_US;
	w->deadline_event = evtimer_new(s->base, on_deadline, s);
	w->more_event = evtimer_new(s->base, on_more, s);
	return w->deadline_event && w->more_event ? 0 : -ENOMEM;
}

void http_wait_done(struct http_server *s)
{
	struct http_waiting *w = &s->waiting;
	struct http_conn *c;

	for (int kind = 0; kind < HTTP_WAIT_KINDS; kind++)
		while ((c = TAILQ_FIRST(&w->list[kind])))
			http_conn_close(c);
	if (w->deadline_event)
		event_free(w->deadline_event);
	if (w->more_event)
		event_free(w->more_event);
}

void http_wait_join(struct http_server *s, struct http_conn *c)
{
	c->wait = HTTP_WAIT_NONE;
	TAILQ_INSERT_TAIL(&s->waiting.list[HTTP_WAIT_NONE], c, link);
}

void http_wait_leave(struct http_server *s, struct http_conn *c)
{
	TAILQ_REMOVE(&s->waiting.list[c->wait], c, link);
}

void http_wait_for(struct http_server *s, struct http_conn *c, enum http_wait kind)
{
	struct http_waiting *w = &s->waiting;
	struct timeval at_once = {0};

	http_wait_leave(s, c);
	TAILQ_INSERT_TAIL(&w->list[kind], c, link);
	c->wait = kind;
	c->deadline_us = UINT64_MAX;
	if (w->patience_us[kind] != UINT64_MAX) {
		c->deadline_us = s->now_us + w->patience_us[kind];
		arm(s, c->deadline_us);
	}
	if (kind == HTTP_WAIT_MORE)
		(void)event_add(w->more_event, &at_once);
}

void http_wait_set(struct http_server *s, enum http_wait kind, uint64_t patience_us)
{
	uint64_t latest_us = s->now_us + patience_us;
	struct http_conn *c;

	s->waiting.patience_us[kind] = patience_us;
	/* Cut to the same moment, the list stays in order. */
	TAILQ_FOREACH(c, &s->waiting.list[kind], link)
	if (c->deadline_us > latest_us)
		c->deadline_us = latest_us;
	arm(s, latest_us);
}

void http_wait_hurry(struct http_server *s, enum http_wait kind, uint64_t at_most_us)
{
	if (s->waiting.patience_us[kind] > at_most_us)
		http_wait_set(s, kind, at_most_us);
}
