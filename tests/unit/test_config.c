#include "config/config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_LIST 16

/* What one config_load() was given and gave. */
struct loading {
	const char *json;		   /* content of the file; NULL: no file */
	const char *environment[MAX_LIST]; /* NULL-terminated */
	const char *set[MAX_LIST];	   /* NULL-terminated */
	struct config config;
	struct buffer errors, warnings;
	int result;
};

static char file[] = "/tmp/quern-config-XXXXXX";

static int make_file(void **state)
{
	(void)state;
	const int fd = mkstemp(file);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file);
}

static void write_file(const char *content, size_t len)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(content, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static void load(struct loading *l)
{
	char *environment[MAX_LIST] = {0};
	size_t n = 0;

	for (size_t i = 0; l->environment[i]; i++) {
		environment[i] = strdup(l->environment[i]);
		assert_non_null(environment[i]);
	}
	while (l->set[n])
		n++;
	if (l->json)
		write_file(l->json, strlen(l->json));
	buffer_init(&l->errors);
	buffer_init(&l->warnings);
	l->result = config_load(&l->config, l->json ? file : NULL, environment, l->set, n,
		&l->errors, &l->warnings);
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
}

static void done(struct loading *l)
{
	if (l->result == 0)
		config_done(&l->config);
	buffer_done(&l->errors);
	buffer_done(&l->warnings);
}

static const char *text_of(struct buffer *b)
{
	const char *text = b->len > 0 ? buffer_cstring(b) : "";

	assert_non_null(text);
	return text;
}

/* The text with every name of the temporary file written as FILE; the caller frees it. */
static char *without_file_name(const char *text)
{
	struct buffer out;
	const char *hit;

	buffer_init(&out);
	for (; (hit = strstr(text, file)); text = hit + strlen(file)) {
		buffer_append(&out, text, (size_t)(hit - text));
		buffer_puts(&out, "FILE");
	}
	buffer_puts(&out, text);
	char *copy = strdup(text_of(&out));
	buffer_done(&out);
	assert_non_null(copy);
	return copy;
}

static void expect_errors(struct loading l, const char *errors)
{
	load(&l);
	char *got = without_file_name(text_of(&l.errors));
	assert_string_equal(got, errors);
	free(got);
	assert_int_equal(l.result, -EINVAL);
	done(&l);
}

static void expect_warnings(struct loading l, const char *warnings)
{
	load(&l);
	assert_string_equal(text_of(&l.errors), "");
	char *got = without_file_name(text_of(&l.warnings));
	assert_string_equal(got, warnings);
	free(got);
	assert_int_equal(l.result, 0);
	done(&l);
}

static void expect_fine(struct loading l)
{
	expect_warnings(l, "");
}

#define SETS(...) ((struct loading){.set = {__VA_ARGS__}})
#define JSON(text) ((struct loading){.json = (text)})

/* --- values and where they come from
 * ------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	struct loading l = {0};

	(void)state;
	load(&l);
	assert_int_equal(l.result, 0);
	assert_int_equal(l.config.workers_count, CONFIG_AUTO);
	assert_int_equal(l.config.workers_max, 32);
	assert_string_equal(l.config.workers_address, "127.0.0.1");
	assert_int_equal(l.config.balancer_kind, BALANCER_HAPROXY);
	assert_int_equal(l.config.balancer_policy, POLICY_ROUNDROBIN);
	assert_string_equal(l.config.balancer_certificate, "");
	assert_false(l.config.lab_enabled);
	assert_int_equal(l.errors.len + l.warnings.len, 0);
	done(&l);
}

/* Each source overrides those before it, option by option. */
static void test_precedence(void **state)
{
	struct loading l = {
		.json = "{\"$schema\": \"x\", \"limits\": {\"queue\": 1, \"queue_ms\": 1, "
			"\"idle_ms\": 11},"
			"\"http\": {\"cache_control\": \"file\"}}",
		.environment = {"QUERN_LIMITS_QUEUE=2", "QUERN_LIMITS_QUEUE_MS=2", "HOME=/",
			"QUERN_HTTP_CACHE_CONTROL=a=b"},
		.set = {"limits.queue=4", "limits.queue=3"},
	};

	(void)state;
	load(&l);
	assert_int_equal(l.result, 0);
	assert_int_equal(l.config.limits_queue, 3);
	assert_int_equal(l.config.limits_queue_ms, 2);
	assert_int_equal(l.config.limits_idle_ms, 11);
	assert_int_equal(l.config.limits_client_ms, 10000);
	assert_string_equal(l.config.http_cache_control, "a=b");
	assert_int_equal(l.warnings.len, 0);
	done(&l);
}

static void test_types(void **state)
{
	struct loading l = {
		.json = "{\"workers\": {\"count\": 4, \"address\": \"::1\"}, \"http\": "
			"{\"access_log\": true,"
			"\"allow_origin\": \"\"}, \"balancer\": {\"policy\": \"random(2)\", "
			"\"listen\": "
			"\"[::]:80\"}, \"log\": {\"destination\": \"/var/log/qu\\u00e9rn\"}}",
		.set = {"log.level=debug", "http.log_text=true", "workers.drain_ms=0"},
	};

	(void)state;
	load(&l);
	assert_int_equal(l.result, 0);
	assert_int_equal(l.config.workers_count, 4);
	assert_string_equal(l.config.workers_address, "::1");
	assert_true(l.config.http_access_log);
	assert_true(l.config.http_log_text);
	assert_string_equal(l.config.http_allow_origin, "");
	assert_int_equal(l.config.balancer_policy, POLICY_RANDOM_2);
	assert_string_equal(l.config.balancer_listen, "[::]:80");
	assert_string_equal(l.config.log_destination, "/var/log/qu\xc3\xa9rn");
	assert_int_equal(l.config.log_level, 3);
	assert_int_equal(l.config.workers_drain_ms, 0);
	done(&l);
}

static void test_worker_count(void **state)
{
	(void)state;
	struct config c = {.workers_count = 3, .workers_max = 8};
	assert_int_equal(config_worker_count(&c), 3);
	c.workers_count = CONFIG_AUTO;
	c.workers_max = 1024;
	assert_int_equal(config_worker_count(&c), config_usable_cpus());
	c.workers_max = 1;
	assert_int_equal(config_worker_count(&c), 1);
}

/* What is printed, read back, is the same: also where every option differs from its default. */
static void test_print_and_read_back(void **state)
{
	struct loading first = {
		.environment = {"QUERN_WORKERS_COUNT=auto",
			"QUERN_BALANCER_CERTIFICATE=/etc/quern.pem"},
		.set = {"workers.max=7", "balancer.policy=central",
			"http.cache_control=a \"b\" \\c", "log.destination=\xc3\xbc",
			"http.access_log=true", "workers.address=::"},
	};
	struct loading second = {0};
	struct buffer printed;
	struct buffer again;

	(void)state;
	load(&first);
	assert_int_equal(first.result, 0);
	buffer_init(&printed);
	buffer_init(&again);
	config_print_json(&first.config, &printed);
	second.json = text_of(&printed);
	load(&second);
	assert_string_equal(text_of(&second.errors), "");
	config_print_json(&second.config, &again);
	assert_string_equal(text_of(&again), text_of(&printed));
	assert_string_equal(second.config.http_cache_control, "a \"b\" \\c");
	done(&first);
	done(&second);
	buffer_done(&printed);
	buffer_done(&again);
}

/* --- what is refused
 * -----------------------------------------------------------------------------------------------
 */

static void test_all_errors_at_once(void **state)
{
	const struct loading l = {
		.json = "{\"workers\": {\"cuont\": 3, \"max\": 0, \"base_port\": \"8100\"}, "
			"\"limts\": {}, "
			"\"http\": {\"access_log\": 1}}",
		.environment = {"QUERN_LIMITS_QUEUE=many", "QUERN_LOG_LEVEL="},
		.set = {"balancer.policy=rr", "limits.quue=3", "queue", "lab.enabled=yes"},
	};

	(void)state;
	expect_errors(l,
		"FILE: workers: there is no option \"cuont\"; did you mean workers.count?\n"
		"FILE: workers.max: 0 is out of range; allowed: a whole number from 1 to 1024\n"
		"FILE: workers.base_port: \"8100\" is not allowed; allowed: a whole number from 1 "
		"to 65535\n"
		"FILE: there is no section \"limts\"; did you mean limits?\n"
		"FILE: http.access_log: 1 is not allowed; allowed: true or false\n"
		"QUERN_LIMITS_QUEUE: limits.queue: \"many\" is not allowed; allowed: a whole "
		"number from 1 to 1000000\n"
		"QUERN_LOG_LEVEL: log.level: \"\" is not allowed; allowed: one of \"error\", "
		"\"warn\", \"info\", "
		"\"debug\"\n"
		"--set: balancer.policy: \"rr\" is not allowed; allowed: one of \"roundrobin\", "
		"\"leastconn\", "
		"\"random\", \"random(2)\", \"central\"\n"
		"--set: there is no option \"limits.quue\"; did you mean limits.queue?\n"
		"--set: \"queue\" is not of the form section.key=value\n"
		"--set: lab.enabled: \"yes\" is not allowed; allowed: true or false\n");
}

static void test_untouched_on_failure(void **state)
{
	struct loading l = SETS("workers.max=0");
	struct config before;

	(void)state;
	memset(&before, 0x5a, sizeof before);
	memset(&l.config, 0x5a, sizeof l.config);
	load(&l);
	assert_int_equal(l.result, -EINVAL);
	assert_memory_equal(&l.config, &before, sizeof before);
	done(&l);
}

static void test_wrong_names(void **state)
{
	(void)state;
	expect_errors(JSON("{\"workers\": {\"queue\": 4}}"),
		"FILE: workers: there is no option \"queue\"; did you mean limits.queue?\n");
	expect_errors(JSON("{\"workers\": {\"\": 4}}"), "FILE: workers: there is no option \"\"\n");
	expect_errors(JSON("{\"workers.count\": 4}"),
		"FILE: there is no section \"workers.count\"; "
		"write {\"workers\": {\"count\": ...}}\n");
	expect_errors(JSON("{\"caf\\u00e9\\n\": {}}"),
		"FILE: there is no section \"caf\\xc3\\xa9\\x0a\"\n");
	expect_errors(JSON("{\"workers\": 4, \"$schema\": null}"),
		"FILE: workers: is a number; allowed: an object of options\n"
		"FILE: $schema: is null; allowed: a string\n");
	expect_errors(SETS("Workers.count=1"),
		"--set: there is no option \"Workers.count\"; did you mean workers.count?\n");
	expect_errors(SETS("=1"), "--set: there is no option \"\"\n");
}

static void test_wrong_numbers(void **state)
{
	static const char *const values[] = {"0", "1025", "-1", "1.0", "1e1", "true", "null",
		"\"4\"", "[4]", "{\"a\": 4}", "\"Auto\"", "\"\x7f\""};

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char json[128];
		struct loading l = {.json = json};
		snprintf(json, sizeof json, "{\"workers\": {\"count\": %s}}", values[i]);
		load(&l);
		assert_int_equal(l.result, -EINVAL);
		assert_non_null(strstr(text_of(&l.errors), ": workers.count: "));
		assert_non_null(strstr(
			text_of(&l.errors), "allowed: a whole number from 1 to 1024, or \"auto\""));
		/* Shown on a terminal, perhaps. */
		assert_null(strchr(text_of(&l.errors), 0x7f));
		done(&l);
	}
	expect_errors(SETS("limits.body_bytes=64KiB", "limits.idle_ms= 10", "limits.queue="),
		"--set: limits.body_bytes: \"64KiB\" is not allowed; allowed: a whole number from "
		"0 to 16777216\n"
		"--set: limits.idle_ms: \" 10\" is not allowed; allowed: a whole number from 10 to "
		"3600000\n"
		"--set: limits.queue: \"\" is not allowed; allowed: a whole number from 1 to "
		"1000000\n");
}

