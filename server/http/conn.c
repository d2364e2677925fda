#include "server/http/conn.h"

#include "server/http/conn_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* After our last byte, what a client still sends is thrown away up to here; then the connection is
 * closed. */
#define LINGER_BYTES ((size_t)1 << 20)
/* Of one connection, as far as they are answered without a job. */
#define REQUESTS_PER_TURN 8
/* A request is begun, in hand, or its answer is not yet on the wire. */
static bool is_busy(enum http_conn_state state)
{
	return state == CONN_READING || state == CONN_IN_HAND || state == CONN_WRITING;
}

void conn_set_state(struct http_conn *c, enum http_conn_state state)
{
	struct http_server *s = c->server;

	s->busy += is_busy(state) ? 1u : 0u;
	s->busy -= is_busy(c->state) ? 1u : 0u;
	stats_set(&s->stats->active, s->busy);
	c->state = state;
}

void conn_stop_reading(struct http_conn *c)
{
	if (c->reading)
		(void)event_del(&c->read_event);
	c->reading = false;
}

void conn_start_reading(struct http_conn *c)
{
	if (c->reading || c->ended)
		return;
	if (event_add(&c->read_event, NULL) == 0)
		c->reading = true;
	else
		http_conn_close(c);
}

void http_conn_close(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->state == CONN_CLOSED)
		return;
	bool unanswered = c->state == CONN_IN_HAND;
	conn_stop_reading(c);
	(void)event_del(&c->write_event);
	(void)close(c->fd);
	conn_set_state(c, CONN_CLOSED);
	if (unanswered)
		s->options.on_gone(c, s->options.arg);
	http_wait_leave(s, c);
	TAILQ_INSERT_TAIL(&s->dead, c, link);
	s->open--;
	stats_set(&s->stats->connections, s->open);
}

/* The request is whole, or its refusal is set: it goes to whoever answers. */
static void hand_over(struct http_conn *c)
{
	struct http_server *s = c->server;

	c->complete_us = s->now_us;
	conn_set_state(c, CONN_IN_HAND);
	http_wait_for(s, c, HTTP_WAIT_NONE);
	s->options.on_request(c, s->options.arg);
}

/* A request has begun, but is not whole. Its deadline counts from its first byte. */
static void wait_for_rest(struct http_conn *c)
{
	if (c->state == CONN_IDLE) {
		c->begun_us = c->server->now_us;
		conn_set_state(c, CONN_READING);
		http_wait_for(c->server, c, HTTP_WAIT_REQUEST);
	}
	if (c->request.wants_continue && c->request.head_done && !c->continued)
		conn_send_continue(c);
}

static enum http_parse_result parse(struct http_conn *c)
{
	if (c->state == CONN_IDLE) {
		http_request_init(&c->request);
		c->limits = c->server->options.limits;
		c->continued = false;
	}
	return http_parse(&c->request, &c->limits, c->in.data + c->in_at, http_conn_pending(c));
}

/*
 * Takes requests out of c->in until one is in hand or more bytes are needed. Those that are answered at once have no
 * turn of their own, so that only so many are taken in one: the rest waits for the next.
 */
void conn_advance(struct http_conn *c)
{
	struct http_server *s = c->server;
	unsigned budget = REQUESTS_PER_TURN;

	c->advancing = true;
	while ((c->state == CONN_IDLE || c->state == CONN_READING) && http_conn_pending(c) > 0) {
		if (budget-- == 0) {
			http_wait_for(s, c, HTTP_WAIT_MORE);
			break;
		}
		if (parse(c) == HTTP_PARSE_MORE) {
			wait_for_rest(c);
			break;
		}
		hand_over(c);
	}
	c->advancing = false;
	if (c->ended && c->wait != HTTP_WAIT_MORE &&
		(c->state == CONN_IDLE || c->state == CONN_READING))
		http_conn_close(c);
}

void http_conn_continue(struct http_conn *c)
{
	conn_advance(c);
}

/* The bytes of the request at hand may have to move, but not once for each of those before it. */
static void keep(struct http_conn *c, size_t n)
{
	struct http_server *s = c->server;

	if (!c->in.data && s->spares > 0)
		c->in = s->spare[--s->spares];
	buffer_consume(&c->in, c->in_at);
	c->in_at = 0;
	buffer_append(&c->in, s->scratch, n);
}

