#include "server/http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* After our last byte, what a client still sends is thrown away up to here; then the connection is
 * closed. */
#define LINGER_BYTES ((size_t)1 << 20)
/* Of one connection, as far as they are answered without a job. */
#define REQUESTS_PER_TURN 8
/* Up to here, copying a body behind its head takes less time than sending two pieces. */
#define COPIED_BODY_BYTES ((size_t)4096)

static void advance(struct http_conn *c);

/* A request is begun, in hand, or its answer is not yet on the wire. */
static bool is_busy(enum http_conn_state state)
{
	return state == CONN_READING || state == CONN_IN_HAND || state == CONN_WRITING;
}

static void set_state(struct http_conn *c, enum http_conn_state state)
{
	struct http_server *s = c->server;

	s->busy += is_busy(state) ? 1u : 0u;
	s->busy -= is_busy(c->state) ? 1u : 0u;
	stats_set(&s->stats->active, s->busy);
	c->state = state;
}

static void stop_reading(struct http_conn *c)
{
	if (c->reading)
		(void)event_del(&c->read_event);
	c->reading = false;
}

static void start_reading(struct http_conn *c)
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
	stop_reading(c);
	(void)event_del(&c->write_event);
	(void)close(c->fd);
	set_state(c, CONN_CLOSED);
	if (unanswered)
		s->options.on_gone(c, s->options.arg);
	http_wait_leave(s, c);
	TAILQ_INSERT_TAIL(&s->dead, c, link);
	s->open--;
	stats_set(&s->stats->connections, s->open);
}

/* Closing while the client's bytes are unread would reset the connection and could destroy the
 * answer. */
static void linger(struct http_conn *c)
{
	if (shutdown(c->fd, SHUT_WR) != 0) {
		http_conn_close(c);
		return;
	}
	set_state(c, CONN_LINGER);
	buffer_done(&c->in);
	c->in_at = 0;
	http_wait_for(c->server, c, HTTP_WAIT_LINGER);
	start_reading(c);
}

/* After the last answer: whether the client has sent, or may be sending, what nobody will read. */
static bool leaves_input(const struct http_conn *c)
{
	/* Where it is we who end a connection, the client's next request may be on its way. */
	bool cut = c->server->draining && c->request.keep_alive;

	return c->request.refusal.status != 0 || http_conn_pending(c) > c->request.consumed ||
	       !c->reading || cut || http_conn_has_input(c);
}

/* The bytes of the requests answered so far are no longer needed: an idle connection owns no buffer. */
static void forget_input(struct http_conn *c)
{
	struct http_server *s = c->server;

	c->in_at = 0;
	if (s->spares == HTTP_SPARE_BUFFERS || c->in.cap > HTTP_SPARE_BYTES) {
		buffer_done(&c->in);
		return;
	}
	buffer_reset(&c->in);
	s->spare[s->spares++] = c->in;
	buffer_init(&c->in);
}

/* The whole answer is with the kernel. */
static void answered(struct http_conn *c)
{
	if (c->out.data)
		buffer_done(&c->out);
	c->out_at = 0;
	if (!c->keep_alive || c->ended) {
		if (!c->ended && leaves_input(c))
			linger(c);
		else
			http_conn_close(c);
		return;
	}
	c->in_at += c->request.consumed;
	if (c->in_at == c->in.len)
		forget_input(c);
	set_state(c, CONN_IDLE);
	http_wait_for(c->server, c, HTTP_WAIT_IDLE);
	start_reading(c);
	if (!c->advancing)
		advance(c);
}

/* Keeps what the socket would not take: everything of the pieces behind the first `sent` bytes. */
static void keep_rest(struct http_conn *c, const struct iovec *piece, int pieces, size_t sent)
{
	for (int i = 0; i < pieces; i++) {
		size_t skip = sent < piece[i].iov_len ? sent : piece[i].iov_len;

		buffer_append(
			&c->out, (const char *)piece[i].iov_base + skip, piece[i].iov_len - skip);
		sent -= skip;
	}
	if (c->out.failed || event_add(&c->write_event, NULL) != 0) {
		http_conn_close(c);
		return;
	}
	set_state(c, CONN_WRITING);
	http_wait_for(c->server, c, HTTP_WAIT_WRITE);
}

/* Sends as much as the socket takes: bytes sent, or -1 when the connection is of no more use. */
static ssize_t send_pieces(struct http_conn *c, struct iovec *piece, int pieces)
{
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)pieces};
	ssize_t n;

	do
		n = pieces == 1 ? send(c->fd, piece->iov_base, piece->iov_len, flags)
				: sendmsg(c->fd, &message, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	stats_add(&c->server->stats->bytes_out, (uint64_t)n);
	return n;
}