static void test_wrong_strings(void **state)
{
	static const char *const wrong[] = {
		"log.destination=a\nb",
		"log.destination=a\x7f",
		"log.destination=\xc2\x85", /* a C1 control character */
		"log.destination=\xff",	    /* not UTF-8 */
		"log.destination=",
		"balancer.certificate=/a b.pem",
		"balancer.certificate=/a\"b.pem",
		"balancer.certificate=/a'b.pem",
		"balancer.certificate=/a\\b.pem",
		"balancer.certificate=/a#b.pem",
		"balancer.certificate=/a\tb.pem",
		"balancer.server_name=-a",
		"balancer.server_name=a-",
		"balancer.server_name=a..b",
		"balancer.server_name=a.",
		"balancer.server_name=a b",
		"balancer.server_name=a:80",
		("balancer.server_name="
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"http.cache_control=no-store\r\nSet-Cookie: a=b",
		"http.cache_control=no-store\r",
		"http.allow_origin=*\n",
		"http.allow_origin=https://caf\xc3\xa9.example",
		"workers.address=localhost",
		"workers.address=[::1]",
		"workers.address=127.0.0.1:80",
		"workers.address=",
		"admin.address=127.0.0.1",
		"admin.address=127.0.0.1:0",
		"admin.address=localhost:80",
		"admin.address=::1:80",
		"admin.address=",
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct loading l = SETS(wrong[i]);
		char start[64];
		load(&l);
		if (l.result != -EINVAL)
			fail_msg("%s is taken", wrong[i]);
		snprintf(start, sizeof start, "--set: %.*s: \"", (int)strcspn(wrong[i], "="),
			wrong[i]);
		const char *errors = text_of(&l.errors);
		assert_memory_equal(errors, start, strlen(start));
		/* One line, printable, whatever was in the value. */
		assert_non_null(strstr(errors, "; allowed: "));
		for (const char *c = errors; *c; c++)
			assert_true((*c >= 0x20 && *c <= 0x7e) || (*c == '\n' && !c[1]));
		done(&l);
	}
	expect_fine(SETS("balancer.server_name=my_server.example-1.com",
		"balancer.certificate=/etc/\xc3\xbc.pem"));
}

static void test_long_strings(void **state)
{
	static const char key[] = "log.destination=";
	char text[sizeof key + 1025];

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, key, sizeof key - 1);
	text[sizeof key - 1 + 1025] = '\0';
	struct loading l = SETS(text);
	load(&l);
	assert_int_equal(l.result, -EINVAL);
	assert_non_null(strstr(text_of(&l.errors), "aaa...\" is not allowed; allowed: UTF-8 text"));
	done(&l);
	text[sizeof key - 1 + 1024] = '\0';
	expect_fine(SETS(text));
}

