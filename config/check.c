#include "config/draft.h"

#include "lib/address.h"

#include <inttypes.h>
#include <string.h>

#define SERVERS_MAX 8192 /* that one HAProxy is asked to check and to choose from */
#define HOST_NAME_BYTES 253
#define LABEL_BYTES 63
/* A worker gives a sign of life ten times a second; a limit near that would take busy ones for hung. */
#define WATCHDOG_MIN_MS 1000
#define LAB_MAX_MS 10000 /* longest request of the lab */
/* A worker that does its work has 2 to 3 MiB, and a few KiB more for each connection. */
#define RSS_MIN_MB 16
#define PREFIX_BYTES 100

static bool usable(const struct config_draft *d, enum config_id id)
{
	return !d->wrong[id];
}

/* --- workers
 * -----------------------------------------------------------------------------------------------------
 */

static void check_count(const struct config_draft *d)
{
	if (usable(d, ID_workers_count) && usable(d, ID_workers_max) &&
		d->values.workers_count > d->values.workers_max)
		draft_complain(d, d->errors, ID_workers_count, ID_workers_max,
			"is out of range; allowed: at most workers.max");
}

static void check_watchdog(const struct config_draft *d)
{
	const int64_t limit_ms = d->values.workers_watchdog_ms;

	if (!usable(d, ID_workers_watchdog_ms) || limit_ms == 0)
		return;
	if (limit_ms < WATCHDOG_MIN_MS)
		draft_complain(d, d->errors, ID_workers_watchdog_ms, CONFIG_IDS,
			"is out of range; allowed: at least %d, or 0 for none", WATCHDOG_MIN_MS);
	else if (limit_ms <= LAB_MAX_MS && usable(d, ID_lab_enabled) && d->values.lab_enabled)
		draft_complain(d, d->warnings, ID_workers_watchdog_ms, ID_lab_enabled,
			"is no longer than a request of the lab may block a worker (%d): such a "
			"worker is killed",
			LAB_MAX_MS);
}

static void check_memory(const struct config_draft *d)
{
	const int64_t limit_mb = d->values.workers_max_rss_mb;

	if (usable(d, ID_workers_max_rss_mb) && limit_mb > 0 && limit_mb < RSS_MIN_MB)
		draft_complain(d, d->warnings, ID_workers_max_rss_mb, CONFIG_IDS,
			"is so little that workers which are well are replaced again and again; "
			"%d is enough for them",
			RSS_MIN_MB);
}

/* --- balancer
 * ----------------------------------------------------------------------------------------------------
 */

static void check_kind(const struct config_draft *d)
{
	const struct config *c = &d->values;

	if (!usable(d, ID_balancer_kind) || c->balancer_kind != BALANCER_NONE)
		return;
	if (usable(d, ID_balancer_discovery) && c->balancer_discovery == DISCOVERY_DNS)
		draft_complain(d, d->errors, ID_balancer_discovery, ID_balancer_kind,
			"is not allowed without HAProxy; allowed: \"static\"");
	/* Or clients would be spoken to in clear by somebody who asked for TLS. */
	if (usable(d, ID_balancer_certificate) && *c->balancer_certificate)
		draft_complain(d, d->errors, ID_balancer_certificate, ID_balancer_kind,
			"is not allowed without HAProxy, which alone speaks TLS; allowed: \"\"");
}

static void check_discovery(const struct config_draft *d)
{
	const struct config *c = &d->values;

	if (!usable(d, ID_balancer_discovery) || c->balancer_discovery != DISCOVERY_DNS)
		return;
	if (usable(d, ID_balancer_server_name) && !*c->balancer_server_name)
		draft_complain(d, d->errors, ID_balancer_server_name, ID_balancer_discovery,
			"is not allowed; allowed: the name to look up");
	if (usable(d, ID_balancer_replicas) && usable(d, ID_workers_max) &&
		c->balancer_replicas * c->workers_max > SERVERS_MAX)
		draft_complain(d, d->errors, ID_balancer_replicas, ID_workers_max,
			"is out of range; allowed: at most %" PRId64
			", so that HAProxy has at most %d servers",
			SERVERS_MAX / c->workers_max, SERVERS_MAX);
}

static bool is_label(const char *text, size_t len)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	return len > 0 && len <= LABEL_BYTES && text[0] != '-' && text[len - 1] != '-' &&
	       strspn(text, legal) >= len;
}

/* Labels as in RFC 1123; the underscore as well, which container engines allow in names and HAProxy
 * looks up. */
