#include "server/guardian.h"

#include "lib/log.h"
#include "lib/number.h"
#include "server/restart.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- who is in charge */

int guardian_init(struct guardian *g, pid_t successor)
{
	*g = (struct guardian){.in_charge = successor};
	return prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 ? -errno : 0;
}

static void remove_at(struct guardian *g, size_t i)
{
	g->formers--;
	memmove(&g->former[i], &g->former[i + 1], (g->formers - i) * sizeof(g->former[0]));
}

static void forget(struct guardian *g, pid_t former)
{
	for (size_t i = 0; i < g->formers; i++) {
		if (g->former[i] == former) {
			remove_at(g, i);
			return;
		}
	}
}

static bool is_former(const struct guardian *g, pid_t pid)
{
	for (size_t i = 0; i < g->formers; i++)
		if (g->former[i] == pid)
			return true;
	return false;
}

static void remember(struct guardian *g, pid_t former)
{
	if (g->formers == GUARDIAN_FORMER)
		remove_at(g, 0);
	g->former[g->formers++] = former;
}

/* The last one in charge names itself: its successor has died before it took over. */
static bool takes_back(struct guardian *g, pid_t sender, pid_t next)
{
	if (g->formers == 0 || sender != next || g->former[g->formers - 1] != sender)
		return false;
	log_info("pid %d is in charge again, after pid %d", (int)sender, (int)g->in_charge);
	g->in_charge = g->former[--g->formers];
	return true;
}

static void tell_former(const struct guardian *g, int number)
{
	const union sigval value = {.sival_int = GUARDIAN_YOU_ALONE};

	for (size_t i = 0; i < g->formers; i++)
		if (sigqueue(g->former[i], number, value) != 0 && errno != ESRCH)
			log_error("cannot send signal %d to pid %d: %s", number, (int)g->former[i],
				strerror(errno));
}

static void fail(struct guardian *g)
{
	if (g->failed)
		return;
	g->failed = true;
	tell_former(g, SIGTERM);
}

/* It is reaped later, and how it ended is told then. */
static void fail_while_draining(struct guardian *g)
{
	if (!g->failed)
		log_error(
			"the master (pid %d) has failed: drains are cut short", (int)g->in_charge);
	fail(g);
}

/* A former master names the one in charge, its child, because that has failed. Of a later one it does not know. */
static bool tells_failure(struct guardian *g, pid_t sender, pid_t failed)
{
	if (sender == g->in_charge || !is_former(g, sender))
		return false;
	if (failed == g->in_charge)
		fail_while_draining(g);
	return true;
}

static void name(struct guardian *g, const siginfo_t *info)
{
	pid_t next = info->si_value.sival_int;

	if (info->si_code == SI_QUEUE &&
		(takes_back(g, info->si_pid, next) || tells_failure(g, info->si_pid, next)))
		return;
	if (info->si_code != SI_QUEUE || info->si_pid != g->in_charge || g->in_charge == 0) {
		log_warn("pid %d is not in charge and can name nobody", (int)info->si_pid);
		return;
	}
	if (next <= 0 || kill(next, 0) != 0) {
		log_warn("pid %d named pid %d, which is not there", (int)info->si_pid, (int)next);
		return;
	}
	/* It named one before that had ended by the time we looked. */
	if (next == g->in_charge)
		return;
	log_info("pid %d is in charge, after pid %d", (int)next, (int)g->in_charge);
	remember(g, g->in_charge);
	g->in_charge = next;
}

/*
 * Standard signals come before real-time ones, so a SIGCHLD or a SIGTERM may overtake the naming that was sent before it.
 * Names are in order among themselves.
 */
static void take_names(struct guardian *g)
{
	const struct timespec at_once = {0};
	siginfo_t info;
	sigset_t names;

	sigemptyset(&names);
	sigaddset(&names, GUARDIAN_SIGNAL);
	while (sigtimedwait(&names, &info, &at_once) == GUARDIAN_SIGNAL)
		name(g, &info);
}

/* --- signals */

void guardian_pass_on(pid_t pid, const siginfo_t *info)
{
	int number = info->si_signo;

	if (info->si_code == SI_KERNEL && (number == SIGINT || number == SIGHUP))
		return;
	int failed = info->si_code == SI_QUEUE ? sigqueue(pid, number, info->si_value)
					       : kill(pid, number);
	if (failed != 0 && errno != ESRCH)
		log_error("cannot pass signal %d on to pid %d: %s", number, (int)pid,
			strerror(errno));
}