/* --- the file itself
 * -----------------------------------------------------------------------------------------------
 */

static void test_syntax(void **state)
{
	(void)state;
	expect_errors(JSON("{\"log\": {\n  \"level\": \"info\",\n}}"),
		"FILE:3:1: string or '}' expected near '}'\n");
	expect_errors(JSON("{\"log\": {\"level\": \"info\", \"level\": \"info\"}}"),
		"FILE:1:33: duplicate object key near '\"level\"'\n");
	expect_errors(JSON("[]"), "FILE: is an array; allowed: an object of sections\n");
	expect_errors(JSON(""), "FILE: is empty; allowed: an object of sections, {} at least\n");
	expect_errors(
		JSON(" \n\t\r"), "FILE: is empty; allowed: an object of sections, {} at least\n");
	expect_errors(JSON("{} {}"), "FILE:1:4: end of file expected near '{'\n");
}

/* What people write who take JSON for something else; and what only looks like it. */
static void test_hints(void **state)
{
	(void)state;
	expect_errors(
		JSON("// x\n{}"), "FILE:1:1: '[' or '{' expected near '/'; JSON has no comments\n");
	expect_errors(JSON("{\n\t/* x */\n}"),
		"FILE:2:2: string or '}' expected near '/'; JSON has no comments\n");
	expect_errors(JSON("{\"log\": {} # x\n}"),
		"FILE:1:12: '}' expected near '#'; JSON has no comments\n");
	expect_errors(
		JSON("{} // x"), "FILE:1:4: end of file expected near '/'; JSON has no comments\n");
	expect_errors(JSON("{\"log\": \"#\n\"}"), "FILE:1:10: unexpected newline near '\"#'\n");
	expect_errors(JSON("{\"log\": \"//"), "FILE:1:11: premature end of input near '\"//'\n");
	expect_errors(JSON("\xef\xbb\xbf{}"),
		"FILE:1:1: '[' or '{' expected near '\\xef\\xbb\\xbf'; the file begins with a "
		"byte-order mark: save it as UTF-8 without one\n");
	expect_errors(JSON("\xff\xfe{"),
		"FILE:1:0: unable to decode byte 0xff; the file begins with a byte-order mark: "
		"save it as UTF-8 without one\n");
}

