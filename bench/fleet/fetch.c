#include "bench/fleet/fetch.h"

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/number.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_BYTES 16384u

static int wait_for(int fd, short events, uint64_t deadline_us)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		const uint64_t now_us = clock_us();

		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		const int n = poll(&p, 1, (int)((deadline_us - now_us + 999) / 1000));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int finish_connecting(int fd, uint64_t deadline_us)
{
	socklen_t len = sizeof(int);
	int result = 0;
	const int waited = wait_for(fd, POLLOUT, deadline_us);

	if (waited < 0)
		return waited;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &len) < 0)
		return -errno;
	return -result;
}

/* A connected descriptor or -errno. */
static int open_connection(const struct address *to, uint64_t deadline_us)
{
	const int fd = socket(
		to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	int result = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to->storage, to->len) < 0)
		result = errno == EINPROGRESS ? finish_connecting(fd, deadline_us) : -errno;
	if (result == 0)
		return fd;
	(void)close(fd);
	return result;
}

static int send_all(int fd, const struct buffer *out, uint64_t deadline_us)
{
	for (size_t sent = 0; sent < out->len;) {
		const ssize_t n = send(fd, out->data + sent, out->len - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		const int waited = wait_for(fd, POLLOUT, deadline_us);
		if (waited < 0)
			return waited;
	}
	return 0;
}

static int receive_all(int fd, struct buffer *in, uint64_t deadline_us)
{
	while (in->len <= FETCH_BYTES_MOST) {
		char *to = buffer_reserve(in, PIECE_BYTES);

		if (!to)
			return -ENOMEM;
		const ssize_t n = recv(fd, to, PIECE_BYTES, 0);
		if (n == 0)
			return 0;
		if (n > 0) {
			in->len += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		const int waited = wait_for(fd, POLLIN, deadline_us);
		if (waited < 0)
			return waited;
	}
	return -EPROTO;
}

static int exchange(
	const char *address, const char *path, uint64_t deadline_us, struct buffer *answer)
{
	struct address to;
	struct buffer request;

	if (address_parse(&to, address, false) < 0)
		return -EINVAL;
	const int fd = open_connection(&to, deadline_us);
	if (fd < 0)
		return fd;
	buffer_init(&request);
	buffer_printf(&request,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: quern-bench/" QUERN_VERSION
		"\r\nConnection: close\r\n\r\n",
		path, address);
	int result = request.failed ? -ENOMEM : send_all(fd, &request, deadline_us);
	if (result == 0)
		result = receive_all(fd, answer, deadline_us);
	buffer_done(&request);
	(void)close(fd);
	return result;
}

/* A chunk's size in hexadecimal digits, up to the CR or an extension; -1 for none. */
static long chunk_size(const char *at, const char *end)
{
	long size = -1;

	for (; at < end && isxdigit((unsigned char)*at); at++) {
		const int digit = *at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10;

		size = (size < 0 ? 0 : size) * 16 + digit;
		if (size > (long)FETCH_BYTES_MOST)
			return -1;
	}
	return size;
}

/* Appends what is in the chunks (RFC 9112, 7.1). 0 or -EPROTO. */
static int append_chunks(struct buffer *body, const char *at, const char *end)
{
	for (;;) {
		const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
		const long size = line ? chunk_size(at, line) : -1;

		if (size == 0)
			return 0;
		if (size < 0 || end - (line + 2) < size + 2)
			return -EPROTO;
		buffer_append(body, line + 2, (size_t)size);
		at = line + 2 + size + 2;
	}
}

/* HAProxy's statistics come in chunks, whatever version was asked for. */
static int append_body(struct buffer *body, const struct buffer *answer, size_t at)
{
	static const char field[] = "\r\ntransfer-encoding: chunked\r\n";
	const char *body_at = answer->data + at, *end = answer->data + answer->len;

	/* Up to and with the last field's CRLF. */
	for (const char *c = answer->data; c + sizeof field - 1 <= body_at - 2; c++) {
		if (strncasecmp(c, field, sizeof field - 1) == 0) {
			const int result = append_chunks(body, body_at, end);

			return body->failed ? -ENOMEM : result;
		}
	}
	buffer_append(body, body_at, (size_t)(end - body_at));
	return body->failed ? -ENOMEM : 0;
}

/* The status, with the place of the body; -EPROTO for what is no HTTP. */
static int read_head(const struct buffer *answer, size_t *ret_body)
{
	int64_t status;

	if (answer->len < 13 || memcmp(answer->data, "HTTP/1.", 7) != 0)
		return -EPROTO;
	const char *end = memmem(answer->data, answer->len, "\r\n\r\n", 4);
	if (!end || number_parse_int(&status, answer->data + 9, 3, 100, 599) < 0)
		return -EPROTO;
	*ret_body = (size_t)(end - answer->data) + 4;
	return (int)status;
}

static void explain(
	struct buffer *error, const char *address, const char *path, int result, int timeout_ms)
{
	if (result == -EINVAL)
		buffer_printf(error, "%s is no address; allowed: HOST:PORT, numeric", address);
	else if (result == -EPROTO)
		buffer_printf(
			error, "http://%s%s: what answers there speaks no HTTP", address, path);
	else if (result == -ETIMEDOUT)
		buffer_printf(error, "http://%s%s: no answer within %g s", address, path,
			(double)timeout_ms / 1000);
	else
		buffer_printf(error, "http://%s%s: %s", address, path, strerror(-result));
}

int fetch_page(const char *address, const char *path, int timeout_ms, struct buffer *body,
	struct buffer *error)
{
	struct buffer answer;
	size_t body_at = 0;
	int status = 0;

	buffer_init(&answer);
	int result = exchange(address, path, clock_us() + (uint64_t)timeout_ms * 1000, &answer);
	if (result == 0)
		status = read_head(&answer, &body_at);
	if (status < 0)
		result = status;
	if (status > 0 && status != 200) {
		buffer_printf(error, "http://%s%s answers with status %d, not 200", address, path,
			status);
		buffer_done(&answer);
		return -EPROTO;
	}
	if (result == 0)
		result = append_body(body, &answer, body_at);
	if (result < 0)
		explain(error, address, path, result, timeout_ms);
	buffer_done(&answer);
	return result;
}
