#include "server/access.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define OUTSIDE_BYTES ((size_t)128) /* of what a client wrote; longer texts are cut */

/* Bytes from outside as a JSON string: what is not printable ASCII becomes '?'. */
static json_t *safe_string(const struct http_conn *c, struct http_span span)
{
	const char *at = http_conn_text(c, span);
	char copy[OUTSIDE_BYTES] = "";
	size_t n = span.len < sizeof(copy) ? span.len : sizeof(copy);

	for (size_t i = 0; i < n; i++)
		copy[i] = at[i] >= 0x20 && at[i] < 0x7f ? at[i] : '?';
	return json_stringn(copy, n);
}

static json_t *peer(const struct http_conn *c)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "";
	const void *number = NULL;

	if (getpeername(c->fd, (struct sockaddr *)&address, &len) != 0)
		return json_null();
	if (address.ss_family == AF_INET)
		number = &((const struct sockaddr_in *)&address)->sin_addr;
	else if (address.ss_family == AF_INET6)
		number = &((const struct sockaddr_in6 *)&address)->sin6_addr;
	if (!number || !inet_ntop(address.ss_family, number, text, sizeof(text)))
		return json_null();
	return json_string(text);
}

static json_t *client(const struct http_conn *c, const struct config *config)
{
	bool told = config->balancer_kind == BALANCER_HAPROXY && c->request.forwarded_for.len > 0;

	return told ? safe_string(c, c->request.forwarded_for) : peer(c);
}

/* A request that could not be read has no method; one that nobody knows could be any text. */
static json_t *method(const struct http_conn *c)
{
	const struct http_request *q = &c->request;

	return q->head_done && q->method != HTTP_UNKNOWN ? safe_string(c, q->method_name)
							 : json_null();
}

static double ms(uint64_t us)
{
	return (double)us / 1000.0;
}

static json_t *make_line(
	const struct http_conn *c, const struct access_entry *e, const struct config *config)
{
	char now[CLOCK_UTC_BYTES];
	const struct http_request *q = &c->request;
	json_t *o = json_pack("{s:s, s:i, s:o, s:o, s:s, s:i, s:I, s:f, s:f, s:f}", "time",
		clock_format_utc(now, sizeof(now), clock_wall_us(), 6), "worker", e->worker,
		"client", client(c, config), "method", method(c), "route",
		stats_route_name(e->route), "status", e->status, "bytes", (json_int_t)e->body_bytes,
		"queue_ms", ms(e->queue_us), "work_ms", ms(e->work_us), "response_ms",
		ms(e->response_us));

	if (o && q->request_id.len > 0)
		(void)json_object_set_new(o, "id", safe_string(c, q->request_id));
	if (o && config->http_log_text && q->head_done)
		/* The parser lets only visible ASCII through in a target. */
		(void)json_object_set_new(
			o, "target", json_stringn(http_conn_text(c, q->target), q->target.len));
	return o;
}

void access_log(const struct http_conn *c, const struct access_entry *e,
	const struct config *config, struct buffer *line)
{
	json_t *o = make_line(c, e, config);
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9))
		       : NULL;

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