/* The other sources are judged all the same, but not what does not fit to a file that nobody could
 * read. */
static void test_syntax_and_others(void **state)
{
	const struct loading l = {
		.json = "{",
		.environment = {"QUERN_WORKERS_MAX=x"},
		.set = {"workers.count=100", "lab.force=x"},
	};

	(void)state;
	expect_errors(l, "FILE:1:1: string or '}' expected near end of file\n"
			 "QUERN_WORKERS_MAX: workers.max: \"x\" is not allowed; allowed: a whole "
			 "number from 1 to 1024\n"
			 "--set: lab.force: \"x\" is not allowed; allowed: true or false\n");
}

static void expect_unreadable(const char *path, const char *expected)
{
	struct buffer errors;
	struct buffer warnings;
	struct config c;

	buffer_init(&errors);
	buffer_init(&warnings);
	assert_int_equal(config_load(&c, path, NULL, NULL, 0, &errors, &warnings), -EINVAL);
	assert_string_equal(text_of(&errors), expected);
	buffer_done(&errors);
	buffer_done(&warnings);
}

static void test_unreadable(void **state)
{
	(void)state;
	expect_unreadable("/nonexistent/quern.json",
		"/nonexistent/quern.json: cannot be read: No such file or directory\n");
	expect_unreadable("/tmp", "/tmp: cannot be read: Is a directory\n");
	/* They never end. */
	expect_unreadable("/dev/zero", "/dev/zero: is a device; allowed: a file or a pipe\n");
	expect_unreadable("/dev/ptmx", "/dev/ptmx: is a device; allowed: a file or a pipe\n");
}

