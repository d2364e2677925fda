/* What a process that gets SIGABRT leaves in its log, and that it dies of it in any case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "server/backtrace.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "dont-print-me"

/* Shared with the children: moves on while one of them hangs where it shall. */
static _Atomic uint64_t *turns;

/* Spins for good, with a text of a client on the stack. */
static __attribute__((noinline)) void hang(volatile const char *text)
{
	for (;;)
		atomic_fetch_add(turns, 1u + (text[0] == '\0'));
}

enum child { HANGS, ABORTS, HAS_THREADS };

static __attribute__((noinline)) void child_with_threads(void);

static __attribute__((noinline)) void child_main(enum child kind)
{
	const struct rlimit no_core = {0};
	const char text[] = SECRET;

	(void)setrlimit(RLIMIT_CORE, &no_core);
	log_set_role("worker 3");
	if (backtrace_install() != 0)
		_exit(98);
	if (kind == ABORTS)
		abort();
	if (kind == HAS_THREADS)
		child_with_threads();
	hang(text);
}

/* Spins in another function than hang(), so that one sees who it was. */
static __attribute__((noinline)) void hang_in_thread(void)
{
	for (;;)
		atomic_fetch_add(turns, 3u);
}

static void *thread_main(void *arg)
{
	const bool *works = arg;

	backtrace_add_thread(works[0] ? 5 : 6);
	backtrace_set_at_work(works[0]);
	if (works[0])
		hang_in_thread();
	for (;;)
		(void)pause();
	return NULL;
}

/* Its loop waits, one thread hangs, and another one has nothing to do. */
static __attribute__((noinline)) void child_with_threads(void)
{
	static bool works = true, idles = false;
	pthread_t thread;
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&thread, NULL, thread_main, &idles) != 0 ||
		pthread_create(&thread, NULL, thread_main, &works) != 0)
		_exit(96);
	(void)sigemptyset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (;;)
		(void)pause();
}

/* out: what becomes its stderr. Returns when the child is where it shall be. */
static pid_t start(int out, enum child kind)
{
	const uint64_t before = atomic_load(turns);
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(20);
		if (dup2(out, STDERR_FILENO) < 0)
			_exit(97);
		child_main(kind);
	}
	while (kind != ABORTS && atomic_load(turns) == before)
		(void)usleep(1000);
	return pid;
}

