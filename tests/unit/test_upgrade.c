/* Starting another master's program and talking with it: real processes on the other side, this program in other roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "server/guardian.h"
#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define NUMBER 7
#define BEGUN_US UINT64_C(123456789012)
#define NOW_US UINT64_C(5000000)

static char self[PATH_MAX]; /* this program */

/* --- the old master's side of a test */

static const struct sockets no_sockets = {.shared = -1, .admin = -1};

static int start_program(struct upgrade *u, const char *program, char *role, char *more, char *why)
{
	char name[] = "test_upgrade";
	char *argv[] = {name, role, more, NULL};

	return upgrade_start(u, program, argv, &no_sockets, NUMBER, BEGUN_US, NOW_US, why);
}

static void start(struct upgrade *u, const char *role, const char *more)
{
	char why[UPGRADE_TEXT_BYTES], a[32], b[64];

	(void)snprintf(a, sizeof(a), "%s", role);
	(void)snprintf(b, sizeof(b), "%s", more);
	assert_int_equal(start_program(u, self, a, b, why), 0);
	assert_true(u->pid > 0);
	assert_true(u->fd >= 0);
	assert_int_equal(u->deadline_us, NOW_US + UPGRADE_TIMEOUT_US);
}

/* The next message; the master polls in the same way. */
static enum upgrade_event next(struct upgrade *u, uint32_t *done, uint32_t *total, char *why)
{
	struct pollfd p = {.fd = u->fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	return upgrade_read(u, done, total, why);
}

static int reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_code(pid_t pid, int code)
{
	const int status = reap(pid);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static void assert_nobody_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- the new master's side: roles of this program */

/* As a real one does it. */
static int be_good(void)
{
	struct heir h;

	if (heir_init(&h) != 0 || h.fd < 0 || h.number != NUMBER || h.begun_us != BEGUN_US ||
		h.parent != getppid())
		return 10;
	if (getenv(UPGRADE_VARIABLE) || getenv(SOCKETS_VARIABLE) || !getenv(GUARDIAN_VARIABLE) ||
		(fcntl(h.fd, F_GETFD) & FD_CLOEXEC) == 0)
		return 11;
	heir_progress(&h, 1, 2);
	heir_progress(&h, 2, 2);
	const int error = heir_take_over(&h, (uint64_t)PATIENCE_MS * 1000u);
	heir_done(&h);
	heir_progress(&h, 0, 0);
	heir_failed(&h, "nobody hears this");
	return error ? 12 : 0;
}

static int be_failing(const char *why)
{
	struct heir h;

	if (heir_init(&h) != 0)
		return 10;
	heir_failed(&h, why);
	return 3;
}

/* Closes its end, and does not end: nobody waits long for what it came to. */
static int be_closing(void)
{
	struct heir h;

	if (heir_init(&h) != 0)
		return 10;
	heir_done(&h);
	return pause();
}

/* Until the old one closes its end. */
static int be_silent(void)
{
	struct heir h;
	char c;

	if (heir_init(&h) != 0)
		return 10;
	return recv(h.fd, &c, 1, 0) == 0 ? 0 : 11;
}

/* Says what is in `text` as it is, with "@" for a NUL, "*" in front for 1000 bytes. */
static int be_babbling(const char *text)
{
	char message[1000];
	struct heir h;
	size_t len = strlen(text);

	if (heir_init(&h) != 0)
		return 10;
	memset(message, 'x', sizeof(message));
	memcpy(message, text, len);
	for (size_t i = 0; i < len; i++)
		if (message[i] == '@')
			message[i] = '\0';
	if (send(h.fd, message, text[0] == '*' ? sizeof(message) : len, 0) < 0)
		return 11;
	return 0;
}

/* So many messages that nobody has read, and then the end. */
static int be_flooding(void)
{
	struct heir h;

	if (heir_init(&h) != 0)
		return 10;
	for (uint32_t i = 0; i < 100000; i++)
		heir_progress(&h, i, 100000);
	heir_failed(&h, "too late");
	return 0;
}

static char disposition(int number)
{
	struct sigaction action;

	(void)sigaction(number, NULL, &action);
	if (action.sa_handler == SIG_IGN)
		return 'i';
	return action.sa_handler == SIG_DFL ? 'd' : 'h';
}

/* Signals blocked, dispositions, descriptors beyond the standard ones and its own, and whether its parent is its guardian. */
static int tell_state(void)
{
	char text[64] = "";
	size_t descriptors = count_descriptors() - 3 - 1; /* standard, ours */
	sigset_t mask;
	struct heir h;
	int blocked = 0;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < SIGRTMAX; i++)
		blocked += sigismember(&mask, i) == 1;
	(void)snprintf(text, sizeof(text), "%d %c%c%c %zu %d", blocked, disposition(SIGPIPE),
		disposition(SIGHUP), disposition(SIGTERM), descriptors,
		guardian_of_us() == getppid());
	if (heir_init(&h) != 0)
		return 10;
	heir_failed(&h, text);
	return 0;
}

static int tell_program(void)
{
	char path[PATH_MAX];
	struct heir h;

	if (heir_init(&h) != 0 || upgrade_program(path, sizeof(path)) != 0)
		return 10;
	heir_failed(&h, path);
	return 0;
}

static int play(const char *role, const char *more)
{
	if (strcmp(role, "good") == 0)
		return be_good();
	if (strcmp(role, "failing") == 0)
		return be_failing(more);
	if (strcmp(role, "closing") == 0)
		return be_closing();
	if (strcmp(role, "crashing") == 0)
		return raise(SIGKILL);
	if (strcmp(role, "silent") == 0)
		return be_silent();
	if (strcmp(role, "babbling") == 0)
		return be_babbling(more);
	if (strcmp(role, "flooding") == 0)
		return be_flooding();
	if (strcmp(role, "state") == 0)
		return tell_state();
	if (strcmp(role, "program") == 0)
		return tell_program();
	return atoi(role);
}

/* --- tests: a new master */

static void test_one_that_comes_up(void **state)
{
	char why[UPGRADE_TEXT_BYTES];
	struct upgrade u;
	uint32_t done = 0, total = 0;

	(void)state;
	start(&u, "good", "");
	const pid_t pid = u.pid;
	assert_int_equal(next(&u, &done, &total, why), UPGRADE_PROGRESS);
	assert_int_equal(done, 1);
	assert_int_equal(total, 2);
	assert_int_equal(next(&u, &done, &total, why), UPGRADE_PROGRESS);
	assert_int_equal(done, 2);
	assert_int_equal(next(&u, &done, &total, why), UPGRADE_READY);
	assert_int_equal(upgrade_read(&u, &done, &total, why), UPGRADE_NOTHING);
	assert_int_equal(upgrade_yield(&u), 0);
	assert_code(pid, 0);
	u.pid = 0;
	upgrade_end(&u, true);
	assert_int_equal(u.fd, -1);
	assert_int_equal(upgrade_read(&u, &done, &total, why), UPGRADE_NOTHING);
	assert_int_equal(upgrade_yield(&u), -ENOTCONN);
}

/* Ends the upgrade after it has failed, and returns the reason; static. */
static const char *failure(struct upgrade *u)
{
	static char why[UPGRADE_TEXT_BYTES];
	uint32_t done, total;
	enum upgrade_event event;

	do
		event = next(u, &done, &total, why);
	while (event == UPGRADE_PROGRESS);
	assert_int_equal(event, UPGRADE_FAILED);
	return why;
}

static void test_one_that_fails(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "failing", "no such configuration");
	assert_string_equal(failure(&u), "no such configuration");
	/* Its end is told as well, once its text was read. */
	assert_string_equal(failure(&u),
		"the new program ended before it was ready (exited with code 3); see the log");
	assert_code(u.pid, 3);
	u.pid = 0;
	upgrade_end(&u, false);
	/* A text of several lines is one. */
	start(&u, "failing", "first\nsecond\033[31m");
	assert_string_equal(failure(&u), "first second [31m");
	assert_code(u.pid, 3);
	u.pid = 0;
	upgrade_end(&u, false);
}