static void forward(struct guardian *g, const siginfo_t *info)
{
	int number = info->si_signo;

	if (g->in_charge != 0)
		guardian_pass_on(g->in_charge, info);
	/* Former masters have those of a terminal, and count them. */
	if (info->si_code == SI_KERNEL)
		return;
	/* The second one ends drains at once, those of former masters, too. */
	if (number == SIGUSR1 || (number == SIGINT && g->interrupted))
		tell_former(g, number);
	if (number == SIGINT)
		g->interrupted = true;
}

void guardian_signal(struct guardian *g, const siginfo_t *info)
{
	if (info->si_signo == SIGCHLD)
		return;
	if (info->si_signo == GUARDIAN_SIGNAL) {
		name(g, info);
		return;
	}
	take_names(g);
	forward(g, info);
}

/* --- the dead */

/* A child's, which is not reaped here. */
static bool ended_badly(pid_t child)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0 && (info.si_code != CLD_EXITED || info.si_status != 0);
}

bool guardian_has_failed(struct guardian *g)
{
	pid_t pid = g->in_charge;

	if (!g->failed && pid != 0 && ended_badly(pid)) {
		/* It may have handed over before. */
		take_names(g);
		if (g->in_charge == pid)
			fail_while_draining(g);
	}
	return g->failed;
}

static void note_death(struct guardian *g, pid_t pid, int status, int *code)
{
	char cause[64];

	forget(g, pid);
	if (pid != g->in_charge)
		return;
	*code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (*code != 0)
		fail(g);
	g->in_charge = 0;
	log_line(*code == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "the master (pid %d) %s", (int)pid,
		restart_cause(status, cause, sizeof(cause)));
}

static bool is_gone(pid_t pid)
{
	return pid != 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

/* Takes over the end of every child that there is; *code is set when the one in charge was among them. */
static void reap(struct guardian *g, int *code)
{
	for (;;) {
		siginfo_t dead = {0};
		int status;

		if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) != 0 || dead.si_pid == 0)
			break;
		/* Whatever it had to tell, it told before; and whom it named still has its pid. */
		take_names(g);
		if (waitpid(dead.si_pid, &status, 0) == dead.si_pid)
			note_death(g, dead.si_pid, status, code);
	}
	if (!is_gone(g->in_charge))
		return;
	/* Its own parent has reaped it; if that was a master that carries on, it has said so before. */
	take_names(g);
	if (is_gone(g->in_charge)) {
		log_error("the master (pid %d) ended, and not as our child", (int)g->in_charge);
		fail(g);
		g->in_charge = 0;
		*code = 1;
	}
}

/* Former masters that still drain. One that is not our child is that of another one, which is asked about first. */
static bool are_draining(const struct guardian *g)
{
	for (size_t i = 0; i < g->formers; i++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)g->former[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0)
			return true;
	}
	return false;
}

int guardian_run(struct guardian *g, const sigset_t *signals)
{
	sigset_t set = *signals;
	siginfo_t info;
	int code = 1;

	log_set_role("guardian");
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, GUARDIAN_SIGNAL);
	/* What came before may have been taken by the caller. */
	take_names(g);
	reap(g, &code);
	while (g->in_charge != 0 || are_draining(g)) {
		int number = sigwaitinfo(&set, &info);
		if (number > 0)
			guardian_signal(g, &info);
		if (number == SIGUSR1)
			log_rotate();
		reap(g, &code);
	}
	return code;
}

/* --- later masters */

pid_t guardian_of_us(void)
{
	const char *text = getenv(GUARDIAN_VARIABLE);
	int64_t pid;

	if (!text || number_parse_int(&pid, text, strlen(text), 1, INT_MAX) != 0)
		return 0;
	return (pid_t)pid;
}

int guardian_tell(pid_t guardian, pid_t successor)
{
	const union sigval value = {.sival_int = successor};

	return sigqueue(guardian, GUARDIAN_SIGNAL, value) != 0 ? -errno : 0;
}

bool guardian_means_us(pid_t guardian, const siginfo_t *info)
{
	return guardian > 0 && info->si_code == SI_QUEUE && info->si_pid == guardian &&
	       info->si_value.sival_int == GUARDIAN_YOU_ALONE && info->si_signo < SIGRTMIN;
}

int guardian_tell_failure(pid_t guardian, pid_t successor)
{
	return ended_badly(successor) ? guardian_tell(guardian, successor) : 0;
}

int guardian_watch(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGCHLD) != 0)
		return -errno;
	return raise(SIGCHLD) != 0 ? -errno : 0;
}

bool guardian_is_lost(pid_t guardian, pid_t parent)
{
	pid_t now = getppid();

	return now != guardian && now != parent;
}
