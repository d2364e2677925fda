/*
 * server/ctl/fetch against a server that answers with given bytes, and server/ctl/handle against
 * real processes.
 */
#include "server/ctl/fetch.h"

#include "lib/address.h"
#include "lib/clock.h"
#include "server/ctl/handle.h"
#include "server/stats/process.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char address[ADDRESS_TEXT_BYTES];
static char why[FETCH_WHY_BYTES];
static struct buffer body;

static int listen_somewhere(void)
{
	struct address a = {.len = 0};
	socklen_t len = sizeof(a.storage);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(address_parse(&a, "127.0.0.1:0", true), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a.storage, a.len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a.storage, &len), 0);
	a.len = len;
	(void)address_format(&a, address, sizeof(address));
	return fd;
}

/*
 * One connection: reads the request's head, answers the bytes; with `hold` it then waits for the
 * client to go.
 */
static void serve(int listener, const char *answer, size_t len, int hold)
{
	char head[1024] = "";
	size_t got = 0;
	int fd = accept(listener, NULL, NULL);

	while (got < sizeof(head) && !memmem(head, got, "\r\n\r\n", 4)) {
		ssize_t n = read(fd, head + got, sizeof(head) - got);

		if (n <= 0)
			_exit(1);
		got += (size_t)n;
	}
	if (memcmp(head, "GET /status.json HTTP/1.1\r\nHost: 127.0.0.1:", 43) != 0)
		_exit(2);
	while (len > 0) {
		ssize_t n = send(fd, answer, len, MSG_NOSIGNAL);

		if (n <= 0)
			break; /* the client has had enough */
		answer += n;
		len -= (size_t)n;
	}
	while (hold && read(fd, head, sizeof(head)) > 0)
		;
	_exit(0);
}

static int fetch_bytes(const char *answer, size_t len, int hold, int timeout_ms)
{
	int listener = listen_somewhere(), status, r;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		serve(listener, answer, len, hold);
	buffer_reset(&body);
	why[0] = '\0';
	r = fetch_get(address, "/status.json", timeout_ms, &body, why);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(listener);
	return r;
}

static int fetch(const char *answer)
{
	return fetch_bytes(answer, strlen(answer), 0, 10000);
}

static void is_body(const char *expected)
{
	assert_int_equal(body.len, strlen(expected));
	assert_memory_equal(body.data, expected, body.len);
}

static void answers_with_a_length(void **state)
{
	const char *answer =
		"HTTP/1.1 200 OK\r\nContent-Type: x\r\ncontent-LENGTH:  5 \r\n\r\nhello";

	(void)state;
	assert_int_equal(fetch(answer), 0);
	is_body("hello");
	/* It does not wait for the end of the connection. */
	assert_int_equal(fetch_bytes(answer, strlen(answer), 1, 10000), 0);
	is_body("hello");
}

static void answers_up_to_the_end(void **state)
{
	(void)state;
	assert_int_equal(fetch("HTTP/1.0 200 OK\r\n\r\nhello"), 0);
	is_body("hello");
	assert_int_equal(fetch("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
	is_body("");
}

static void a_large_answer(void **state)
{
	size_t len = 1 << 20, at;
	char *answer = malloc(len + 100);

	(void)state;
	assert_non_null(answer);
	at = (size_t)snprintf(answer, 100, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
	for (size_t i = 0; i < len; i++)
		answer[at + i] = (char)i;
	assert_int_equal(fetch_bytes(answer, at + len, 0, 30000), 0);
	assert_int_equal(body.len, len);
	assert_memory_equal(body.data, answer + at, len);
	free(answer);
}

static void answers_that_are_not_ours(void **state)
{
	static const char *const answers[] = {
		"",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nhell",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (fetch(answers[i]) != -EPROTO)
			fail_msg("accepted: %s", answers[i]);
		assert_non_null(strstr(why, "is not quernd's admin process"));
		assert_non_null(strstr(why, address));
		assert_int_equal(body.len, 0);
	}
	assert_int_equal(fetch("HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx"), -EPROTO);
	assert_non_null(strstr(why, "status 404"));
}

static void an_answer_without_end_is_given_up(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n", field[] = "HTTP/1.1 200 OK\r\nX:";
	size_t len = FETCH_BODY_BYTES + (1u << 20);
	char *answer = malloc(len);

	(void)state;
	assert_non_null(answer);
	memset(answer, 'x', len);
	memcpy(answer, head, sizeof(head) - 1);
	assert_int_equal(fetch_bytes(answer, len, 0, 60000), -EPROTO);
	memcpy(answer, field, sizeof(field) - 1);
	assert_int_equal(fetch_bytes(answer, len, 0, 60000), -EPROTO);
	free(answer);
}

static void silence_ends_at_the_deadline(void **state)
{
	const char *half = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell";
	uint64_t begun_us = clock_us();

	(void)state;
	assert_int_equal(fetch_bytes(half, strlen(half), 1, 100), -ETIMEDOUT);
	assert_true(clock_us() - begun_us >= 100000);
	assert_non_null(strstr(why, "did not answer within 0.1 s"));
	assert_int_equal(fetch_bytes("", 0, 1, 100), -ETIMEDOUT);
}

static void nobody_listens(void **state)
{
	int listener = listen_somewhere();

	(void)state;
	(void)close(listener);
	assert_int_equal(fetch_get(address, "/", 1000, &body, why), -ECONNREFUSED);
	assert_non_null(strstr(why, "cannot connect to 127.0.0.1:"));
	assert_non_null(strstr(why, "is quernd running?"));
}

static void addresses_are_numeric(void **state)
{
	(void)state;
	assert_int_equal(fetch_get("localhost:80", "/", 1000, &body, why), -EINVAL);
	assert_int_equal(fetch_get("127.0.0.1", "/", 1000, &body, why), -EINVAL);
	assert_int_equal(fetch_get("127.0.0.1:0", "/", 1000, &body, why), -EINVAL);
	assert_non_null(strstr(why, "127.0.0.1:0: not an address"));
}

/* --- handle ---------------------------------------------------------------------------------- */

static void a_handle_is_for_one_process(void **state)
{
	struct pollfd p = {.events = POLLIN};
	uint64_t ticks;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(process_start_ticks(pid, &ticks), 0);
	assert_int_equal(handle_open(pid, ticks + 1), -ESTALE);
	p.fd = handle_open(pid, ticks);
	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	(void)kill(pid, SIGKILL);
	assert_int_equal(poll(&p, 1, 10000), 1);
	(void)close(p.fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(handle_open(pid, ticks), -ESRCH);
}

static void who_ignores_a_signal_is_known(void **state)
{
	void (*before)(int) = signal(SIGHUP, SIG_DFL);

	(void)state;
	assert_false(handle_ignores(getpid(), SIGHUP));
	(void)signal(SIGHUP, SIG_IGN);
	assert_true(handle_ignores(getpid(), SIGHUP));
	assert_false(handle_ignores(getpid(), SIGUSR2));
	(void)signal(SIGHUP, before);
}

static int start(void **state)
{
	(void)state;
	buffer_init(&body);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buffer_done(&body);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_with_a_length),
		cmocka_unit_test(answers_up_to_the_end),
		cmocka_unit_test(a_large_answer),
		cmocka_unit_test(answers_that_are_not_ours),
		cmocka_unit_test(an_answer_without_end_is_given_up),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(addresses_are_numeric),
		cmocka_unit_test(a_handle_is_for_one_process),
		cmocka_unit_test(who_ignores_a_signal_is_known),
	};

	return cmocka_run_group_tests_name("ctl_fetch", tests, start, end);
}
