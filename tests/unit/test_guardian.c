/* The process that stays when the first master has handed over: real processes, one generation after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/guardian.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define ROUNDS 50 /* of what is a race */

/*
 * A family: the test, its child the guardian, and that one's masters. The masters tell through a pipe which signals they
 * get, and end at commands, which are signals as well: SIGUSR2 with a value.
 */
enum command {
	END = 1000,
	HAND_ON,
	HAND_ON_AND_END,
	NAME_THE_DEAD,
	TAKE_BACK,
	REAP_AND_END,
	DIE,
	STOP
};

struct report {
	pid_t pid;
	int number, value; /* the signal; 0: this master has begun */
};

static int reports[2];
static pid_t heir; /* a master's own */
static sigset_t all;

static void make_signals(void)
{
	static const int numbers[] = {
		SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};

	sigemptyset(&all);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&all, numbers[i]);
	sigaddset(&all, SIGRTMIN);
	sigaddset(&all, GUARDIAN_SIGNAL);
}

/* --- masters */

static void tell(int number, int value)
{
	const struct report r = {.pid = getpid(), .number = number, .value = value};

	if (write(reports[1], &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(99);
}

static _Noreturn void be_master(pid_t guardian, int code);

/* A master that does not begin until it may, as a real one waits for the old one's answer. */
static pid_t beget(pid_t guardian, int code, int *ret_gate)
{
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) != 0)
		_exit(93);
	const pid_t pid = fork();
	if (pid == 0) {
		char c;

		heir = 0;
		if (read(gate[0], &c, 1) != 1)
			_exit(92);
		be_master(guardian, code);
	}
	(void)close(gate[0]);
	*ret_gate = gate[1];
	return pid;
}

static void let_begin(int gate)
{
	if (write(gate, "", 1) != 1)
		_exit(91);
	(void)close(gate);
}

static void name(pid_t guardian, pid_t successor)
{
	if (guardian_tell(guardian, successor) != 0)
		_exit(98);
}

static pid_t dead_pid(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	(void)waitpid(pid, NULL, 0);
	return pid;
}

/* `code` is the generation and the exit code. */
static void obey(int command, pid_t guardian, int code)
{
	int gate;

	switch (command) {
	case HAND_ON:
	case HAND_ON_AND_END:
		heir = beget(guardian, code + 1, &gate);
		name(guardian, heir);
		let_begin(gate);
		if (command == HAND_ON)
			break;
		_exit(code);
	case NAME_THE_DEAD:
		name(guardian, dead_pid());
		tell(SIGUSR2, command);
		break;
	case TAKE_BACK:
		/* It dies before it may begin. */
		heir = beget(guardian, code + 1, &gate);
		name(guardian, heir);
		(void)kill(heir, SIGKILL);
		name(guardian, getpid());
		(void)waitpid(heir, NULL, 0);
		tell(SIGUSR2, command);
		(void)close(gate);
		break;
	case REAP_AND_END:
		(void)kill(heir, SIGKILL);
		(void)waitpid(heir, NULL, 0);
		_exit(code);
	case DIE:
		(void)kill(getpid(), SIGKILL);
		break;
	case STOP:
		_exit(0);
	default:
		_exit(code);
	}
}

static _Noreturn void be_master(pid_t guardian, int code)
{
	const pid_t parent = getppid();
	siginfo_t info;

	if (guardian_watch() != 0)
		_exit(97);
	tell(0, code);
	for (;;) {
		if (guardian_is_lost(guardian, parent)) {
			tell(-1, 0);
			_exit(96);
		}
		const int number = sigwaitinfo(&all, &info);
		if (number == SIGCHLD && heir > 0 && guardian_tell_failure(guardian, heir) != 0)
			_exit(89);
		if (number == SIGCHLD)
			continue;
		const int value = info.si_code == SI_QUEUE ? info.si_value.sival_int : 0;
		if (number == SIGUSR2 && value >= END)
			obey(value, guardian, code);
		else
			tell(number, value);
	}
}

/* --- the test's side */

static _Noreturn void be_guardian(void)
{
	struct guardian g;
	int gate;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	if (guardian_init(&g, beget(getpid(), 1, &gate)) != 0)
		_exit(95);
	let_begin(gate);
	_exit(guardian_run(&g, &all));
}

static pid_t start_guardian(void)
{
	assert_int_equal(pipe2(reports, O_CLOEXEC), 0);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_guardian();
	return pid;
}

