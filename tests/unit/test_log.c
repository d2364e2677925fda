#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A test may take its time, but must not wait for a reader: a write that does is ended by this signal. */
#define PATIENCE_S 20

static char directory[] = "/tmp/quern-test-log-XXXXXX";
static char path[64], moved[64];
static int real_stderr;

static int begin(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	if (real_stderr < 0 || !mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof path, "%s/log", directory);
	(void)snprintf(moved, sizeof moved, "%s/log.1", directory);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int each_begin(void **state)
{
	(void)state;
	(void)alarm(PATIENCE_S);
	return 0;
}

static int each_end(void **state)
{
	(void)state;
	(void)alarm(0);
	(void)dup2(real_stderr, STDERR_FILENO);
	(void)unlink(path);
	(void)unlink(moved);
	return log_open(LOG_LEVEL_INFO, "stderr");
}

/* Makes fd the standard error, and the log's destination. */
static void log_to(int fd)
{
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(fd), 0);
	assert_int_equal(log_open(LOG_LEVEL_INFO, "stderr"), 0);
	log_set_role("test");
}

/* All that can be read from fd without waiting; the caller frees it. */
static char *drain(int fd)
{
	size_t len = 0, cap = (size_t)1 << 22;
	char *text = malloc(cap);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_non_null(text);
	while (poll(&p, 1, 0) > 0) {
		assert_true(len + 1 < cap);
		const ssize_t n = read(fd, text + len, cap - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

/* Lines that contain a text. */
static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

/* Writes lines until one is lost, and returns how many went out. */
static unsigned fill(void)
{
	const uint64_t lost = log_lost();
	unsigned n = 0;

	for (;; n++) {
		log_info("filler");
		if (log_lost() > lost)
			return n;
	}
}

static void assert_blocking(int fd)
{
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

static void check_fills_and_recovers(int reader)
{
	const unsigned written = fill();
	assert_true(written > 0);
	const uint64_t lost = log_lost();
	for (int i = 0; i < 6; i++)
		log_info("nobody reads this");
	assert_int_equal(log_lost(), lost + 6);
	assert_blocking(STDERR_FILENO);

	char *text = drain(reader);
	assert_int_equal(count(text, "filler\n"), written);
	assert_null(strstr(text, "nobody"));
	free(text);
	log_info("read again");
	text = drain(reader);
	assert_non_null(strstr(
		text, "warn test: 7 lines of the log were lost: its reader does not keep up\n"));
	assert_non_null(strstr(text, "info test: read again\n"));
	free(text);
	log_info("and on");
	text = drain(reader);
	assert_int_equal(count(text, "\n"), 1);
	free(text);
	assert_int_equal(log_lost(), lost + 6);
}

static void test_pipe_that_nobody_reads(void **state)
{
	int end_of[2];

	(void)state;
	assert_int_equal(pipe(end_of), 0);
	log_to(end_of[1]);
	check_fills_and_recovers(end_of[0]);
	assert_int_equal(close(end_of[0]), 0);
}

static void test_stream_socket_that_nobody_reads(void **state)
{
	int end_of[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, end_of), 0);
	log_to(end_of[1]);
	check_fills_and_recovers(end_of[0]);
	assert_int_equal(close(end_of[0]), 0);
}

static void test_terminal_that_nobody_reads(void **state)
{
	(void)state;
	const int front = posix_openpt(O_RDWR | O_NOCTTY);
	if (front < 0 || grantpt(front) != 0 || unlockpt(front) != 0)
		skip();
	const int back = open(ptsname(front), O_RDWR | O_NOCTTY);
	assert_true(back >= 0);
	log_to(back);
	assert_true(fill() > 0);
	assert_blocking(STDERR_FILENO);
	free(drain(front));
	log_info("read again");
	char *text = drain(front);
	assert_non_null(strstr(text, "\n")); /* the fragment is ended */
	assert_non_null(strstr(text, "1 line of the log was lost: "));
	assert_non_null(strstr(text, "info test: read again\r\n"));
	free(text);
	assert_int_equal(close(front), 0);
}

/* Opening a pipe without a reader fails, so that this is also the way that polls. */
static void test_reader_gone(void **state)
{
	int end_of[2];

	(void)state;
	for (int gone_first = 0; gone_first < 2; gone_first++) {
		assert_int_equal(pipe(end_of), 0);
		if (gone_first)
			assert_int_equal(close(end_of[0]), 0);
		log_to(end_of[1]);
		if (!gone_first)
			assert_int_equal(close(end_of[0]), 0);
		const uint64_t lost = log_lost();
		log_info("to nobody");
		assert_int_equal(log_lost(), lost + 1);
	}
}

/* SIGPIPE is not ignored by everybody who writes to a socket. */
static void test_socket_reader_gone(void **state)
{
	int end_of[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, end_of), 0);
	log_to(end_of[1]);
	assert_int_equal(close(end_of[0]), 0);
	const uint64_t lost = log_lost();
	log_info("to nobody");
	assert_int_equal(log_lost(), lost + 1);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* A pipe whose description cannot be opened anew: its permissions are somebody else's (a container's engine). */
static void test_pipe_that_cannot_be_opened_is_polled(void **state)
{
	int end_of[2], status = 0;

	(void)state;
	if (getuid() != 0)
		skip();
	assert_int_equal(pipe(end_of), 0);
	const pid_t child = fork();
	if (child == 0) {
		(void)alarm(PATIENCE_S);
		if (setuid(65534) != 0 || dup2(end_of[1], STDERR_FILENO) < 0 ||
			access("/proc/self/fd/2", W_OK) == 0 ||
			log_open(LOG_LEVEL_INFO, "stderr") != 0)
			_exit(2);
		const unsigned written = fill();
		free(drain(end_of[0]));
		const uint64_t lost = log_lost();
		log_info("read again");
		_exit(written > 0 && log_lost() == lost ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(close(end_of[0]), 0);
	assert_int_equal(close(end_of[1]), 0);
}

/* Longer than a pipe takes at once, so that a part of it fits: the next line does not stick to it. */
static void check_long_line(int reader)
{
	char line[20000];
	const uint64_t lost = log_lost();

	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\n';
	while (log_lost() == lost)
		log_raw(line, sizeof line);
	char *text = drain(reader);
	const size_t len = strlen(text);
	assert_true(len > 0 && text[len - 1] == 'x');
	free(text);
	log_info("whole");
	text = drain(reader);
	assert_int_equal(text[0], '\n');
	assert_non_null(
		strstr(text, "1 line of the log was lost: there was room for a part of it only\n"));
	assert_non_null(strstr(text, "\n2")); /* the year's first digit: each line begins its own */
	assert_non_null(strstr(text, "info test: whole\n"));
	assert_int_equal(count(text, "\n"), 3);
	free(text);
	assert_int_equal(log_lost(), lost + 1);
}

static void test_part_of_a_line_in_a_pipe(void **state)
{
	int end_of[2];

	(void)state;
	assert_int_equal(pipe(end_of), 0);
	log_to(end_of[1]);
	check_long_line(end_of[0]);
	assert_int_equal(close(end_of[0]), 0);
}

static void test_part_of_a_line_in_a_file(void **state)
{
	struct rlimit before, small = {0};
	char text[8192];

	(void)state;
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	log_set_role("test");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	const unsigned written = fill();
	const uint64_t lost = log_lost();
	log_info("no room at all");
	assert_int_equal(log_lost(), lost + 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	log_info("room again");

	const int fd = open(path, O_RDONLY);
	const ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 1000);
	text[n] = '\0';
	assert_int_equal(close(fd), 0);
	assert_int_equal(count(text, "filler\n"), written);
	assert_int_equal(text[1000], '\n'); /* behind the fragment */
	assert_non_null(strstr(text, "2 lines of the log were lost: File too large\n"));
	assert_int_equal(strcmp(text + n - 11, "room again\n"), 0);
}

static void test_full_device(void **state)
{
	(void)state;
	assert_int_equal(log_open(LOG_LEVEL_INFO, "/dev/full"), 0);
	const uint64_t lost = log_lost();
	log_info("no room");
	log_raw("{}\n", 3);
	assert_int_equal(log_lost(), lost + 2);
}

static size_t size_of(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0 ? (size_t)status.st_size : 0;
}

static void test_reopen(void **state)
{
	(void)state;
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	log_info("before");
	assert_int_equal(rename(path, moved), 0);
	log_info("meanwhile");
	const size_t old = size_of(moved);
	assert_int_equal(log_reopen(), 0);
	log_info("after");
	assert_int_equal(size_of(moved), old);
	assert_true(size_of(path) > 0 && size_of(path) < old);
}

static void test_reopen_that_fails_keeps_the_old_one(void **state)
{
	(void)state;
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(log_reopen(), -EISDIR);
	const uint64_t lost = log_lost();
	log_info("still there");
	assert_int_equal(log_lost(), lost);
	assert_true(size_of(moved) > 0);
	assert_int_equal(rmdir(path), 0);
}

static void test_reopen_of_stderr_does_nothing(void **state)
{
	int end_of[2];

	(void)state;
	assert_int_equal(pipe(end_of), 0);
	log_to(end_of[1]);
	assert_int_equal(log_reopen(), 0);
	log_info("here");
	char *text = drain(end_of[0]);
	assert_int_equal(count(text, "here\n"), 1);
	free(text);
	assert_int_equal(close(end_of[0]), 0);
}

static void test_open_that_fails_changes_nothing(void **state)
{
	char long_path[5000];

	(void)state;
	memset(long_path, 'a', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	assert_int_equal(log_open(LOG_LEVEL_DEBUG, directory), -EISDIR);
	assert_int_equal(log_open(LOG_LEVEL_DEBUG, long_path), -ENAMETOOLONG);
	log_debug("not of this level");
	assert_int_equal(size_of(path), 0);
	log_info("still there");
	assert_true(size_of(path) > 0);
}

/* Opening it for writing would wait for a reader, and so would whoever waits for the program to start. */
static void test_fifo_without_reader_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), -ENXIO);
	const int reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	log_set_role("test");
	check_fills_and_recovers(reader);
	assert_int_equal(close(reader), 0);
}

static void test_level(void **state)
{
	(void)state;
	assert_int_equal(log_open(LOG_LEVEL_WARN, path), 0);
	log_info("no");
	assert_int_equal(size_of(path), 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	const size_t size = size_of(path);
	assert_true(size > 0);
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("no");
	assert_int_equal(size_of(path), size);
	log_raw("{}\n", 3);
	assert_int_equal(size_of(path), size + 3);
}

/* Only who has lost lines tells of them; but the figure goes on. */
static void test_child_does_not_tell_its_parents_losses(void **state)
{
	int end_of[2], status = 0;

	(void)state;
	assert_int_equal(pipe(end_of), 0);
	log_to(end_of[1]);
	(void)fill();
	free(drain(end_of[0]));
	const uint64_t lost = log_lost();
	const pid_t child = fork();
	if (child == 0) {
		log_set_role("child");
		log_info("born");
		_exit(log_lost() == lost ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	char *text = drain(end_of[0]);
	assert_non_null(strstr(text, "info child: born\n"));
	assert_null(strstr(text, "lost"));
	free(text);
	log_info("parent");
	text = drain(end_of[0]);
	assert_non_null(strstr(text, "test: 1 line of the log was lost"));
	free(text);
	assert_int_equal(close(end_of[0]), 0);
}

/* A reader that is only a bit too slow does not get as many lines about losses as it misses. */
static void test_one_notice_a_second(void **state)
{
	int end_of[2];
	unsigned notices = 0;

	(void)state;
	assert_int_equal(pipe(end_of), 0);
	log_to(end_of[1]);
	for (int i = 0; i < 5; i++) {
		(void)fill();
		char *text = drain(end_of[0]);
		notices += count(text, "of the log w");
		free(text);
	}
	assert_true(notices >= 1 && notices <= 3); /* of four times; filling takes milliseconds */
	assert_int_equal(close(end_of[0]), 0);
}

static void test_long_line_is_cut(void **state)
{
	char text[2000];

	(void)state;
	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = '\0';
	assert_int_equal(log_open(LOG_LEVEL_INFO, path), 0);
	log_info("%s", text);
	assert_true(size_of(path) <= 1024);
	const int fd = open(path, O_RDONLY);
	const ssize_t n = read(fd, text, sizeof text);
	assert_true(n > 1000 && text[n - 1] == '\n' && text[n - 2] == 'y');
	assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, each_begin, each_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pipe_that_nobody_reads),
		TEST(test_stream_socket_that_nobody_reads),
		TEST(test_terminal_that_nobody_reads),
		TEST(test_reader_gone),
		TEST(test_socket_reader_gone),
		TEST(test_pipe_that_cannot_be_opened_is_polled),
		TEST(test_part_of_a_line_in_a_pipe),
		TEST(test_part_of_a_line_in_a_file),
		TEST(test_full_device),
		TEST(test_reopen),
		TEST(test_reopen_that_fails_keeps_the_old_one),
		TEST(test_reopen_of_stderr_does_nothing),
		TEST(test_open_that_fails_changes_nothing),
		TEST(test_fifo_without_reader_is_refused),
		TEST(test_level),
		TEST(test_child_does_not_tell_its_parents_losses),
		TEST(test_one_notice_a_second),
		TEST(test_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