static bool is_host_name(const char *text)
{
	if (strlen(text) > HOST_NAME_BYTES)
		return false;
	for (;;) {
		const size_t len = strcspn(text, ".");
		if (!is_label(text, len))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static void check_server_name(const struct config_draft *d)
{
	const char *name = d->values.balancer_server_name;

	if (usable(d, ID_balancer_server_name) && *name && !is_host_name(name))
		draft_complain(d, d->errors, ID_balancer_server_name, CONFIG_IDS,
			"is not allowed; allowed: a host name (labels of letters, digits, - and _ "
			"between dots)");
}

static void check_certificate(const struct config_draft *d)
{
	if (usable(d, ID_balancer_certificate) &&
		strpbrk(d->values.balancer_certificate, " \"'\\#$"))
		draft_complain(d, d->errors, ID_balancer_certificate, CONFIG_IDS,
			"is not allowed; allowed: a path without blanks and without \" ' \\ # $, "
			"which mean something in haproxy.cfg");
}

static void warn_of_balancer(const struct config_draft *d)
{
	const struct config *c = &d->values;

	if (!usable(d, ID_balancer_kind) || c->balancer_kind != BALANCER_HAPROXY)
		return;
	if (usable(d, ID_limits_queue_ms) && usable(d, ID_balancer_timeout_ms) &&
		c->limits_queue_ms >= c->balancer_timeout_ms)
		draft_complain(d, d->warnings, ID_limits_queue_ms, ID_balancer_timeout_ms,
			"is no shorter than HAProxy waits: it gives up before a worker says 503");
	if (usable(d, ID_workers_watchdog_ms) && usable(d, ID_balancer_timeout_ms) &&
		c->workers_watchdog_ms >= c->balancer_timeout_ms)
		draft_complain(d, d->warnings, ID_workers_watchdog_ms, ID_balancer_timeout_ms,
			"is no shorter than HAProxy waits: requests in a hung worker are answered "
			"504, and not given to another");
	if (usable(d, ID_balancer_maxconn) && usable(d, ID_balancer_policy) &&
		c->balancer_policy != POLICY_CENTRAL &&
		c->balancer_maxconn != config_options[ID_balancer_maxconn].number)
		draft_complain(d, d->warnings, ID_balancer_maxconn, ID_balancer_policy,
			"has no effect: it is for policy \"central\"");
}

/* --- http and log
 * --------------------------------------------------------------------------------------------------
 */

/* A field's value as RFC 9110 has it, less the obsolete bytes: whoever could write a CR LF could
 * write an answer. */
static void check_field(const struct config_draft *d, enum config_id id, const char *value)
{
	if (!usable(d, id))
		return;
	for (const char *c = value; *c; c++) {
		if (*c < 0x20 || *c > 0x7e) {
			draft_complain(d, d->errors, id, CONFIG_IDS,
				"is not allowed; allowed: printable ASCII, for it becomes an HTTP "
				"header field");
			return;
		}
	}
}

static void check_log(const struct config_draft *d)
{
	const struct config *c = &d->values;

	if (usable(d, ID_log_destination) && !*c->log_destination)
		draft_complain(d, d->errors, ID_log_destination, CONFIG_IDS,
			"is not allowed; allowed: \"stderr\", or the path of a file");
	if (usable(d, ID_http_log_text) && usable(d, ID_http_access_log) && c->http_log_text &&
		!c->http_access_log)
		draft_complain(d, d->warnings, ID_http_log_text, ID_http_access_log,
			"has no effect without an access log");
}

/* --- execution, metrics, lab
 * ---------------------------------------------------------------------------------------
 */

static void warn_of_execution(const struct config_draft *d)
{
	static const struct {
		enum config_id id;
		enum config_strategy strategy;
	} uses[] = {
		{ID_execution_threads, STRATEGY_OFFLOAD},
		{ID_execution_queue, STRATEGY_OFFLOAD},
		{ID_execution_slice_us, STRATEGY_YIELD},
	};
	const int64_t value[] = {d->values.execution_threads, d->values.execution_queue,
		d->values.execution_slice_us};

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (usable(d, uses[i].id) && usable(d, ID_execution_strategy) &&
			d->values.execution_strategy != (int)uses[i].strategy &&
			value[i] != config_options[uses[i].id].number)
			draft_complain(d, d->warnings, uses[i].id, ID_execution_strategy,
				"has no effect: it is for strategy \"%s\"",
				uses[i].strategy == STRATEGY_OFFLOAD ? "offload" : "yield");
}

/* An address that need not be there. */
static void check_optional_address(
	const struct config_draft *d, enum config_id id, const char *value)
{
	struct address address;

	if (usable(d, id) && *value && address_parse(&address, value, false) < 0)
		draft_complain(d, d->errors, id, CONFIG_IDS,
			"is not allowed; allowed: \"\", or HOST:PORT or [IPv6]:PORT, numeric");
}

/* Graphite's names are paths of which the parts are divided by dots. */
static void check_prefix(const struct config_draft *d)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *prefix = d->values.metrics_prefix;
	const size_t len = strlen(prefix);

	if (!usable(d, ID_metrics_prefix))
		return;
	if (len == 0 || len > PREFIX_BYTES || prefix[strspn(prefix, legal)] || prefix[0] == '.' ||
		prefix[len - 1] == '.' || strstr(prefix, ".."))
		draft_complain(d, d->errors, ID_metrics_prefix, CONFIG_IDS,
			"is not allowed; allowed: 1 to %d letters, digits, - and _, in parts "
			"divided by dots",
			PREFIX_BYTES);
}

void draft_check(const struct config_draft *d)
{
	check_count(d);
	check_watchdog(d);
	check_memory(d);
	draft_check_listeners(d);
	check_kind(d);
	check_discovery(d);
	check_server_name(d);
	check_certificate(d);
	check_field(d, ID_http_cache_control, d->values.http_cache_control);
	check_field(d, ID_http_allow_origin, d->values.http_allow_origin);
	check_log(d);
	check_optional_address(d, ID_metrics_statsd, d->values.metrics_statsd);
	check_prefix(d);
	check_optional_address(d, ID_lab_redis, d->values.lab_redis);
	warn_of_balancer(d);
	warn_of_execution(d);
}