static struct report next_report(void)
{
	struct pollfd p = {.fd = reports[0], .events = POLLIN};
	struct report r;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(reports[0], &r, sizeof(r)), sizeof(r));
	return r;
}

/* The pid of the master of this generation, which has just begun. */
static pid_t await_master(int generation)
{
	const struct report r = next_report();

	assert_int_equal(r.number, 0);
	assert_int_equal(r.value, generation);
	return r.pid;
}

static void assert_report(pid_t pid, int number, int value)
{
	const struct report r = next_report();

	assert_int_equal(r.number, number);
	assert_int_equal(r.pid, pid);
	assert_int_equal(r.value, value);
}

static void command(pid_t pid, enum command c)
{
	const union sigval value = {.sival_int = (int)c};

	assert_int_equal(sigqueue(pid, SIGUSR2, value), 0);
}

/* Until a process is gone, or a zombie; where its children go shows at once. */
static bool is_running(pid_t pid)
{
	char path[64], text[256] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	const bool some = fgets(text, sizeof(text), f) != NULL;
	(void)fclose(f);
	const char *end = strrchr(text, ')');
	/* X: it is being reaped just now. */
	return some && end && end[2] != 'Z' && end[2] != 'X';
}

static void await_end(pid_t pid)
{
	for (int i = 0; i < PATIENCE_MS && is_running(pid); i++)
		(void)usleep(1000);
	assert_false(is_running(pid));
}

static void assert_ends(pid_t guardian, int code)
{
	int status;

	assert_int_equal(waitpid(guardian, &status, 0), guardian);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	(void)close(reports[0]);
	(void)close(reports[1]);
}

/* That the guardian has dealt with all that was sent to it: signals of one kind stay in order. */
static void settle(pid_t guardian, pid_t in_charge)
{
	static int serial;
	const union sigval value = {.sival_int = ++serial};

	assert_int_equal(sigqueue(guardian, SIGRTMIN, value), 0);
	assert_report(in_charge, SIGRTMIN, serial);
}

/* --- tests */

static void test_it_ends_with_the_masters_code(void **state)
{
	(void)state;
	pid_t guardian = start_guardian();
	command(await_master(1), END);
	assert_ends(guardian, 1);
	guardian = start_guardian();
	command(await_master(1), DIE);
	assert_ends(guardian, 128 + SIGKILL);
}

static void test_it_forwards_signals(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};
	const pid_t guardian = start_guardian();
	const pid_t master = await_master(1);

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_equal(kill(guardian, numbers[i]), 0);
		assert_report(master, numbers[i], 0);
	}
	for (int n = 1; n <= 32; n++) {
		const union sigval value = {.sival_int = n};

		assert_int_equal(sigqueue(guardian, SIGRTMIN, value), 0);
	}
	for (int n = 1; n <= 32; n++)
		assert_report(master, SIGRTMIN, n);
	/* Without a value. */
	assert_int_equal(kill(guardian, SIGRTMIN), 0);
	assert_report(master, SIGRTMIN, 0);
	command(guardian, END);
	assert_ends(guardian, 1);
}

static void test_a_chain_of_successors(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const pid_t guardian = start_guardian();
		const pid_t first = await_master(1);

		/* At its end, naming and SIGCHLD are there together. */
		command(first, HAND_ON_AND_END);
		const pid_t second = await_master(2);
		assert_int_not_equal(second, first);
		command(second, HAND_ON_AND_END);
		const pid_t third = await_master(3);
		await_end(second);
		settle(guardian, third);
		assert_int_equal(kill(guardian, SIGTERM), 0);
		assert_report(third, SIGTERM, 0);
		command(guardian, END);
		assert_ends(guardian, 3);
	}
}

/* A signal that was sent after the naming goes to the one that was named, though it is delivered before. */
static void test_no_signal_goes_to_a_former_master(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const pid_t guardian = start_guardian();
		const pid_t first = await_master(1);

		assert_int_equal(kill(guardian, SIGSTOP), 0);
		command(first, HAND_ON);
		const pid_t second = await_master(2);
		assert_int_equal(kill(guardian, SIGTERM), 0);
		assert_int_equal(kill(guardian, SIGCONT), 0);
		assert_report(second, SIGTERM, 0);
		command(first, END);
		await_end(first);
		command(guardian, END);
		assert_ends(guardian, 2);
	}
}