static void test_too_long(void **state)
{
	char expected[128];

	(void)state;
	write_file("{}", 2);
	(void)snprintf(expected, sizeof(expected), "%s: is longer than 1048576 bytes\n", file);
	assert_int_equal(truncate(file, (1 << 20) + 1), 0);
	expect_unreadable(file, expected);
}

/* --- pipes */

/* A pipe's reading end under a name, as /dev/stdin is one. The caller closes both ends. */
static const char *make_pipe(int end[2])
{
	static char path[32];

	assert_int_equal(pipe(end), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", end[0]);
	return path;
}

static int load_path(
	const char *path, const struct config *running, struct config *ret, struct buffer *errors)
{
	struct buffer others;

	buffer_init(errors);
	buffer_init(&others);
	const int result = running ? config_load_beside(ret, running, &others, path, NULL, NULL, 0,
					     errors, &others)
				   : config_load(ret, path, NULL, NULL, 0, errors, &others);
	buffer_done(&others);
	return result;
}

#define HALF "{\"limits\": {\"qu"
#define OTHER_HALF "eue\": 7}}"

/* At the start a pipe is read to its end, however long its writer takes. */
static void test_pipe_is_waited_for(void **state)
{
	struct buffer errors;
	struct config c;
	int end[2], status;

	(void)state;
	const char *path = make_pipe(end);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool right = write(end[1], HALF, strlen(HALF)) > 0;

		(void)poll(NULL, 0, 50);
		right &= write(end[1], OTHER_HALF, strlen(OTHER_HALF)) > 0;
		_exit(right ? 0 : 1);
	}
	close(end[1]);
	assert_int_equal(load_path(path, NULL, &c, &errors), 0);
	assert_int_equal(c.limits_queue, 7);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	config_done(&c);
	buffer_done(&errors);
	close(end[0]);
}

static void expect_not_ready(const char *path, const struct config *running)
{
	char expected[256];
	struct buffer errors;
	struct config c;

	(void)snprintf(expected, sizeof(expected),
		"%s: is a pipe that has not been written to its end; allowed while a fleet runs: a "
		"file, or what "
		"is there at once\n",
		path);
	assert_int_equal(load_path(path, running, &c, &errors), -EINVAL);
	assert_string_equal(text_of(&errors), expected);
	buffer_done(&errors);
}

/* A running fleet is not kept waiting. */
static void test_pipe_beside_a_fleet(void **state)
{
	struct config running, c;
	struct buffer errors;
	int end[2];

	(void)state;
	assert_int_equal(load_path(NULL, NULL, &running, &errors), 0);
	buffer_done(&errors);
	const char *path = make_pipe(end);
	expect_not_ready(path, &running);
	assert_true(write(end[1], HALF, strlen(HALF)) > 0);
	expect_not_ready(path, &running);
	assert_true(write(end[1], HALF OTHER_HALF, strlen(HALF OTHER_HALF)) > 0);
	close(end[1]);
	assert_int_equal(load_path(path, &running, &c, &errors), 0);
	assert_int_equal(c.limits_queue, 7);
	buffer_done(&errors);
	config_done(&c);
	/* What has been read is gone. */
	assert_int_equal(load_path(path, &running, &c, &errors), -EINVAL);
	assert_non_null(strstr(text_of(&errors), ": is empty; "));
	buffer_done(&errors);
	close(end[0]);
	config_done(&running);
}

