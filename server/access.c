#include "server/access.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define TIME_BYTES 32
#define ID_BYTES ((size_t)128) /* of a client's X-Request-Id; longer ones are cut */

static void put_peer(int fd, char *text, size_t n)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	const void *address = NULL;

	text[0] = '\0';
	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		return;
	if (peer.ss_family == AF_INET)
		address = &((const struct sockaddr_in *)&peer)->sin_addr;
	else if (peer.ss_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)&peer)->sin6_addr;
	if (address)
		(void)inet_ntop(peer.ss_family, address, text, (socklen_t)n);
}

static void put_time(char *text, size_t n)
{
	uint64_t now = clock_wall_us();
	time_t seconds = (time_t)(now / 1000000u);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	size_t len = strftime(text, n, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + len, n - len, ".%06uZ", (unsigned)(now % 1000000u));
}

/* Bytes from outside as a JSON string: what is not printable ASCII becomes '?'. */
static json_t *safe_string(const char *at, size_t len, size_t limit)
{
	char copy[ID_BYTES];
	size_t n = len < limit ? len : limit;

	if (n > sizeof(copy))
		n = sizeof(copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = at[i] >= 0x20 && at[i] < 0x7f ? at[i] : '?';
	return json_stringn(copy, n);
}

static const char *method_name(const struct http_conn *c)
{
	static const char *const names[] = {"GET", "HEAD", "POST", "OPTIONS", "OTHER", "UNKNOWN"};

	return c->request.head_done ? names[c->request.method] : "NONE";
}

void access_log(const struct http_conn *c, const struct access_entry *e, bool with_target,
	struct buffer *line)
{
	char now[TIME_BYTES], peer[INET6_ADDRSTRLEN];
	const struct http_span *id = &c->request.request_id, *target = &c->request.target;

	put_time(now, sizeof(now));
	put_peer(c->fd, peer, sizeof(peer));
	json_t *o = json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:I, s:f, s:f, s:f}", "time", now,
		"worker", e->worker, "client", peer, "method", method_name(c), "route",
		stats_route_name(e->route), "status", e->status, "bytes", (json_int_t)e->body_bytes,
		"queue_ms", (double)e->queue_us / 1000.0, "work_ms", (double)e->work_us / 1000.0,
		"response_ms", (double)e->response_us / 1000.0);
	if (!o)
		return;
	if (id->len > 0)
		(void)json_object_set_new(
			o, "id", safe_string(http_conn_text(c, *id), id->len, ID_BYTES));
	if (with_target && c->request.head_done)
		/* The parser lets only visible ASCII through in a target. */
		(void)json_object_set_new(
			o, "target", json_stringn(http_conn_text(c, *target), target->len));
	char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
	json_decref(o);
	if (!text)
		return;
	buffer_reset(line);
	buffer_puts(line, text);
	buffer_putc(line, '\n');
	if (!line->failed)
		log_raw(line->data, line->len);
	free(text);
}