static void test_only_the_one_in_charge_may_name(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	/* We are not. */
	assert_int_equal(guardian_tell(guardian, getpid()), 0);
	assert_int_equal(kill(guardian, GUARDIAN_SIGNAL), 0);
	settle(guardian, first);
	/* It is, but names nobody. */
	command(first, NAME_THE_DEAD);
	assert_report(first, SIGUSR2, NAME_THE_DEAD);
	settle(guardian, first);
	assert_int_equal(guardian_tell(guardian, 0), 0);
	/* It was, until now. */
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	settle(guardian, second);
	command(first, HAND_ON);
	const pid_t stray = await_master(2);
	settle(guardian, second);
	command(stray, DIE);
	await_end(stray);
	command(first, END);
	await_end(first);
	command(second, END);
	assert_ends(guardian, 2);
}

/* The old one's drain may take longer than all of its successor's life. */
static void test_it_waits_for_those_that_drain(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);
	int status;

	(void)state;
	command(first, HAND_ON_AND_END);
	const pid_t second = await_master(2);
	command(second, HAND_ON);
	const pid_t third = await_master(3);
	settle(guardian, third);
	command(third, END);
	await_end(third);
	/* The third one is the second one's child, and its end is not known before. */
	assert_int_equal(waitpid(guardian, &status, WNOHANG), 0);
	command(second, END);
	assert_ends(guardian, 3);
}

/* One whose own parent has ended is the guardian's child, while an older one still drains. */
static void test_it_waits_for_an_older_one(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);
	int status;

	(void)state;
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	command(second, HAND_ON_AND_END);
	const pid_t third = await_master(3);
	await_end(second);
	settle(guardian, third);
	command(third, END);
	await_end(third);
	assert_int_equal(waitpid(guardian, &status, WNOHANG), 0);
	assert_true(is_running(first));
	command(first, END);
	assert_ends(guardian, 3);
}

static void test_a_second_interrupt_reaches_all(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	assert_int_equal(kill(guardian, SIGINT), 0);
	assert_report(second, SIGINT, 0);
	assert_int_equal(kill(guardian, SIGINT), 0);
	const struct report a = next_report(), b = next_report();
	assert_int_equal(a.number, SIGINT);
	assert_int_equal(b.number, SIGINT);
	assert_true((a.pid == first && b.pid == second) || (a.pid == second && b.pid == first));
	/* The one in charge has it as it came. */
	assert_int_equal((a.pid == first ? a : b).value, GUARDIAN_YOU_ALONE);
	assert_int_equal((a.pid == first ? b : a).value, 0);
	command(first, END);
	await_end(first);
	command(second, END);
	assert_ends(guardian, 2);
}

/* Whoever watches starts anew only when all of them have ended. */
static void test_a_failure_cuts_drains_short(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const pid_t guardian = start_guardian();
		const pid_t first = await_master(1);

		/* A child of the first one, and later a child of the guardian. */
		command(first, HAND_ON);
		const pid_t second = await_master(2);
		settle(guardian, second);
		command(second, DIE);
		assert_report(first, SIGTERM, GUARDIAN_YOU_ALONE);
		command(first, END);
		assert_ends(guardian, 128 + SIGKILL);
	}
}

static void test_a_failure_is_told_to_older_ones(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	command(second, HAND_ON_AND_END);
	const pid_t third = await_master(3);
	await_end(second);
	settle(guardian, third);
	command(third, DIE);
	/* The end of the second one, which had handed over, was no failure; this one is. */
	assert_report(first, SIGTERM, GUARDIAN_YOU_ALONE);
	command(first, END);
	assert_ends(guardian, 128 + SIGKILL);
}

/* Who ends with 0 was stopped by somebody, and then drains may take their time. */
static void test_a_stop_is_no_failure(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	settle(guardian, second);
	command(second, STOP);
	await_end(second);
	/* Nobody is in charge, or gets it; former masters have SIGUSR1, and nothing before it. */
	assert_int_equal(kill(guardian, SIGUSR1), 0);
	assert_report(first, SIGUSR1, GUARDIAN_YOU_ALONE);
	command(first, END);
	assert_ends(guardian, 0);
}

static pid_t end_with(int code)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	return pid;
}

/* A first master asks while it drains. */
static void test_whether_it_has_failed(void **state)
{
	const pid_t stopped = end_with(0), failed = end_with(3), living = getpid();
	struct guardian g = {.in_charge = stopped};

	(void)state;
	assert_false(guardian_has_failed(&g));
	g.in_charge = living;
	assert_false(guardian_has_failed(&g));
	g.in_charge = failed;
	assert_true(guardian_has_failed(&g));
	assert_true(guardian_has_failed(&g));
	(void)waitpid(stopped, NULL, 0);
	(void)waitpid(failed, NULL, 0);
}

