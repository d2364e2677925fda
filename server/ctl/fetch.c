#include "server/ctl/fetch.h"

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/number.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES 16384u
#define NO_LENGTH SIZE_MAX

/* Waits until fd is ready for `events`, or the deadline. 0 or -errno. */
static int wait_for(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_us = clock_us();
		int n;

		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline_us - now_us + 999) / 1000));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int open_connection(const struct address *to, uint64_t deadline_us)
{
	int fd = socket(
		to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	socklen_t len = sizeof(int);
	int r = 0, error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to->storage, to->len) < 0) {
		r = errno == EINPROGRESS ? wait_for(fd, POLLOUT, deadline_us) : -errno;
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			r = -errno;
		if (r == 0)
			r = -error;
	}
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

static int send_all(int fd, const char *data, size_t len, uint64_t deadline_us)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		r = errno == EAGAIN || errno == EINTR ? wait_for(fd, POLLOUT, deadline_us) : -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Appends what has come. The number of bytes, 0 at the end, or -errno. */
static ssize_t receive(int fd, struct buffer *in, uint64_t deadline_us)
{
	for (;;) {
		char *to = buffer_reserve(in, 16384);
		ssize_t n;
		int r;

		if (!to)
			return -ENOMEM;
		n = recv(fd, to, 16384, 0);
		if (n >= 0) {
			in->len += (size_t)n;
			return n;
		}
		r = errno == EAGAIN || errno == EINTR ? wait_for(fd, POLLIN, deadline_us) : -errno;
		if (r < 0)
			return r;
	}
}

struct answer {
	int status; /* 0: the head is not complete */
	size_t body_at;
	size_t length; /* NO_LENGTH: up to the end of the connection */
};

/* Content-Length of the head, whose lines all end in CRLF. 0 or -EPROTO. */
static int read_fields(struct answer *ret, const char *head, size_t len)
{
	static const char name[] = "content-length:";
	const char *end = head + len;

	for (const char *line = head; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t n = stop ? (size_t)(stop - line) : (size_t)(end - line);

		if (n >= sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0) {
			const char *at = line + sizeof(name) - 1;
			size_t digits = n - (sizeof(name) - 1);
			int64_t value;

			while (digits > 0 && *at == ' ') {
				at++;
				digits--;
			}
			while (digits > 0 && (at[digits - 1] == ' ' || at[digits - 1] == '\r'))
				digits--;
			if (number_parse_int(&value, at, digits, 0, FETCH_BODY_BYTES) < 0)
				return -EPROTO;
			ret->length = (size_t)value;
		}
		line += n + 1;
	}
	return 0;
}

static int read_head(struct answer *ret, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	struct answer a = {.length = NO_LENGTH};
	int64_t status;

	if (len >= 5 && memcmp(data, "HTTP/", 5) != 0)
		return -EPROTO;
	if (!end)
		return len > HEAD_BYTES ? -EPROTO : 0;
	if (end - data < 12 || memcmp(data, "HTTP/1.", 7) != 0 || data[8] != ' ' ||
		number_parse_int(&status, data + 9, 3, 100, 599) < 0)
		return -EPROTO;
	a.status = (int)status;
	a.body_at = (size_t)(end - data) + 4;
	if (read_fields(&a, data, a.body_at) < 0)
		return -EPROTO;
	*ret = a;
	return 0;
}

static int read_answer(int fd, struct answer *ret, struct buffer *in, uint64_t deadline_us)
{
	for (;;) {
		ssize_t n = receive(fd, in, deadline_us);
		int r;

		if (n < 0)
			return (int)n;
		if (ret->status == 0) {
			r = read_head(ret, in->data, in->len);
			if (r < 0)
				return r;
		}
		if (ret->status && ret->length != NO_LENGTH &&
			in->len - ret->body_at >= ret->length)
			return 0;
		if (n == 0)
			return ret->status && ret->length == NO_LENGTH ? 0 : -EPROTO;
		if (in->len > FETCH_BODY_BYTES + HEAD_BYTES)
			return -EPROTO;
	}
}

static int exchange(const char *address, const char *path, int timeout_ms, struct answer *ret,
	struct buffer *in)
{
	uint64_t deadline_us = clock_us() + (uint64_t)timeout_ms * 1000;
	struct address to;
	char head[512];
	int fd, r;

	if (address_parse(&to, address, false) < 0)
		return -EINVAL;
	fd = open_connection(&to, deadline_us);
	if (fd < 0)
		return fd;
	r = snprintf(head, sizeof(head),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: quernctl/" QUERN_VERSION
		"\r\nConnection: close\r\n\r\n",
		path, address);
	r = r < 0 || (size_t)r >= sizeof(head) ? -EINVAL
					       : send_all(fd, head, (size_t)r, deadline_us);
	if (r == 0)
		r = read_answer(fd, ret, in, deadline_us);
	(void)close(fd);
	return r;
}

/* quernd's own words on why it refuses: only those who ask for what it does not have hear them. */
static bool explain_refusal(
	char *why, const char *address, const struct answer *a, const struct buffer *in)
{
	const char *message = NULL;
	json_t *body = a->status == 400
			       ? json_loadb(in->data + a->body_at, in->len - a->body_at, 0, NULL)
			       : NULL;

	if (json_unpack(body, "{s:{s:s}}", "error", "message", &message) == 0)
		(void)snprintf(why, FETCH_WHY_BYTES, "%s: %s", address, message);
	for (char *at = why; message && *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
			*at = '?';
	json_decref(body);
	return message != NULL;
}

static void explain(char *why, const char *address, int r, const struct answer *a, int timeout_ms)
{
	const size_t n = FETCH_WHY_BYTES;

	if (r == -EINVAL)
		(void)snprintf(why, n, "%s: not an address (HOST:PORT, numeric)", address);
	else if (r == -EPROTO && a->status && a->status != 200)
		(void)snprintf(why, n, "%s answers with status %d: not quernd's admin address?",
			address, a->status);
	else if (r == -EPROTO)
		(void)snprintf(why, n, "what answers at %s is not quernd's admin process", address);
	else if (r == -ECONNREFUSED)
		(void)snprintf(why, n, "cannot connect to %s: is quernd running?", address);
	else if (r == -ETIMEDOUT)
		(void)snprintf(why, n, "%s did not answer within %g s", address,
			(double)timeout_ms / 1000);
	else
		(void)snprintf(why, n, "cannot reach %s: %s", address, strerror(-r));
}

int fetch_get(const char *address, const char *path, int timeout_ms, struct buffer *body,
	char why[FETCH_WHY_BYTES])
{
	struct answer a = {.length = NO_LENGTH};
	struct buffer in;
	size_t len;
	int r;

	buffer_init(&in);
	r = exchange(address, path, timeout_ms, &a, &in);
	if (r == 0 && a.status != 200)
		r = -EPROTO;
	if (r == 0) {
		len = a.length == NO_LENGTH ? in.len - a.body_at : a.length;
		buffer_append(body, in.data + a.body_at, len);
		r = body->failed ? -ENOMEM : 0;
	}
	if (r < 0 && !explain_refusal(why, address, &a, &in))
		explain(why, address, r, &a, timeout_ms);
	buffer_done(&in);
	return r;
}
