#include "balancer/render.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Renders a template, NULL for HAProxy's own, with the defaults and these settings; returns what it
 * returned. */
static int render(const char *template, const char *const *set, size_t n, struct buffer *out)
{
	struct config config;
	struct buffer errors, warnings;

	buffer_init(&errors);
	buffer_init(&warnings);
	if (config_load(&config, NULL, NULL, set, n, &errors, &warnings) != 0)
		fail_msg("%s", buffer_cstring(&errors));
	const int r =
		template ? render_template(template, &config, out) : render_haproxy(&config, out);
	config_done(&config);
	buffer_done(&errors);
	buffer_done(&warnings);
	return r;
}

static void renders_to(const char *template, const char *const *set, size_t n, const char *expected)
{
	struct buffer out;

	buffer_init(&out);
	assert_int_equal(render(template, set, n, &out), 0);
	assert_string_equal(buffer_cstring(&out), expected);
	buffer_done(&out);
}

static void is_refused(const char *template)
{
	struct buffer out;

	buffer_init(&out);
	assert_int_equal(render(template, NULL, 0, &out), -EINVAL);
	buffer_done(&out);
}

#define RENDERS_TO(template, expected, ...)                                                        \
	renders_to(template, (const char *const[]){__VA_ARGS__},                                   \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), expected)

static void every_placeholder_is_filled_in(void **state)
{
	(void)state;
	struct buffer out;
	buffer_init(&out);
	assert_int_equal(render(NULL, NULL, 0, &out), 0);
	const char *text = buffer_cstring(&out);

	/* What remains of '@' are HAProxy's own "ipv4@" and "ipv6@". */
	for (const char *at = strchr(text, '@'); at; at = strchr(at + 1, '@')) {
		assert_true(at - text >= 4);
		assert_memory_equal(at - 4, "ipv4", 4);
	}
	assert_non_null(strstr(text, "\n\tbind ipv4@127.0.0.1:8080 proto h1\n"));
	assert_non_null(strstr(text, "\n\tserver worker31 ipv4@127.0.0.1:8131\n"));
	assert_null(strstr(text, "worker32 "));
	assert_null(strstr(text, "\nresolvers"));
	buffer_done(&out);
}

static void unknown_placeholders_are_refused(void **state)
{
	(void)state;
	is_refused("a @NO_SUCH_NAME@ b");
	is_refused("a @THREADS b");
	is_refused("@@");
	is_refused("@THREAD@");
}

static void text_without_placeholders_stays(void **state)
{
	(void)state;
	renders_to("", NULL, 0, "");
	renders_to("one\n\ttwo\n", NULL, 0, "one\n\ttwo\n");
	RENDERS_TO("@THREADS@@THREADS@ x", "33 x", "balancer.threads=3");
}

static void policies(void **state)
{
	static const char template[] = "@BALANCE@,@SERVER_OPTIONS@";

	(void)state;
	RENDERS_TO(template, "roundrobin, maxconn 8998", "balancer.policy=roundrobin");
	RENDERS_TO(template, "leastconn, maxconn 8998", "balancer.policy=leastconn");
	RENDERS_TO(template, "random(1), maxconn 8998 weight 256", "balancer.policy=random");
	RENDERS_TO(template, "random(2), maxconn 8998 weight 256", "balancer.policy=random(2)",
		"balancer.maxconn=3");
	RENDERS_TO(template, "leastconn, maxconn 1", "balancer.policy=central");
	RENDERS_TO(
		template, "leastconn, maxconn 7", "balancer.policy=central", "balancer.maxconn=7");
	/* Never more than a worker has room for, with some for idle connections and checks. */
	RENDERS_TO(template, "roundrobin, maxconn 88", "limits.connections=100");
	RENDERS_TO(template, "roundrobin, maxconn 1", "limits.connections=1");
	RENDERS_TO(template, "leastconn, maxconn 88", "balancer.policy=central",
		"balancer.maxconn=500", "limits.connections=100");
}

static void listeners(void **state)
{
	(void)state;
	RENDERS_TO("@LISTEN@", "ipv4@0.0.0.0:80", "balancer.listen=0.0.0.0:80");
	RENDERS_TO("@LISTEN@", "ipv6@[::1]:80", "balancer.listen=[::1]:80");
	RENDERS_TO("@LISTEN@", "ipv6@[::]:80 v4v6", "balancer.listen=[::]:80");
	RENDERS_TO("@STATS@", "ipv6@[::1]:81", "balancer.stats=[::1]:81");
}

/* What a draining worker reckons with (config/health.h), and the longest that a reloaded process may have work. */
static void checks_and_times(void **state)
{
	(void)state;
	RENDERS_TO("@CHECK_MS@ @CHECK_SPREAD@", "500 10", "workers.drain_ms=1");
	RENDERS_TO("@HARD_STOP_MS@", "1203045", "limits.idle_ms=1000000",
		"balancer.timeout_ms=200000", "limits.queue_ms=3005", "limits.client_ms=20");
}

static void certificates(void **state)
{
	(void)state;
	RENDERS_TO("@LISTEN@", "ipv4@1.2.3.4:5 ssl crt /etc/front.pem alpn http/1.1",
		"balancer.listen=1.2.3.4:5", "balancer.certificate=/etc/front.pem");
}

