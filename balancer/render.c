#include "balancer/render.h"

#include "balancer/haproxy_template.h"
#include "config/health.h"
#include "lib/address.h"

#include <errno.h>
#include <string.h>

#define REWRITE_BYTES 1024 /* tune.maxrewrite, as in the template */
#define OVERHEAD_BYTES                                                                             \
	4096 /* fields that HAProxy adds, and 8 bytes of index for each of 101 fields */
#define BUFFER_BYTES_MIN 16384		 /* HAProxy's own default */
#define BUFFERS_TOTAL (INT64_C(2) << 30) /* memory that all buffers together may come to */
#define CONNECTIONS_MIN 64
#define CONNECTIONS_MAX 10000

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t buffer_bytes(const struct config *c)
{
	int64_t need =
		c->limits_header_bytes + c->limits_body_bytes + REWRITE_BYTES + OVERHEAD_BYTES;

	return max_of(need, BUFFER_BYTES_MIN);
}

/*
 * Slots that servers are declared for. With several replicas the slots of each go up to
 * workers.count only: a replica that DNS has just named counts as up until its first checks, and
 * requests would run into its unused slots. "auto" may mean another number over there, so then it
 * has to be all of them.
 */
static int64_t server_slots(const struct config *c)
{
	if (c->balancer_discovery == DISCOVERY_DNS && c->workers_count != CONFIG_AUTO)
		return min_of(c->workers_count, c->workers_max);
	return c->workers_max;
}

static int64_t server_total(const struct config *c)
{
	int64_t replicas = c->balancer_discovery == DISCOVERY_DNS ? c->balancer_replicas : 1;

	return server_slots(c) * replicas;
}

static void put_int(struct buffer *out, int64_t value)
{
	buffer_printf(out, "%lld", (long long)value);
}

/* Without the prefix HAProxy would take what is before the last colon for a name. */
static void put_bind(struct buffer *out, const char *text)
{
	struct address a;

	if (address_parse(&a, text, false) != 0) {
		out->failed = true; /* config_load() has checked it */
		return;
	}
	bool ipv6 = a.storage.ss_family == AF_INET6;
	buffer_printf(out, "%s%s", ipv6 ? "ipv6@" : "ipv4@", text);
	if (ipv6 && address_is_any(&a))
		buffer_puts(out, " v4v6");
}

static void put_threads(const struct config *c, struct buffer *out)
{
	put_int(out, c->balancer_threads);
}

/*
 * Two descriptors a connection, one a check, one for each nameserver (of which resolv.conf has at
 * most three) of a resolvers section, and some for HAProxy itself.
 */
static void put_descriptors(const struct config *c, struct buffer *out)
{
	int64_t sockets = c->balancer_discovery == DISCOVERY_DNS ? 3 * server_slots(c) : 0;
	int64_t fit = BUFFERS_TOTAL / (2 * buffer_bytes(c));
	int64_t connections = max_of(CONNECTIONS_MIN, min_of(fit, CONNECTIONS_MAX));

	put_int(out, 2 * connections + server_total(c) + sockets + 100);
}

static void put_buffer_bytes(const struct config *c, struct buffer *out)
{
	put_int(out, buffer_bytes(c));
}

static void put_body_bytes(const struct config *c, struct buffer *out)
{
	put_int(out, c->limits_body_bytes);
}

static void put_request_ms(const struct config *c, struct buffer *out)
{
	put_int(out, c->limits_client_ms);
}

static void put_client_ms(const struct config *c, struct buffer *out)
{
	put_int(out, max_of(c->limits_client_ms, c->limits_idle_ms));
}

static void put_idle_ms(const struct config *c, struct buffer *out)
{
	put_int(out, c->limits_idle_ms);
}

/*
 * A little less than the workers' bound: who leaves HAProxy's queue in the last moment would be refused by the worker, and
 * the turn be lost that somebody else could have had. With `central` at twice the capacity that was a tenth of the goodput.
 */
static void put_queue_ms(const struct config *c, struct buffer *out)
{
	put_int(out, max_of(1, c->limits_queue_ms - max_of(1, c->limits_queue_ms / 50)));
}

static void put_server_ms(const struct config *c, struct buffer *out)
{
	put_int(out, c->balancer_timeout_ms);
}

static void put_check_ms(const struct config *c, struct buffer *out)
{
	(void)c;
	put_int(out, HEALTH_CHECK_MS);
}

static void put_check_spread(const struct config *c, struct buffer *out)
{
	(void)c;
	put_int(out, HEALTH_CHECK_SPREAD);
}

