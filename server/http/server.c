#include "server/http/server.h"

#include "lib/clock.h"
#include "server/http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ACCEPTS_PER_TURN 16
#define EMPTIED_AT_MOST                                                                            \
	4096 /* net.core.somaxconn, and so the longest queue, as kernels have it by default */
#define RESUME_US                                                                                  \
	100000u /* how long accepting pauses when the system is out of descriptors or memory */

void http_server_wake(struct http_server *s)
{
	uint64_t since = stats_get(&s->stats->idle_since_us);

	s->now_us = clock_us();
	if (since == 0)
		return;
	stats_set(&s->stats->idle_since_us, 0);
	stats_add(&s->stats->idle_us, s->now_us - since);
}

void http_server_turn(struct http_server *s)
{
	s->turn++;
	s->heard = 0;
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
	struct timeval delay = {.tv_usec = RESUME_US};

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
	for (struct http_conn *c = TAILQ_FIRST(&s->waiting.list[HTTP_WAIT_IDLE]); c;
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

/* 0 or what accept(2) said. Apart from a shortage and EAGAIN, an error concerns that one connection. */
static int accept_one(struct http_server *s, int listener)
{
	/* accept(2): addr may be NULL, which cppcheck 2.10 does not know. */
	/* cppcheck-suppress nullPointer */
	int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (client < 0)
		return errno == EWOULDBLOCK ? EAGAIN : errno;
	take_connection(s, client);
	return 0;
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
		int error = accept_one(s, fd);
		if (is_shortage(error))
			pause_accepting(s);
		if (error == EAGAIN || is_shortage(error))
			break;
	}
	http_server_settle(s);
}

static void free_dead(struct http_server *s)
{
	struct http_conn *c;

	while ((c = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, c, link);
		buffer_done(&c->in);
		buffer_done(&c->out);
		free(c);
	}
}

static void free_spares(struct http_server *s)
{
	while (s->spares > 0)
		buffer_done(&s->spare[--s->spares]);
}

void http_server_settle(struct http_server *s)
{
	bool room =
		s->open < s->options.connections || !TAILQ_EMPTY(&s->waiting.list[HTTP_WAIT_IDLE]);

	free_dead(s);
	/* They lie where memory was free at the time, perhaps behind what could be given back to the system. */
	if (s->open == 0)
		free_spares(s);
	if (!s->accepting && !s->closed && room && !evtimer_pending(s->resume_event, NULL))
		start_accepting(s);
}

void http_server_change(struct http_server *s, const struct http_server_options *options)
{
	s->options.limits = options->limits;
	s->options.client_us = options->client_us;
	s->options.idle_us = options->idle_us;
	s->options.connections = options->connections;
	/* A drain has set times of its own. */
	if (!s->draining) {
		http_wait_set(s, HTTP_WAIT_IDLE, options->idle_us);
		http_wait_set(s, HTTP_WAIT_REQUEST, options->client_us);
		http_wait_set(s, HTTP_WAIT_WRITE, options->client_us);
	}
	http_server_settle(s);
}

void http_server_drain(struct http_server *s, uint64_t client_us, uint64_t idle_us)
{
	s->draining = true;
	s->last_us = s->now_us + client_us;
	http_wait_hurry(s, HTTP_WAIT_REQUEST, client_us);
	http_wait_hurry(s, HTTP_WAIT_WRITE, client_us);
	http_wait_hurry(s, HTTP_WAIT_IDLE, idle_us);
	/* After an answer at the last moment there is time left for the client to close. */
	http_wait_hurry(s, HTTP_WAIT_LINGER, idle_us < client_us / 2 ? idle_us : client_us / 2);
}

void http_server_close(struct http_server *s)
{
	s->closed = true;
	if (s->accepting)
		(void)event_del(s->accept_event);
	s->accepting = false;
}

void http_server_empty(struct http_server *s)
{
	int listener = event_get_fd(s->accept_event);

	/* Bounded, because clients may come as quickly as they are accepted. */
	for (int i = 0; i < EMPTIED_AT_MOST && s->open < s->options.connections; i++) {
		int error = accept_one(s, listener);

		if (error == EAGAIN || is_shortage(error))
			break;
	}
	http_server_settle(s);
}

int http_server_init(struct http_server *s, struct event_base *base, int listener,
	struct stats_seat *stats, const struct http_server_options *options)
{
	*s = (struct http_server){
		.options = *options, .base = base, .stats = stats, .now_us = clock_us()};
	TAILQ_INIT(&s->dead);
	http_reply_init(&s->reply);
	buffer_init(&s->head);
	s->scratch = malloc(HTTP_READ_BYTES);
	s->accept_event = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, s);
	s->resume_event = evtimer_new(base, on_resume, s);
	bool waits = http_wait_init(s) == 0;
	if (waits && s->scratch && s->accept_event && s->resume_event)
		start_accepting(s);
	if (!s->accepting) {
		http_server_done(s);
		return -ENOMEM;
	}
	return 0;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void http_server_done(struct http_server *s)
{
	http_wait_done(s);
	free_dead(s);
	free_event(s->accept_event);
	free_event(s->resume_event);
	http_reply_done(&s->reply);
	buffer_done(&s->head);
	free_spares(s);
	free(s->scratch);
}