static void test_named_pipe_without_a_writer(void **state)
{
	char path[sizeof(file) + 8];
	struct config running;
	struct buffer errors;

	(void)state;
	assert_int_equal(load_path(NULL, NULL, &running, &errors), 0);
	buffer_done(&errors);
	(void)snprintf(path, sizeof(path), "%s.pipe", file);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_not_ready(path, &running);
	unlink(path);
	config_done(&running);
}

/* Truncated anywhere, the default file is an error, never a crash. */
static void test_truncated(void **state)
{
	struct loading whole = {0};
	struct buffer printed;

	(void)state;
	load(&whole);
	buffer_init(&printed);
	config_print_json(&whole.config, &printed);
	done(&whole);
	/* The last byte is a newline, and the file is whole without it. */
	for (size_t len = 0; len + 1 < printed.len; len += 7) {
		struct loading l = {0};
		write_file(printed.data, len);
		buffer_init(&l.errors);
		buffer_init(&l.warnings);
		l.result = config_load(&l.config, file, NULL, NULL, 0, &l.errors, &l.warnings);
		assert_int_equal(l.result, -EINVAL);
		done(&l);
	}
	buffer_done(&printed);
}

/* --- between options
 * -----------------------------------------------------------------------------------------------
 */

static void test_count_and_ports(void **state)
{
	(void)state;
	expect_fine(SETS("workers.count=32", "workers.base_port=65504"));
	expect_errors(SETS("workers.count=33"),
		"--set: workers.count: 33 is out of range; allowed: at "
		"most workers.max (workers.max: 32, default)\n");
	expect_errors(SETS("workers.base_port=65505"),
		"--set: workers.base_port: 65505 is out of range; allowed: at most 65504, so that "
		"every slot has a "
		"port (workers.max: 32, default)\n");
	/* No second error that only comes of the first. */
	expect_errors(SETS("workers.count=33", "workers.max=x"),
		"--set: workers.max: \"x\" is not allowed; allowed: a whole number from 1 to "
		"1024\n");
	/* A good value from a later source makes up for it, but the mistake is reported. */
	const struct loading l = {.environment = {"QUERN_WORKERS_MAX=x"},
		.set = {"workers.max=8", "workers.count=9"}};
	expect_errors(l, "QUERN_WORKERS_MAX: workers.max: \"x\" is not allowed; allowed: a whole "
			 "number from 1 to 1024\n"
			 "--set: workers.count: 9 is out of range; allowed: at most workers.max "
			 "(workers.max: 8, --set)\n");
}

static void test_listeners_of_workers(void **state)
{
	static const char *const keys[] = {"admin.address", "balancer.listen", "balancer.stats"};
	static const struct {
		const char *address;
		const char *workers;
		bool taken;
	} samples[] = {
		{"127.0.0.1:8099", "127.0.0.1", false},
		{"127.0.0.1:8100", "127.0.0.1", true},
		{"127.0.0.1:8131", "127.0.0.1", true},
		{"127.0.0.1:8132", "127.0.0.1", false},
		{"127.0.0.2:8100", "127.0.0.1", false},
		{"0.0.0.0:8100", "127.0.0.1", true},
		{"[::]:8100", "127.0.0.1", true},
		{"[::1]:8100", "127.0.0.1", false},
		{"127.0.0.1:8100", "0.0.0.0", true},
		{"127.0.0.1:8100", "::", true},
		{"[::1]:8100", "::1", true},
		{"[::1]:8100", "0.0.0.0", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			char address[64];
			char workers[64];
			struct loading l = SETS(address, workers);
			snprintf(address, sizeof address, "%s=%s", keys[k], samples[i].address);
			snprintf(workers, sizeof workers, "workers.address=%s", samples[i].workers);
			load(&l);
			if ((l.result < 0) != samples[i].taken)
				fail_msg("%s %s: %s", address, workers, text_of(&l.errors));
			if (samples[i].taken)
				assert_non_null(strstr(text_of(&l.errors),
					" is a worker's; allowed: a port outside 8100 to 8131 "));
			done(&l);
		}
	}
}