/* A master that breaks the rule and reaps its successor leaves no guardian behind. */
static void test_an_end_that_nobody_tells(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	command(first, HAND_ON);
	(void)await_master(2);
	command(first, REAP_AND_END);
	assert_ends(guardian, 1);
}

/* Whoever finds that its successor has died carries on, and so does the guardian. */
static void test_one_that_carries_on(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const pid_t guardian = start_guardian();
		const pid_t first = await_master(1);

		command(first, TAKE_BACK);
		assert_report(first, SIGUSR2, TAKE_BACK);
		settle(guardian, first);
		command(first, HAND_ON_AND_END);
		const pid_t second = await_master(2);
		command(second, TAKE_BACK);
		assert_report(second, SIGUSR2, TAKE_BACK);
		settle(guardian, second);
		command(guardian, END);
		assert_ends(guardian, 2);
	}
}

/* Named and dead before the guardian has looked: the code is that of the last one all the same. */
static void test_all_of_it_before_it_looks(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const pid_t guardian = start_guardian();
		const pid_t first = await_master(1);

		assert_int_equal(kill(guardian, SIGSTOP), 0);
		command(first, HAND_ON_AND_END);
		const pid_t second = await_master(2);
		await_end(first);
		command(second, END);
		await_end(second);
		assert_int_equal(kill(guardian, SIGCONT), 0);
		assert_ends(guardian, 2);
	}
}

static void test_masters_notice_the_guardians_end(void **state)
{
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);

	(void)state;
	/* With the end of the master before it, a master has lost nothing. */
	command(first, HAND_ON_AND_END);
	const pid_t second = await_master(2);
	await_end(first);
	settle(guardian, second);
	assert_int_equal(kill(guardian, SIGKILL), 0);
	assert_report(second, -1, 0);
	int status;
	assert_int_equal(waitpid(guardian, &status, 0), guardian);
	await_end(second);
	(void)close(reports[0]);
	(void)close(reports[1]);
}