static void test_one_that_ends_at_once(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "9", "");
	assert_string_equal(failure(&u),
		"the new program ended before it was ready (exited with code 9); see the log");
	assert_code(u.pid, 9);
	/* Reaped by now, so nobody knows more. */
	assert_string_equal(failure(&u), "the new program ended before it was ready");
	assert_int_equal(upgrade_yield(&u), -EPIPE);
	u.pid = 0;
	upgrade_end(&u, true);
}

static void test_one_that_crashes(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "crashing", "");
	assert_non_null(strstr(failure(&u), "before it was ready (killed by signal 9 (SIGKILL)"));
	const pid_t pid = u.pid;
	upgrade_end(&u, true);
	(void)reap(pid);
}

static void test_one_that_closes_its_end(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "closing", "");
	assert_string_equal(failure(&u), "the new program ended before it was ready");
	const pid_t pid = u.pid;
	upgrade_end(&u, true);
	const int status = reap(pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_one_that_says_nothing(void **state)
{
	char why[UPGRADE_TEXT_BYTES];
	uint32_t done, total;
	struct upgrade u;

	(void)state;
	start(&u, "silent", "");
	assert_int_equal(upgrade_read(&u, &done, &total, why), UPGRADE_NOTHING);
	/* Left alone, it sees our end close. */
	pid_t pid = u.pid;
	upgrade_end(&u, false);
	assert_code(pid, 0);

	start(&u, "silent", "");
	pid = u.pid;
	upgrade_end(&u, true);
	assert_int_equal(u.pid, 0);
	const int status = reap(pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_one_that_babbles(void **state)
{
	static const char *const texts[] = {"x", "read", "readyy", "ready@", "progress",
		"progress ", "progress 1", "progress 1 ", "progress 1 2 3", "progress 2 1",
		"progress -1 2", "progress 1 4294967296", "progress 1 18446744073709551617",
		"progress 1@ 2", "progress  1 2", "failed ", "failed", "failed x@y", "@", "yours"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct upgrade u;

		start(&u, "babbling", texts[i]);
		const char *why = failure(&u);
		if (strcmp(why, "the new program said something that is no message of ours") != 0)
			fail_msg("\"%s\": %s", texts[i], why);
		const pid_t pid = u.pid;
		upgrade_end(&u, true);
		(void)reap(pid);
	}
}

static void test_one_that_says_too_much(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "babbling", "*failed ");
	assert_string_equal(failure(&u), "the new program said more than a message of ours can be");
	assert_code(u.pid, 0);
	u.pid = 0;
	upgrade_end(&u, false);
}

/* It does not wait for us, nor we for it; what was lost are figures and the reason. */
static void test_one_that_floods(void **state)
{
	struct upgrade u;

	(void)state;
	start(&u, "flooding", "");
	assert_code(u.pid, 0);
	assert_string_equal(failure(&u), "the new program ended before it was ready");
	u.pid = 0;
	upgrade_end(&u, false);
}

/* --- tests: no new master */

static void refuse(const char *program, const char *said, int error)
{
	char why[UPGRADE_TEXT_BYTES] = "", role[] = "good";
	struct upgrade u;

	assert_int_equal(start_program(&u, program, role, NULL, why), error);
	if (!strstr(why, said) || !strstr(why, program))
		fail_msg("no \"%s\" in \"%s\"", said, why);
	assert_int_equal(u.fd, -1);
	assert_int_equal(u.pid, 0);
	assert_nobody_left();
}

static void write_program(const char *path, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs("neither machine code nor a script\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_programs_that_cannot_be_run(void **state)
{
	char directory[] = "/tmp/test_upgrade.XXXXXX", path[64];
	const size_t before = count_descriptors();

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/quernd", directory);
	refuse(path, "No such file or directory", -ENOENT);
	refuse(directory, "Permission denied", -EACCES);
	write_program(path, 0644);
	refuse(path, "Permission denied", -EACCES);
	write_program(path, 0755);
	refuse(path, "Exec format error", -ENOEXEC);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(count_descriptors(), before);
}

/* The socket is not one: the child finds out, and it is as if nothing had been. */
static void test_sockets_that_cannot_be_handed_on(void **state)
{
	char why[UPGRADE_TEXT_BYTES], name[] = "test_upgrade", role[] = "good";
	char *argv[] = {name, role, NULL};
	const struct sockets broken = {.shared = -1, .admin = 987654};
	struct upgrade u;

	(void)state;
	assert_int_equal(
		upgrade_start(&u, self, argv, &broken, NUMBER, BEGUN_US, NOW_US, why), -EBADF);
	assert_non_null(strstr(why, "Bad file descriptor"));
	assert_nobody_left();
}

/* --- tests: what it gets */

static void test_it_starts_clean(void **state)
{
	sigset_t blocked, before;
	struct upgrade u;
	const int leaky = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int inherited = open("/dev/null", O_RDONLY);
	char expected[32];

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	/* Whoever started the test may have left more of them open. */
	assert_true(inherited > leaky);
	(void)close(leaky);
	const size_t others = count_descriptors() - 3;
	start(&u, "state", "");
	(void)snprintf(expected, sizeof(expected), "0 did %zu 1", others);
	const int mine = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_string_equal(failure(&u), expected);
	assert_code(u.pid, 0);
	u.pid = 0;
	upgrade_end(&u, false);
	(void)close(mine);
	(void)close(inherited);
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	/* Our own environment has not changed. */
	assert_null(getenv(UPGRADE_VARIABLE));
	assert_null(getenv(GUARDIAN_VARIABLE));
}

/* A guardian that there is stays the one. */
static void test_the_first_guardian_stays(void **state)
{
	struct upgrade u;

	(void)state;
	assert_int_equal(setenv(GUARDIAN_VARIABLE, "1", 1), 0);
	assert_int_equal(guardian_of_us(), 1);
	start(&u, "state", "");
	const char *text = failure(&u);
	assert_int_equal(text[strlen(text) - 1], '0');
	(void)reap(u.pid);
	u.pid = 0;
	upgrade_end(&u, false);
	/* But whoever is nobody's successor has none. */
	struct heir h;
	assert_int_equal(heir_init(&h), 0);
	assert_int_equal(h.fd, -1);
	assert_int_equal(guardian_of_us(), 0);
}

/* A path with a symbolic link names what will be there, not what was. */
static void test_the_program_keeps_its_links(void **state)
{
	char directory[] = "/tmp/test_upgrade.XXXXXX", link[64], why[UPGRADE_TEXT_BYTES];
	char role[] = "program", path[PATH_MAX], tiny[4];
	struct upgrade u;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(link, sizeof(link), "%s/quernd", directory);
	assert_int_equal(symlink(self, link), 0);
	assert_int_equal(start_program(&u, link, role, NULL, why), 0);
	assert_string_equal(failure(&u), link);
	assert_code(u.pid, 0);
	u.pid = 0;
	upgrade_end(&u, false);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(directory), 0);

	assert_int_equal(upgrade_program(path, sizeof(path)), 0);
	assert_int_equal(path[0], '/');
	assert_int_equal(upgrade_program(tiny, sizeof(tiny)), -ENAMETOOLONG);
}

/* --- tests: the new side, by itself */

static void test_variables_that_are_not_ours(void **state)
{
	static const char *const texts[] = {"", "x", "5", "5 1", "5 1 ", "5 1 2 3", "-5 1 2",
		"5  1 2", "0 1 2", "987654 1 2", "5 1 99999999999999999999"};
	struct heir h;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(setenv(UPGRADE_VARIABLE, texts[i], 1), 0);
		assert_int_equal(setenv(SOCKETS_VARIABLE, "admin=5", 1), 0);
		assert_int_equal(heir_init(&h), -EINVAL);
		assert_int_equal(h.fd, -1);
		assert_null(getenv(UPGRADE_VARIABLE));
		assert_null(getenv(SOCKETS_VARIABLE));
	}
}

static void refuse_descriptor(int fd)
{
	char text[32];
	struct heir h;

	(void)snprintf(text, sizeof(text), "%d 1 2", fd);
	assert_int_equal(setenv(UPGRADE_VARIABLE, text, 1), 0);
	assert_int_equal(heir_init(&h), -EINVAL);
}

static void test_descriptors_that_are_not_ours(void **state)
{
	int pair[2];
	const int file = open("/dev/null", O_RDWR);

	(void)state;
	refuse_descriptor(file);
	(void)close(file);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	refuse_descriptor(pair[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
	/* Of the right kind, but made by this process and not by its parent. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	refuse_descriptor(pair[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* Without exec(): a pair of which the other end does what a broken old master would do. */
static void make_heir(struct heir *h, int *ret_old)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*h = (struct heir){.fd = pair[0]};
	*ret_old = pair[1];
}

static void test_answers_of_the_old_one(void **state)
{
	char text[16] = "";
	struct heir h;
	int old;

	(void)state;
	make_heir(&h, &old);
	const uint64_t before = clock_us();
	assert_int_equal(heir_take_over(&h, 20000), -ETIMEDOUT);
	assert_true(clock_us() - before >= 20000);
	assert_int_equal(recv(old, text, sizeof(text), 0), 5);
	assert_string_equal(text, "ready");
	assert_int_equal(send(old, "yourss", 6, 0), 6);
	assert_int_equal(heir_take_over(&h, 20000), -EPROTO);
	assert_int_equal(send(old, "yours", 5, 0), 5);
	assert_int_equal(heir_take_over(&h, 20000), 0);
	struct upgrade u = {.fd = old};
	upgrade_refuse(&u);
	assert_int_equal(heir_take_over(&h, 20000), -ECANCELED);
	/* Also where it has said so and closed before we asked, with messages of ours unread. */
	upgrade_refuse(&u);
	(void)close(old);
	assert_int_equal(heir_take_over(&h, 20000), -ECANCELED);
	/* It has ended. */
	heir_progress(&h, 1, 1);
	heir_failed(&h, "gone");
	assert_int_equal(heir_take_over(&h, 20000), -EPIPE);
	heir_done(&h);
	heir_done(&h);
	/* Nobody to take over from. */
	assert_int_equal(heir_take_over(&h, 20000), 0);
}

static void test_an_old_one_that_ends_while_we_wait(void **state)
{
	struct heir h;
	int old;

	(void)state;
	make_heir(&h, &old);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char text[16];

		_exit(recv(old, text, sizeof(text), 0) == 5 ? 0 : 1);
	}
	(void)close(old);
	assert_int_equal(heir_take_over(&h, (uint64_t)PATIENCE_MS * 1000u), -EPIPE);
	assert_code(pid, 0);
	heir_done(&h);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_comes_up),
		cmocka_unit_test(test_one_that_fails),
		cmocka_unit_test(test_one_that_ends_at_once),
		cmocka_unit_test(test_one_that_crashes),
		cmocka_unit_test(test_one_that_closes_its_end),
		cmocka_unit_test(test_one_that_says_nothing),
		cmocka_unit_test(test_one_that_babbles),
		cmocka_unit_test(test_one_that_says_too_much),
		cmocka_unit_test(test_one_that_floods),
		cmocka_unit_test(test_programs_that_cannot_be_run),
		cmocka_unit_test(test_sockets_that_cannot_be_handed_on),
		cmocka_unit_test(test_it_starts_clean),
		cmocka_unit_test(test_the_first_guardian_stays),
		cmocka_unit_test(test_the_program_keeps_its_links),
		cmocka_unit_test(test_variables_that_are_not_ours),
		cmocka_unit_test(test_descriptors_that_are_not_ours),
		cmocka_unit_test(test_answers_of_the_old_one),
		cmocka_unit_test(test_an_old_one_that_ends_while_we_wait),
	};

	if (argc > 1)
		return play(argv[1], argc > 2 ? argv[2] : "");
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