static void test_listeners_of_each_other(void **state)
{
	(void)state;
	expect_errors(SETS("admin.address=127.0.0.1:8080"),
		"default: balancer.listen: \"127.0.0.1:8080\" is taken; allowed: another port or "
		"host "
		"(admin.address: \"127.0.0.1:8080\", --set)\n");
	expect_errors(SETS("balancer.stats=0.0.0.0:8080"),
		"--set: balancer.stats: \"0.0.0.0:8080\" is taken; allowed: another port or host "
		"(balancer.listen: \"127.0.0.1:8080\", default)\n");
	expect_errors(SETS("balancer.stats=[::]:8090"),
		"--set: balancer.stats: \"[::]:8090\" is taken; allowed: another port or host "
		"(admin.address: \"127.0.0.1:8090\", default)\n");
	expect_fine(SETS("admin.address=127.0.0.2:8080", "balancer.stats=[::1]:8080"));
	/* With discovery dns the balancer is on another host than the workers and their admin
	 * process. */
	expect_fine(SETS("balancer.discovery=dns", "workers.address=0.0.0.0",
		"balancer.listen=0.0.0.0:8100", "admin.address=0.0.0.0:8404"));
	expect_errors(SETS("balancer.discovery=dns", "workers.address=0.0.0.0",
			      "balancer.stats=0.0.0.0:8080"),
		"--set: balancer.stats: \"0.0.0.0:8080\" is taken; allowed: another port or host "
		"(balancer.listen: \"127.0.0.1:8080\", default)\n");
	/* Without HAProxy there is no statistics page, and no worker has a port of its own. */
	expect_fine(SETS("balancer.kind=none", "balancer.stats=127.0.0.1:8080",
		"admin.address=127.0.0.1:8100"));
	expect_errors(SETS("balancer.kind=none", "balancer.listen=127.0.0.1:8090"),
		"--set: balancer.listen: \"127.0.0.1:8090\" is taken; allowed: another port or "
		"host "
		"(admin.address: \"127.0.0.1:8090\", default)\n");
}

static void test_watchdog(void **state)
{
	(void)state;
	expect_fine(SETS("workers.watchdog_ms=0"));
	expect_fine(SETS("workers.watchdog_ms=1000"));
	expect_errors(SETS("workers.watchdog_ms=999"),
		"--set: workers.watchdog_ms: 999 is out of range; allowed: at least 1000, or 0 for "
		"none\n");
	expect_errors(SETS("workers.watchdog_ms=1"),
		"--set: workers.watchdog_ms: 1 is out of range; allowed: at least 1000, or 0 for "
		"none\n");
	expect_fine(SETS("workers.watchdog_ms=29999"));
	expect_warnings(SETS("workers.watchdog_ms=30000"),
		"--set: workers.watchdog_ms: 30000 is no shorter than HAProxy waits: requests in a "
		"hung worker are answered 504, and not given to another (balancer.timeout_ms: "
		"30000, default)\n");
	expect_fine(SETS("workers.watchdog_ms=30000", "balancer.kind=none"));
	/* The lab blocks workers, for 10 s at most. */
	expect_fine(SETS("workers.watchdog_ms=10001", "lab.enabled=true"));
	expect_fine(SETS("workers.watchdog_ms=0", "lab.enabled=true"));
	expect_warnings(SETS("workers.watchdog_ms=10000", "lab.enabled=true"),
		"--set: workers.watchdog_ms: 10000 is no longer than a request of the lab may "
		"block "
		"a worker (10000): such a worker is killed (lab.enabled: true, --set)\n");
}

static void test_memory(void **state)
{
	(void)state;
	expect_fine(SETS("workers.max_rss_mb=16"));
	expect_warnings(SETS("workers.max_rss_mb=15"),
		"--set: workers.max_rss_mb: 15 is so little that workers which are well are "
		"replaced again and again; 16 is enough for them\n");
}