static void static_servers(void **state)
{
	(void)state;
	RENDERS_TO("@SERVERS@",
		"\tserver worker0 ipv4@10.0.0.1:9000\n\tserver worker1 ipv4@10.0.0.1:9001",
		"workers.max=2", "workers.base_port=9000", "workers.address=10.0.0.1");
	/* All addresses are reached over loopback. */
	RENDERS_TO("@SERVERS@", "\tserver worker0 ipv4@127.0.0.1:9000", "workers.max=1",
		"workers.base_port=9000", "workers.address=0.0.0.0");
	RENDERS_TO("@SERVERS@", "\tserver worker0 ipv6@[::1]:9000", "workers.max=1",
		"workers.base_port=9000", "workers.address=::");
}

/* With replicas, only the slots that they use, as far as that is known. */
static void dns_servers(void **state)
{
	(void)state;
	RENDERS_TO("@SERVERS@",
		"\tserver-template worker0- 3 fleet:9000 resolvers dns0 init-addr none "
		"resolve-prefer ipv4\n"
		"\tserver-template worker1- 3 fleet:9001 resolvers dns1 init-addr none "
		"resolve-prefer ipv4",
		"balancer.discovery=dns", "balancer.server_name=fleet", "balancer.replicas=3",
		"workers.count=2", "workers.max=4", "workers.base_port=9000");

	const char *const set[] = {"balancer.discovery=dns", "workers.count=auto", "workers.max=4"};
	struct buffer out;
	buffer_init(&out);
	assert_int_equal(render(NULL, set, 3, &out), 0);
	const char *text = buffer_cstring(&out);
	assert_non_null(strstr(text, "\tserver-template worker3- "));
	assert_null(strstr(text, "\tserver-template worker4- "));
	assert_non_null(strstr(text, "\nresolvers dns0\n\tparse-resolv-conf\n"));
	assert_non_null(strstr(text, "\nresolvers dns3\n\tparse-resolv-conf\n"));
	assert_null(strstr(text, "\nresolvers dns4\n"));
	buffer_done(&out);
}

/* Whole requests fit into a buffer; all buffers together stay below 2 GiB. */
static void buffers(void **state)
{
	static const char template[] = "@BUFFER_BYTES@ @DESCRIPTORS@";

	(void)state;
	RENDERS_TO(template, "16384 20108", "limits.header_bytes=512", "limits.body_bytes=0",
		"workers.max=8");
	RENDERS_TO(template, "25504 20108", "limits.header_bytes=16384", "limits.body_bytes=4000",
		"workers.max=8");
	RENDERS_TO(template, "17830912 236", "limits.header_bytes=1048576",
		"limits.body_bytes=16777216", "workers.max=8");
	/* 8 slots of 5 replicas, and 3 nameservers for each of the 8. */
	RENDERS_TO(template, "16384 20164", "limits.header_bytes=512", "limits.body_bytes=0",
		"workers.max=8", "workers.count=auto", "balancer.discovery=dns",
		"balancer.replicas=5");
}

/* One page of those that HAProxy answers with. */
static void has_page(const char *allow_origin, const char *page)
{
	struct buffer out;

	buffer_init(&out);
	assert_int_equal(render("@ERRORS@\n", &allow_origin, 1, &out), 0);
	assert_non_null(strstr(buffer_cstring(&out), page));
	buffer_done(&out);
}

#define PAGE_413                                                                                   \
	"\thttp-error status 413 content-type application/json string "                            \
	"'{\"error\":{\"code\":\"body_too_large\","                                                \
	"\"message\":\"the body is larger than limits.body_bytes\"}}'"                             \
	" hdr Cache-Control no-store hdr X-Content-Type-Options nosniff"

static void error_pages(void **state)
{
	(void)state;
	has_page("http.allow_origin=", PAGE_413 "\n");
	has_page("http.allow_origin=*", PAGE_413 " hdr Access-Control-Allow-Origin '*'\n");
	/* Nothing in it means anything to HAProxy. */
	has_page("http.allow_origin=a 'b' %[c] \\n $D #",
		PAGE_413 " hdr Access-Control-Allow-Origin 'a '\\''b'\\'' %%[c] \\n $D #'\n");
	has_page("http.allow_origin=*", " nosniff hdr Retry-After 1 hdr Access-Control-");
}

static void time_limits(void **state)
{
	static const char template[] = "@REQUEST_MS@ @CLIENT_MS@ @IDLE_MS@ @QUEUE_MS@ @SERVER_MS@";

	(void)state;
	RENDERS_TO(template, "11 22 22 32 444", "limits.client_ms=11", "limits.idle_ms=22",
		"limits.queue_ms=33", "balancer.timeout_ms=444");
	RENDERS_TO(template, "50 50 22 32 444", "limits.client_ms=50", "limits.idle_ms=22",
		"limits.queue_ms=33", "balancer.timeout_ms=444");
	RENDERS_TO("@QUEUE_MS@", "4900", "limits.queue_ms=5000");
	RENDERS_TO("@QUEUE_MS@", "1", "limits.queue_ms=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_placeholder_is_filled_in),
		cmocka_unit_test(unknown_placeholders_are_refused),
		cmocka_unit_test(text_without_placeholders_stays),
		cmocka_unit_test(policies),
		cmocka_unit_test(listeners),
		cmocka_unit_test(checks_and_times),
		cmocka_unit_test(certificates),
		cmocka_unit_test(static_servers),
		cmocka_unit_test(dns_servers),
		cmocka_unit_test(buffers),
		cmocka_unit_test(error_pages),
		cmocka_unit_test(time_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
