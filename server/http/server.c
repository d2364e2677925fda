#include "server/http/server.h"

#include "lib/clock.h"
#include "server/http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPTS_PER_TURN 64
#define RESUME_US                                                                                  \
	100000u /* how long accepting pauses when the system is out of descriptors or memory */
#define LINGER_US 2000000u /* nginx's lingering_timeout is 5 s; our answers are small */

void http_server_wake(struct http_server *s)
{
	uint64_t since = stats_get(&s->stats->idle_since_us);

	s->now_us = clock_us();
	if (since == 0)
		return;
	stats_set(&s->stats->idle_since_us, 0);
	stats_add(&s->stats->idle_us, s->now_us - since);
}

static struct timeval to_timeval(uint64_t us)
{
	return (struct timeval){
		.tv_sec = (time_t)(us / 1000000u), .tv_usec = (suseconds_t)(us % 1000000u)};
}

static uint64_t patience_us(const struct http_server *s, enum http_wait kind)
{
	switch (kind) {
	case HTTP_WAIT_IDLE:
		return s->options.idle_us;
	case HTTP_WAIT_LINGER:
		return LINGER_US;
	default:
		return s->options.client_us;
	}
}

/* Sets the timer for deadline_us, unless it fires early enough already. */
static void arm_deadline(struct http_server *s, uint64_t deadline_us)
{
	if (s->deadline_armed_us != 0 && s->deadline_armed_us <= deadline_us)
		return;
	/* Never below a millisecond: the loop's own clock is coarse, and firing early must not
	 * become a spin. */
	uint64_t left = deadline_us > s->now_us + 1000u ? deadline_us - s->now_us : 1000u;
	struct timeval delay = to_timeval(left);
	if (event_add(s->deadline_event, &delay) == 0)
		s->deadline_armed_us = deadline_us;
}

static struct http_conn_list *list_of(struct http_server *s, enum http_wait kind)
{
	return kind == HTTP_WAIT_NONE ? &s->in_hand : &s->waiting[kind];
}

void http_server_wait(struct http_server *s, struct http_conn *c, enum http_wait kind)
{
	TAILQ_REMOVE(list_of(s, c->wait), c, link);
	TAILQ_INSERT_TAIL(list_of(s, kind), c, link);
	c->wait = kind;
	if (kind == HTTP_WAIT_NONE)
		return;
	c->deadline_us = s->now_us + patience_us(s, kind);
	arm_deadline(s, c->deadline_us);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	(void)fd;
	(void)what;

	http_server_wake(s);
	s->deadline_armed_us = 0;
	for (int kind = 0; kind < HTTP_WAIT_KINDS; kind++) {
		struct http_conn *c;

		while ((c = TAILQ_FIRST(&s->waiting[kind])) && c->deadline_us <= s->now_us)
			http_conn_expire(c);
		if (c)
			arm_deadline(s, c->deadline_us);
	}
	http_server_settle(s);
}

static void stop_accepting(struct http_server *s)
{
	if (s->accepting)
		(void)event_del(s->accept_event);
	s->accepting = false;
	stats_add(&s->stats->accept_paused, 1);
}

static void start_accepting(struct http_server *s)
{
	if (!s->accepting && event_add(s->accept_event, NULL) == 0)
		s->accepting = true;
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_server_wake(arg);
	http_server_settle(arg);
}

/* Out of descriptors or memory: the waiting connection would wake the loop again and again. */
static void pause_accepting(struct http_server *s)
{
	struct timeval delay = to_timeval(RESUME_US);

	stop_accepting(s);
	(void)event_add(s->resume_event, &delay);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/*
 * At the limit, the connection that was idle longest gives way to a new one: a balancer's idle
 * connections must not keep its own health checks out. False when all are busy.
 */
static bool make_room(struct http_server *s)
{
	for (struct http_conn *c = TAILQ_FIRST(&s->waiting[HTTP_WAIT_IDLE]); c;
		c = TAILQ_NEXT(c, link)) {
		if (http_conn_has_input(c))
			continue;
		http_conn_close(c);
		return true;
	}
	return false;
}

static void take_connection(struct http_server *s, int fd)
{
	struct http_conn *c = http_conn_new(s, fd);

	stats_add(&s->stats->accepted, 1);
	/* Its request is mostly there by now. Left to the next turn, it would wait for a whole job
	 * more. */
	if (c)
		http_conn_read(c);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *s = arg;
	(void)what;

	http_server_wake(s);
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		/* Only the first one is known to be there, so room is made for no other. */
		if (s->open >= s->options.connections && i > 0)
			break;
		if (s->open >= s->options.connections && !make_room(s)) {
			stop_accepting(s);
			break;
		}
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0) {
			take_connection(s, client);
			continue;
		}
		if (is_shortage(errno))
			pause_accepting(s);
		if (errno == EAGAIN || errno == EWOULDBLOCK || is_shortage(errno))
			break;
		/* Anything else (ECONNABORTED, EPROTO, ...) concerns that one connection:
		 * accept(2), error handling. */
	}
	http_server_settle(s);
}

void http_server_settle(struct http_server *s)
{
	struct http_conn *c;

	while ((c = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, c, link);
		buffer_done(&c->in);
		buffer_done(&c->out);
		free(c);
	}
	bool room = s->open < s->options.connections || !TAILQ_EMPTY(&s->waiting[HTTP_WAIT_IDLE]);
	if (!s->accepting && room && !evtimer_pending(s->resume_event, NULL))
		start_accepting(s);
}

void http_server_drain(struct http_server *s)
{
	struct http_conn *next;

	s->draining = true;
	for (struct http_conn *c = TAILQ_FIRST(&s->waiting[HTTP_WAIT_IDLE]); c; c = next) {
		next = TAILQ_NEXT(c, link);
		/* A request may have come that the loop has not read yet; it is answered. */
		if (!http_conn_has_input(c))
			http_conn_close(c);
	}
	http_server_settle(s);
}

int http_server_init(struct http_server *s, struct event_base *base, int listener,
	struct stats_slot *stats, const struct http_server_options *options)
{
	*s = (struct http_server){.options = *options,
		.base = base,
		.stats = stats,
		.listener = listener,
		.now_us = clock_us()};
	for (int kind = 0; kind < HTTP_WAIT_KINDS; kind++)
		TAILQ_INIT(&s->waiting[kind]);
	TAILQ_INIT(&s->in_hand);
	TAILQ_INIT(&s->dead);
	http_reply_init(&s->reply);
	buffer_init(&s->head);
	s->scratch = malloc(HTTP_SCRATCH_BYTES);
	s->accept_event = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, s);
	s->resume_event = evtimer_new(base, on_resume, s);
	s->deadline_event = evtimer_new(base, on_deadline, s);
	if (s->scratch && s->accept_event && s->resume_event && s->deadline_event)
		start_accepting(s);
	if (!s->accepting) {
		http_server_done(s);
		return -ENOMEM;
	}
	return 0;
}

static void close_all(struct http_conn_list *list)
{
	struct http_conn *c;

	while ((c = TAILQ_FIRST(list)))
		http_conn_close(c);
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void http_server_done(struct http_server *s)
{
	for (int kind = 0; kind < HTTP_WAIT_KINDS; kind++)
		close_all(&s->waiting[kind]);
	close_all(&s->in_hand);
	if (s->resume_event)
		http_server_settle(s);
	free_event(s->accept_event);
	free_event(s->resume_event);
	free_event(s->deadline_event);
	http_reply_done(&s->reply);
	buffer_done(&s->head);
	free(s->scratch);
}