/* Idle, then one more request: sending it, waiting for its turn, its answer, taking that. */
static void put_hard_stop_ms(const struct config *c, struct buffer *out)
{
	put_int(out, c->limits_idle_ms + c->limits_client_ms + c->limits_queue_ms +
			     c->balancer_timeout_ms + c->limits_client_ms);
}

static void put_listen(const struct config *c, struct buffer *out)
{
	put_bind(out, c->balancer_listen);
	if (*c->balancer_certificate)
		buffer_printf(out, " ssl crt %s alpn http/1.1", c->balancer_certificate);
}

static void put_stats(const struct config *c, struct buffer *out)
{
	put_bind(out, c->balancer_stats);
}

static void put_balance(const struct config *c, struct buffer *out)
{
	switch ((enum config_policy)c->balancer_policy) {
	case POLICY_ROUNDROBIN:
		buffer_puts(out, "roundrobin");
		return;
	case POLICY_RANDOM:
		buffer_puts(out, "random(1)");
		return;
	case POLICY_RANDOM_2:
		buffer_puts(out, "random(2)");
		return;
	/* Central: both skip servers that are full and queue in the backend when all are; leastconn
	 * also prefers an idle worker where maxconn is above 1. */
	case POLICY_CENTRAL:
	case POLICY_LEASTCONN:
		buffer_puts(out, "leastconn");
		return;
	}
	out->failed = true;
}

/*
 * Requests that a worker is given at a time. It closes the connection that is idle longest when there is one more than
 * limits.connections, perhaps in the moment in which that is used again; so some are left for idle ones, and for health
 * checks, which must not wait behind requests.
 */
static int64_t requests_per_worker(const struct config *c)
{
	int64_t room = max_of(1, c->limits_connections - c->limits_connections / 10 - 2);

	return c->balancer_policy == POLICY_CENTRAL ? min_of(room, c->balancer_maxconn) : room;
}

/*
 * A replica that DNS has just named counts as up, slots without a worker included, until its first
 * checks. There a low weight at first, and a refused connection taken for a failed check (see the
 * template), keep requests from being lost.
 */
static void put_server_options(const struct config *c, struct buffer *out)
{
	buffer_printf(out, " maxconn %lld", (long long)requests_per_worker(c));
	/* Draws hit a ring on which a server has one point for each unit of weight: with one point
	 * each (the default), four servers were measured to get 19 to 29 % of the requests. */
	if (c->balancer_policy == POLICY_RANDOM || c->balancer_policy == POLICY_RANDOM_2)
		buffer_puts(out, " weight 256");
	if (c->balancer_discovery == DISCOVERY_DNS)
		buffer_puts(out, " slowstart 1s");
}

static void put_static_servers(const struct config *c, struct buffer *out)
{
	struct address a;
	char text[ADDRESS_TEXT_BYTES];
	const char *host = c->workers_address;

	if (address_from_host(&a, host, 1) != 0) {
		out->failed = true;
		return;
	}
	bool ipv6 = a.storage.ss_family == AF_INET6;
	if (address_is_any(&a))
		host = ipv6 ? "::1" : "127.0.0.1";
	for (int64_t i = 0; i < server_slots(c); i++) {
		if (address_from_host(&a, host, (uint16_t)(c->workers_base_port + i)) != 0) {
			out->failed = true;
			return;
		}
		buffer_printf(out, "%s\tserver worker%lld %s%s", i ? "\n" : "", (long long)i,
			ipv6 ? "ipv6@" : "ipv4@", address_format(&a, text, sizeof text));
	}
}

/*
 * HAProxy gives each server of a template another one of the name's addresses. Within one resolvers
 * section it gives an address to one server of a backend only, whatever the port: so every slot has
 * a section of its own.
 */
static void put_dns_servers(const struct config *c, struct buffer *out)
{
	for (int64_t i = 0; i < server_slots(c); i++) {
		const int64_t port = c->workers_base_port + i;

		buffer_printf(out,
			"%s\tserver-template worker%lld- %lld %s:%lld"
			" resolvers dns%lld init-addr none resolve-prefer ipv4",
			i ? "\n" : "", (long long)i, (long long)c->balancer_replicas,
			c->balancer_server_name, (long long)port, (long long)i);
	}
}

static void put_servers(const struct config *c, struct buffer *out)
{
	if (c->balancer_discovery == DISCOVERY_DNS)
		put_dns_servers(c, out);
	else
		put_static_servers(c, out);
}

/*
 * A section per slot, as put_dns_servers() needs them. Asked every second, so that a new replica is
 * in use within seconds; a DNS that is silent takes nobody out.
 */