static void received(struct http_conn *c, size_t n)
{
	struct http_server *s = c->server;

	stats_add(&s->stats->bytes_in, n);
	c->turn = s->turn;
	if (c->state == CONN_LINGER) {
		c->lingered += n;
		if (c->lingered > LINGER_BYTES)
			http_conn_close(c);
		return;
	}
	keep(c, n);
	if (c->in.failed) {
		http_conn_close(c);
		return;
	}
	bool in_hand = c->state == CONN_IN_HAND || c->state == CONN_WRITING;
	if (!in_hand && c->wait != HTTP_WAIT_MORE)
		conn_advance(c);
	else if (http_conn_pending(c) - (in_hand ? c->request.consumed : 0) > HTTP_READ_BYTES)
		conn_stop_reading(c);
}

static void end_of_input(struct http_conn *c)
{
	c->ended = true;
	if (c->state != CONN_WRITING && c->wait != HTTP_WAIT_MORE) {
		/* Idle, half a request, lingering; or the client of a waiting request has left. */
		http_conn_close(c);
		return;
	}
	conn_stop_reading(c);
}

void http_conn_read(struct http_conn *c)
{
	ssize_t n = recv(c->fd, c->server->scratch, HTTP_READ_BYTES, MSG_DONTWAIT);

	if (n > 0)
		received(c, (size_t)n);
	else if (n == 0)
		end_of_input(c);
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		http_conn_close(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;
	struct http_server *s = c->server;
	(void)fd;
	(void)what;

	http_server_wake(s);
	s->heard++;
	http_conn_read(c);
	http_server_settle(s);
}

struct http_conn *http_conn_new(struct http_server *s, int fd)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return NULL;
	}
	c->server = s;
	c->fd = fd;
	c->first_turn = s->turn;
	buffer_init(&c->in);
	buffer_init(&c->out);
	(void)event_assign(&c->read_event, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	(void)event_assign(
		&c->write_event, s->base, fd, EV_WRITE | EV_PERSIST, conn_on_writable, c);
	http_wait_join(s, c);
	s->open++;
	if (s->peak < s->open)
		s->peak = s->open;
	stats_set(&s->stats->connections, s->open);
	http_wait_for(s, c, HTTP_WAIT_IDLE);
	conn_start_reading(c);
	return c->state == CONN_CLOSED ? NULL : c;
}

/* What recv() would say now: bytes, 0 for the end, -1 for nothing yet or an error in errno. */
static ssize_t peek(const struct http_conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

bool http_conn_is_gone(const struct http_conn *c)
{
	ssize_t n = peek(c);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool http_conn_has_input(const struct http_conn *c)
{
	return peek(c) > 0;
}

/* The time of the request that it waits for is over. The next one on the connection would have a time of its own. */
static bool is_late(const struct http_conn *c)
{
	return c->state == CONN_READING && c->wait == HTTP_WAIT_REQUEST &&
	       c->deadline_us <= c->server->now_us;
}

/*
 * What has come while the loop was at other work is no fault of the client's, and is read before the request is given
 * up. But only once, and as much as there is now: who sends on and on is not waited for.
 */
static void expire_request(struct http_conn *c)
{
	struct http_server *s = c->server;
	int unread = 0;

	/* Without an answer it is taken for none. */
	(void)ioctl(c->fd, FIONREAD, &unread);
	for (; unread > 0 && is_late(c); unread -= (int)HTTP_READ_BYTES)
		http_conn_read(c);
	if (!is_late(c))
		return;
	stats_add(&s->stats->timeouts_client, 1);
	/* A drain may have cut the time. */
	(void)http_refuse(&c->request.refusal, 408, "timeout", NULL,
		"the request was not complete %llu ms after its first byte",
		(unsigned long long)((c->deadline_us - c->begun_us) / 1000u));
	hand_over(c);
}

void http_conn_expire(struct http_conn *c)
{
	struct http_server *s = c->server;

	switch (c->wait) {
	case HTTP_WAIT_IDLE:
		/* A request may have come that the loop has not read yet; it is answered. */
		if (http_conn_has_input(c))
			http_conn_read(c);
		else
			http_conn_close(c);
		break;
	case HTTP_WAIT_REQUEST:
		expire_request(c);
		break;
	case HTTP_WAIT_WRITE:
		stats_add(&s->stats->timeouts_client, 1);
		http_conn_close(c);
		break;
	default:
		http_conn_close(c);
	}
}