static void test_lab(void **state)
{
	(void)state;
	expect_fine(SETS("lab.enabled=true"));
	expect_fine(SETS("lab.enabled=true", "workers.address=::1"));
	expect_errors(SETS("lab.enabled=true", "workers.address=0.0.0.0"),
		"--set: lab.enabled: true is not allowed; allowed: with a loopback address only, "
		"or with lab.force "
		"(workers.address: \"0.0.0.0\", --set)\n");
	expect_errors(SETS("lab.enabled=true", "workers.address=10.0.0.1"),
		"--set: lab.enabled: true is not allowed; allowed: with a loopback address only, "
		"or with lab.force "
		"(workers.address: \"10.0.0.1\", --set)\n");
	expect_fine(SETS("lab.enabled=true", "lab.force=true", "workers.address=0.0.0.0"));
	expect_fine(SETS("lab.enabled=true", "balancer.kind=none", "workers.address=0.0.0.0"));
	expect_errors(
		SETS("lab.enabled=true", "balancer.kind=none", "balancer.listen=0.0.0.0:8080"),
		"--set: lab.enabled: true is not allowed; allowed: with a loopback address only, "
		"or with lab.force "
		"(balancer.listen: \"0.0.0.0:8080\", --set)\n");
	expect_warnings(SETS("lab.enabled=true", "balancer.listen=0.0.0.0:8080"),
		"--set: lab.enabled: true lets everybody who reaches the balancer block a worker "
		"(balancer.listen: \"0.0.0.0:8080\", --set)\n");
}

static void test_balancer(void **state)
{
	(void)state;
	expect_errors(
		SETS("balancer.kind=none", "balancer.discovery=dns", "balancer.certificate=/a.pem"),
		"--set: balancer.discovery: \"dns\" is not allowed without HAProxy; allowed: "
		"\"static\" "
		"(balancer.kind: \"none\", --set)\n"
		"--set: balancer.certificate: \"/a.pem\" is not allowed without HAProxy, which "
		"alone speaks TLS; "
		"allowed: \"\" (balancer.kind: \"none\", --set)\n");
	expect_errors(SETS("balancer.discovery=dns", "balancer.server_name=", "balancer.replicas=9",
			      "workers.max=1000"),
		"--set: balancer.server_name: \"\" is not allowed; allowed: the name to look up "
		"(balancer.discovery: \"dns\", --set)\n"
		"--set: balancer.replicas: 9 is out of range; allowed: at most 8, so that HAProxy "
		"has at most 8192 "
		"servers (workers.max: 1000, --set)\n");
	expect_fine(SETS("balancer.server_name=", "balancer.replicas=256", "workers.max=200"));
	expect_fine(SETS("balancer.policy=central", "balancer.maxconn=2"));
}

static void test_warnings(void **state)
{
	const struct loading environment = {
		.environment = {"QUERN_WORKERS_CUONT=3", "QUERN_SERVICE_HOST=10.0.0.1",
			"QUERN_=", "QUERNS=1", "quern_limits_queue=1", "QUERN_NO_EQUALS_SIGN"},
	};

	(void)state;
	expect_warnings(environment,
		"environment: there is no option for the variable \"QUERN_WORKERS_CUONT\"; did you "
		"mean "
		"QUERN_WORKERS_COUNT?\n"
		"environment: there is no option for the variable \"QUERN_SERVICE_HOST\"\n"
		"environment: there is no option for the variable \"QUERN_\"\n");
	expect_warnings(SETS("http.log_text=true"),
		"--set: http.log_text: true has no effect without an "
		"access log (http.access_log: false, default)\n");
	expect_warnings(SETS("limits.queue_ms=60000"),
		"--set: limits.queue_ms: 60000 is no shorter than HAProxy waits: it gives up "
		"before a worker says "
		"503 (balancer.timeout_ms: 30000, default)\n");
	expect_fine(SETS("limits.queue_ms=60000", "balancer.kind=none"));
	expect_warnings(SETS("balancer.maxconn=2"), "--set: balancer.maxconn: 2 has no effect: it "
						    "is for policy \"central\" (balancer.policy: "
						    "\"roundrobin\", default)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_worker_count),
		cmocka_unit_test(test_print_and_read_back),
		cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_untouched_on_failure),
		cmocka_unit_test(test_wrong_names),
		cmocka_unit_test(test_wrong_numbers),
		cmocka_unit_test(test_wrong_strings),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_syntax_and_others),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_pipe_is_waited_for),
		cmocka_unit_test(test_pipe_beside_a_fleet),
		cmocka_unit_test(test_named_pipe_without_a_writer),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_count_and_ports),
		cmocka_unit_test(test_listeners_of_workers),
		cmocka_unit_test(test_listeners_of_each_other),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_lab),
		cmocka_unit_test(test_balancer),
		cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