static void put_resolvers(const struct config *c, struct buffer *out)
{
	if (c->balancer_discovery != DISCOVERY_DNS)
		return;
	for (int64_t i = 0; i < server_slots(c); i++)
		buffer_printf(out,
			"\nresolvers dns%lld\n"
			"\tparse-resolv-conf\n"
			"\taccepted_payload_size 8192\n"
			"\tresolve_retries 3\n"
			"\ttimeout resolve 1s\n"
			"\ttimeout retry 1s\n"
			"\thold valid 1s\n"
			"\thold obsolete 2s\n"
			"\thold nx 5s\n"
			"\thold other 30s\n"
			"\thold refused 30s\n"
			"\thold timeout 30s\n",
			(long long)i);
}

/* Appends the value of a header field, where HAProxy takes a format, as one of its strings. */
static void put_field_value(struct buffer *out, const char *value)
{
	buffer_putc(out, '\'');
	for (; *value; value++) {
		if (*value == '\'')
			buffer_puts(out, "'\\''");
		else if (*value == '%')
			buffer_puts(out, "%%");
		else
			buffer_putc(out, *value);
	}
	buffer_putc(out, '\'');
}

/* Every status that HAProxy answers by itself with this configuration, in the workers' manner: a
 * script of another origin may read it, too. */
static void put_errors(const struct config *c, struct buffer *out)
{
	static const struct {
		int status;
		const char *code, *message, *more;
	} pages[] = {
		{400, "bad_request", "the request is no valid HTTP", ""},
		{408, "timeout", "the request was not complete in time", ""},
		{413, "body_too_large", "the body is larger than limits.body_bytes", ""},
		{500, "internal", "the balancer failed", ""},
		{501, "not_implemented", "the balancer does not support this", ""},
		{502, "bad_gateway", "no worker gave a valid answer", " hdr Retry-After 1"},
		{503, "overloaded", "no worker is free; try again", " hdr Retry-After 1"},
		{504, "gateway_timeout", "the worker did not answer in time", " hdr Retry-After 1"},
	};

	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		buffer_printf(out,
			"%s\thttp-error status %d content-type application/json string "
			"'{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}'"
			" hdr Cache-Control no-store hdr X-Content-Type-Options nosniff%s",
			i ? "\n" : "", pages[i].status, pages[i].code, pages[i].message,
			pages[i].more);
		if (*c->http_allow_origin) {
			buffer_puts(out, " hdr Access-Control-Allow-Origin ");
			put_field_value(out, c->http_allow_origin);
		}
	}
}

static const struct placeholder {
	const char *name;
	void (*put)(const struct config *c, struct buffer *out);
} placeholders[] = {
	{"BALANCE", put_balance},
	{"BODY_BYTES", put_body_bytes},
	{"BUFFER_BYTES", put_buffer_bytes},
	{"CHECK_MS", put_check_ms},
	{"CHECK_SPREAD", put_check_spread},
	{"CLIENT_MS", put_client_ms},
	{"DESCRIPTORS", put_descriptors},
	{"ERRORS", put_errors},
	{"HARD_STOP_MS", put_hard_stop_ms},
	{"IDLE_MS", put_idle_ms},
	{"LISTEN", put_listen},
	{"QUEUE_MS", put_queue_ms},
	{"REQUEST_MS", put_request_ms},
	{"RESOLVERS", put_resolvers},
	{"SERVERS", put_servers},
	{"SERVER_MS", put_server_ms},
	{"SERVER_OPTIONS", put_server_options},
	{"STATS", put_stats},
	{"THREADS", put_threads},
};

static const struct placeholder *find_placeholder(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++)
		if (strlen(placeholders[i].name) == len &&
			memcmp(placeholders[i].name, name, len) == 0)
			return &placeholders[i];
	return NULL;
}

int render_template(const char *template, const struct config *c, struct buffer *out)
{
	const char *at = template;

	for (;;) {
		const char *open = strchr(at, '@');
		if (!open)
			break;
		const char *close = strchr(open + 1, '@');
		if (!close)
			return -EINVAL;
		const struct placeholder *p =
			find_placeholder(open + 1, (size_t)(close - open - 1));
		if (!p)
			return -EINVAL;
		buffer_append(out, at, (size_t)(open - at));
		p->put(c, out);
		at = close + 1;
	}
	buffer_puts(out, at);
	return out->failed ? -ENOMEM : 0;
}

int render_haproxy(const struct config *c, struct buffer *out)
{
	return render_template(haproxy_template, c, out);
}