static void expect_aborted(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* All that was written to the file, NUL-terminated. */
static const char *content_of(FILE *file)
{
	static char text[16384];

	rewind(file);
	const size_t n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	return text;
}

static const char *second_line(const char *text)
{
	const char *newline = strchr(text, '\n');

	assert_non_null(newline);
	return newline + 1;
}

/* Every line is a whole line of the log: its time, its level, who speaks. */
static void expect_log_lines(const char *text, uint64_t before_us)
{
	char first[CLOCK_UTC_BYTES], last[CLOCK_UTC_BYTES];

	assert_true(*text != '\0');
	clock_format_utc(first, sizeof(first), before_us, 3);
	clock_format_utc(last, sizeof(last), clock_wall_us(), 3);
	for (; *text; text = second_line(text)) {
		assert_true(strncmp(text, first, strlen(first)) >= 0);
		assert_true(strncmp(text, last, strlen(last)) <= 0);
		assert_memory_equal(text + strlen(first), " error worker 3: ", 17);
	}
}

static void test_killed_from_outside(void **state)
{
	char head[96];
	FILE *file = tmpfile();
	const uint64_t before_us = clock_wall_us();

	(void)state;
	assert_non_null(file);
	const pid_t pid = start(fileno(file), HANGS);
	assert_int_equal(kill(pid, SIGABRT), 0);
	expect_aborted(pid);
	const char *text = content_of(file);
	expect_log_lines(text, before_us);
	(void)snprintf(head, sizeof(head),
		"Z error worker 3: SIGABRT from process %d; it was here, innermost frame first:\n",
		(int)getpid());
	assert_non_null(strstr(text, head));
	/* The first frame is where it was, in this program, not in the handler. */
	assert_non_null(strstr(second_line(text), "worker 3: #0 test_backtrace+0x"));
	assert_non_null(strstr(text, "worker 3: #1 test_backtrace+0x"));
	assert_null(strstr(text, SECRET));
	(void)fclose(file);
}

/* Where function lies in this program's file: the same in a child, and what addr2line(1) takes. */
static uintptr_t offset_of(const void *function)
{
	Dl_info info;

	assert_int_not_equal(dladdr(function, &info), 0);
	return (uintptr_t)function - (uintptr_t)info.dli_fbase;
}

static void expect_frame(const char *text, const char *begin, const void *function)
{
	const char *line = strstr(text, begin);
	const uintptr_t offset = offset_of(function);

	assert_non_null(line);
	assert_in_range(strtoul(line + strlen(begin), NULL, 16), offset, offset + 1024);
}

static void test_frames_are_where_it_hung(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	const pid_t pid = start(fileno(file), HANGS);
	assert_int_equal(kill(pid, SIGABRT), 0);
	expect_aborted(pid);
	const char *text = content_of(file);
	expect_frame(text, "#0 test_backtrace+0x", (const void *)(uintptr_t)hang);
	expect_frame(text, "#1 test_backtrace+0x", (const void *)(uintptr_t)child_main);
	(void)fclose(file);
}

/* The thread that is at work tells where it is as well, and the other one is left alone. */
static void test_thread_that_hangs(void **state)
{
	FILE *file = tmpfile();
	const uint64_t before_us = clock_wall_us();

	(void)state;
	assert_non_null(file);
	const pid_t pid = start(fileno(file), HAS_THREADS);
	assert_int_equal(kill(pid, SIGABRT), 0);
	expect_aborted(pid);
	const char *text = content_of(file);
	expect_log_lines(text, before_us);
	const char *thread = strstr(
		text, "worker 3: its thread 5 was in a job, and here, innermost frame first:\n");
	assert_non_null(thread);
	assert_non_null(strstr(text, "it was here"));
	assert_true(strstr(text, "it was here") < thread);
	assert_null(strstr(text, "its thread 6"));
	expect_frame(thread, "#0 test_backtrace+0x", (const void *)(uintptr_t)hang_in_thread);
	expect_frame(thread, "#1 test_backtrace+0x", (const void *)(uintptr_t)thread_main);
	(void)fclose(file);
}

static void test_abort(void **state)
{
	FILE *file = tmpfile();
	const uint64_t before_us = clock_wall_us();

	(void)state;
	assert_non_null(file);
	expect_aborted(start(fileno(file), ABORTS));
	const char *text = content_of(file);
	expect_log_lines(text, before_us);
	assert_non_null(strstr(text, "SIGABRT from itself; it was here"));
	assert_non_null(strstr(text, "#0 libc.so.6+0x"));
	assert_non_null(strstr(text, " test_backtrace+0x"));
	(void)fclose(file);
}

/* A pipe that is full, and one that nobody reads: the signal kills all the same, and at once. */
static void test_log_that_takes_nothing(void **state)
{
	int full[2];
	char page[4096] = {0};

	(void)state;
	assert_int_equal(pipe(full), 0);
	assert_int_equal(fcntl(full[1], F_SETFL, O_NONBLOCK), 0);
	while (write(full[1], page, sizeof(page)) > 0)
		continue;
	assert_int_equal(fcntl(full[1], F_SETFL, 0), 0);
	expect_aborted(start(full[1], ABORTS));
	(void)close(full[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	expect_aborted(start(full[1], ABORTS));
	(void)signal(SIGPIPE, SIG_DFL);
	(void)close(full[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_from_outside),
		cmocka_unit_test(test_frames_are_where_it_hung),
		cmocka_unit_test(test_thread_that_hangs),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_log_that_takes_nothing),
	};

	turns = mmap(
		NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turns == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