/* The master that is our parent may have ended before we could ask to be told. */
static void test_one_that_was_too_late_is_told(void **state)
{
	sigset_t before, child;
	const struct timespec at_once = {0};

	(void)state;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &child, &before), 0);
	while (sigtimedwait(&child, NULL, &at_once) == SIGCHLD)
		continue;
	assert_int_equal(guardian_watch(), 0);
	assert_int_equal(sigtimedwait(&child, NULL, &at_once), SIGCHLD);
	assert_int_equal(prctl(PR_SET_PDEATHSIG, 0), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

/* --- signals for one alone */

static siginfo_t value_of(pid_t sender, int number, int value)
{
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	info.si_pid = sender;
	info.si_value.sival_int = value;
	return info;
}

static void test_what_is_meant_for_us_alone(void **state)
{
	siginfo_t info = value_of(42, SIGTERM, GUARDIAN_YOU_ALONE);

	(void)state;
	assert_true(guardian_means_us(42, &info));
	assert_false(guardian_means_us(43, &info));
	info.si_code = SI_USER;
	assert_false(guardian_means_us(42, &info));
	info = value_of(42, SIGTERM, 0);
	assert_false(guardian_means_us(42, &info));
	/* A wish with a value. */
	info = value_of(42, SIGRTMIN, GUARDIAN_YOU_ALONE);
	assert_false(guardian_means_us(42, &info));
	/* There is no guardian, and a sender of another PID namespace. */
	info = value_of(0, SIGTERM, GUARDIAN_YOU_ALONE);
	assert_false(guardian_means_us(0, &info));
}

/* --- its log */

static void test_its_log_is_opened_again(void **state)
{
	char directory[] = "/tmp/test_guardian.XXXXXX", path[64], moved[80];
	struct stat old, new;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/log", directory);
	(void)snprintf(moved, sizeof(moved), "%s.1", path);
	assert_int_equal(log_open(LOG_LEVEL_DEBUG, path), 0);
	const pid_t guardian = start_guardian();
	const pid_t first = await_master(1);
	command(first, HAND_ON);
	const pid_t second = await_master(2);
	settle(guardian, second);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(kill(guardian, SIGUSR1), 0);
	for (int i = 0; i < 2; i++) {
		const struct report r = next_report();

		assert_int_equal(r.number, SIGUSR1);
		assert_int_equal(r.value, r.pid == first ? GUARDIAN_YOU_ALONE : 0);
	}
	settle(guardian, second);
	assert_int_equal(stat(path, &new), 0);
	assert_int_equal(stat(moved, &old), 0);
	assert_int_not_equal(new.st_ino, old.st_ino);
	assert_int_equal(log_open(LOG_LEVEL_INFO, "stderr"), 0);
	command(first, STOP);
	command(second, STOP);
	assert_ends(guardian, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(moved), 0);
	assert_int_equal(rmdir(directory), 0);
}

/* --- at a terminal */

static _Noreturn void be_guardian_at(const char *terminal)
{
	/* Opened by the leader of a session that has none, it becomes the terminal of that. */
	const int fd = setsid() < 0 ? -1 : open(terminal, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		_exit(94);
	be_guardian();
}

/* Ctrl-C goes to all of the foreground group, so the masters have it already. */
static void test_an_interrupt_from_the_terminal_comes_once(void **state)
{
	const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name_of_it[64];

	(void)state;
	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	assert_int_equal(ptsname_r(terminal, name_of_it, sizeof(name_of_it)), 0);
	assert_int_equal(pipe2(reports, O_CLOEXEC), 0);
	const pid_t guardian = fork();
	assert_true(guardian >= 0);
	if (guardian == 0)
		be_guardian_at(name_of_it);
	const pid_t master = await_master(1);
	/* Stopped, so that what it might send cannot merge with what the master has. */
	assert_int_equal(kill(guardian, SIGSTOP), 0);
	assert_int_equal(write(terminal, "\003", 1), 1);
	assert_report(master, SIGINT, 0);
	assert_int_equal(kill(guardian, SIGCONT), 0);
	/* No second one before what comes after it. */
	settle(guardian, master);
	settle(guardian, master);
	assert_int_equal(kill(guardian, SIGINT), 0);
	assert_report(master, SIGINT, 0);
	command(guardian, END);
	assert_ends(guardian, 1);
	(void)close(terminal);
}

/* --- the variable */

static void test_the_variable(void **state)
{
	static const char *const wrong[] = {"", "x", "0", "-1", "5 ", "99999999999"};

	(void)state;
	assert_int_equal(unsetenv(GUARDIAN_VARIABLE), 0);
	assert_int_equal(guardian_of_us(), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(setenv(GUARDIAN_VARIABLE, wrong[i], 1), 0);
		assert_int_equal(guardian_of_us(), 0);
	}
	assert_int_equal(setenv(GUARDIAN_VARIABLE, "4321", 1), 0);
	assert_int_equal(guardian_of_us(), 4321);
	assert_int_equal(unsetenv(GUARDIAN_VARIABLE), 0);
	assert_int_equal(guardian_tell(dead_pid(), 1), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_ends_with_the_masters_code),
		cmocka_unit_test(test_it_forwards_signals),
		cmocka_unit_test(test_a_chain_of_successors),
		cmocka_unit_test(test_no_signal_goes_to_a_former_master),
		cmocka_unit_test(test_only_the_one_in_charge_may_name),
		cmocka_unit_test(test_it_waits_for_those_that_drain),
		cmocka_unit_test(test_it_waits_for_an_older_one),
		cmocka_unit_test(test_a_second_interrupt_reaches_all),
		cmocka_unit_test(test_a_failure_cuts_drains_short),
		cmocka_unit_test(test_a_failure_is_told_to_older_ones),
		cmocka_unit_test(test_a_stop_is_no_failure),
		cmocka_unit_test(test_whether_it_has_failed),
		cmocka_unit_test(test_one_that_was_too_late_is_told),
		cmocka_unit_test(test_what_is_meant_for_us_alone),
		cmocka_unit_test(test_its_log_is_opened_again),
		cmocka_unit_test(test_an_end_that_nobody_tells),
		cmocka_unit_test(test_one_that_carries_on),
		cmocka_unit_test(test_all_of_it_before_it_looks),
		cmocka_unit_test(test_masters_notice_the_guardians_end),
		cmocka_unit_test(test_an_interrupt_from_the_terminal_comes_once),
		cmocka_unit_test(test_the_variable),
	};

	make_signals();
	/* A guardian that does not end would be waited for without end. */
	(void)alarm(PATIENCE_MS / 1000 * 6);
	/* Masters that outlive a guardian become ours, and not those of whoever runs the tests. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
