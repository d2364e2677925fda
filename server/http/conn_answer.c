#include "server/http/conn_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* Up to here, copying a body behind its head takes less time than sending two pieces. */
#define COPIED_BODY_BYTES ((size_t)4096)

/* Closing while the client's bytes are unread would reset the connection and could destroy the
 * answer. */
static void linger(struct http_conn *c)
{
	if (shutdown(c->fd, SHUT_WR) != 0) {
		http_conn_close(c);
		return;
	}
	conn_set_state(c, CONN_LINGER);
	buffer_done(&c->in);
	c->in_at = 0;
	http_wait_for(c->server, c, HTTP_WAIT_LINGER);
	conn_start_reading(c);
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
	conn_set_state(c, CONN_IDLE);
	http_wait_for(c->server, c, HTTP_WAIT_IDLE);
	conn_start_reading(c);
	if (!c->advancing)
		conn_advance(c);
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
	conn_set_state(c, CONN_WRITING);
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

void conn_on_writable(evutil_socket_t fd, short what, void *arg)
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
void conn_send_continue(struct http_conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char copy[sizeof(line) - 1];
	struct iovec piece = {.iov_base = copy, .iov_len = sizeof(copy)};

	memcpy(copy, line, sizeof(copy));
	c->continued = true;
	if (send_pieces(c, &piece, 1) != (ssize_t)sizeof(copy))
		http_conn_close(c);
}