/* Whether a further request has come, if only a part of it. Line ends between requests are none. */
static bool has_next(const struct http_conn *c)
{
	const char *at = http_conn_data(c);

	for (size_t i = c->request.consumed; i < http_conn_pending(c); i++)
		if (at[i] != '\r' && at[i] != '\n')
			return true;
	return http_conn_has_input(c);
}

/* Who was not told that an answer is the last may have sent more before it learns of that; but not for ever. */
static bool goes_on(const struct http_conn *c)
{
	const struct http_server *s = c->server;

	if (!c->request.keep_alive || c->request.refusal.status != 0)
		return false;
	return !s->draining || (s->now_us < s->last_us && has_next(c));
}

void http_conn_answer(struct http_conn *c, const struct http_reply_timing *timing)
{
	struct http_server *s = c->server;
	struct http_reply *r = &s->reply;

	c->keep_alive = goes_on(c);
	struct http_reply_wire wire = {
		.head_only = c->request.method == HTTP_HEAD && c->request.head_done,
		.keep_alive = c->keep_alive,
		.minor = c->request.minor,
	};
	buffer_reset(&s->head);
	http_reply_head(r, &s->options.style, timing, &wire, &s->head);
	size_t body = http_reply_sends_body(r, &wire) ? r->body.len : 0;
	bool copied = body > 0 && body <= COPIED_BODY_BYTES;
	if (copied)
		buffer_append(&s->head, r->body.data, body);
	if (s->head.failed || r->body.failed) {
		http_conn_close(c);
		return;
	}

	struct iovec piece[2] = {
		{.iov_base = s->head.data, .iov_len = s->head.len},
		{.iov_base = r->body.data, .iov_len = copied ? 0 : body},
	};
	ssize_t n = send_pieces(c, piece, piece[1].iov_len > 0 ? 2 : 1);
	if (n < 0)
		http_conn_close(c);
	else if ((size_t)n == piece[0].iov_len + piece[1].iov_len)
		answered(c);
	else
		keep_rest(c, piece, 2, (size_t)n);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;
	struct http_server *s = c->server;
	(void)fd;
	(void)what;

	http_server_wake(s);
	s->heard++;
	struct iovec piece = {
		.iov_base = c->out.data + c->out_at, .iov_len = c->out.len - c->out_at};
	ssize_t n = send_pieces(c, &piece, 1);
	if (n < 0) {
		http_conn_close(c);
	} else {
		c->out_at += (size_t)n;
		if (c->out_at == c->out.len) {
			(void)event_del(&c->write_event);
			answered(c);
		}
	}
	http_server_settle(s);
}

/* RFC 9110, 10.1.1. A client whose window is so full that 25 bytes do not fit gets none and will
 * wait in vain. */
static void send_continue(struct http_conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char copy[sizeof(line) - 1];
	struct iovec piece = {.iov_base = copy, .iov_len = sizeof(copy)};

	memcpy(copy, line, sizeof(copy));
	c->continued = true;
	if (send_pieces(c, &piece, 1) != (ssize_t)sizeof(copy))
		http_conn_close(c);
}

/* The request is whole, or its refusal is set: it goes to whoever answers. */
static void hand_over(struct http_conn *c)
{
	struct http_server *s = c->server;

	c->complete_us = s->now_us;
	set_state(c, CONN_IN_HAND);
	http_wait_for(s, c, HTTP_WAIT_NONE);
	s->options.on_request(c, s->options.arg);
}

/* A request has begun, but is not whole. Its deadline counts from its first byte. */
static void wait_for_rest(struct http_conn *c)
{
	if (c->state == CONN_IDLE) {
		c->begun_us = c->server->now_us;
		set_state(c, CONN_READING);
		http_wait_for(c->server, c, HTTP_WAIT_REQUEST);
	}
	if (c->request.wants_continue && c->request.head_done && !c->continued)
		send_continue(c);
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
static void advance(struct http_conn *c)
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
	advance(c);
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
		advance(c);
	else if (http_conn_pending(c) - (in_hand ? c->request.consumed : 0) > HTTP_READ_BYTES)
		stop_reading(c);
}

static void end_of_input(struct http_conn *c)
{
	c->ended = true;
	if (c->state != CONN_WRITING && c->wait != HTTP_WAIT_MORE) {
		/* Idle, half a request, lingering; or the client of a waiting request has left. */
		http_conn_close(c);
		return;
	}
	stop_reading(c);
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
	(void)event_assign(&c->write_event, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	http_wait_join(s, c);
	s->open++;
	if (s->peak < s->open)
		s->peak = s->open;
	stats_set(&s->stats->connections, s->open);
	http_wait_for(s, c, HTTP_WAIT_IDLE);
	start_reading(c);
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
