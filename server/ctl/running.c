#include "server/ctl/running.h"

#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/handle.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

static void tell_master(const struct report *r, int error)
{
	if (error == -ESRCH || error == -ESTALE)
		(void)fprintf(stderr,
			"quernctl: process %d of this machine is not that quernd; it has ended "
			"meanwhile, or runs on another machine or in a container\n",
			(int)r->pid);
	else
		(void)fprintf(stderr, "quernctl: cannot open process %d: %s\n", (int)r->pid,
			strerror(-error));
}

static int open_master(struct running *t)
{
	int fd = handle_open(t->report.pid, t->report.start_ticks);

	if (fd < 0) {
		tell_master(&t->report, fd);
		return -1;
	}
	t->pidfd = fd;
	return 0;
}

/* A guardian that has ended is as good as none: its master does not outlive it by much. */
static int open_guardian(struct running *t)
{
	pid_t pid = t->report.guardian_pid;
	int fd = pid ? handle_open(pid, t->report.guardian_ticks) : -ESRCH;

	if (fd < 0 && fd != -ESRCH && fd != -ESTALE) {
		(void)fprintf(
			stderr, "quernctl: cannot open process %d: %s\n", (int)pid, strerror(-fd));
		return -1;
	}
	t->guardian_fd = fd < 0 ? -1 : fd;
	return 0;
}

int running_find(struct running *t, const char *address, const char *hint)
{
	char why[CTL_WHY_BYTES];

	*t = (struct running){.address = address, .pidfd = -1, .guardian_fd = -1};
	int error = ctl_report(address, &t->report, why);
	if (error) {
		(void)fprintf(stderr, "quernctl: %s%s\n", why,
			hint && error == -ECONNREFUSED ? hint : "");
		return -1;
	}
	if (open_master(t) == 0 && open_guardian(t) == 0)
		return 0;
	running_done(t);
	return -1;
}

void running_done(struct running *t)
{
	if (t->pidfd >= 0)
		(void)close(t->pidfd);
	if (t->guardian_fd >= 0)
		(void)close(t->guardian_fd);
	report_done(&t->report);
}

static void tell_signal(pid_t pid, const char *verb, int error)
{
	if (error == EPERM)
		(void)fprintf(stderr,
			"quernctl: no permission to %s quernd (pid %d): it belongs to another "
			"user\n",
			verb, (int)pid);
	else
		(void)fprintf(stderr, "quernctl: cannot %s quernd (pid %d): %s\n", verb, (int)pid,
			strerror(error));
}

/* To the process that fd is of. */
static int send_to(int fd, pid_t pid, int number, int value, const char *verb)
{
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	if (pidfd_send_signal(fd, number, &info, 0) == 0)
		return 0;
	int error = errno;
	if (error != ESRCH)
		tell_signal(pid, verb, error);
	return -error;
}

int running_signal(const struct running *t, int number, int value, const char *verb)
{
	return send_to(t->pidfd, t->report.pid, number, value, verb);
}

int running_stop(const struct running *t)
{
	/* It alone knows who is in charge by now. */
	int r = t->guardian_fd < 0
			? -ESRCH
			: send_to(t->guardian_fd, t->report.guardian_pid, SIGTERM, 0, "stop");

	return r == -ESRCH ? running_signal(t, SIGTERM, 0, "stop") : r;
}

static int await_end(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = poll(&p, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
}

int running_await_end(const struct running *t, int timeout_ms)
{
	return await_end(t->pidfd, timeout_ms);
}

int running_await_all(const struct running *t, int timeout_ms, pid_t *ret_pid)
{
	int ended = await_end(t->pidfd, timeout_ms);

	*ret_pid = t->report.pid;
	if (ended <= 0 || t->guardian_fd < 0)
		return ended;
	*ret_pid = t->report.guardian_pid;
	return await_end(t->guardian_fd, timeout_ms);
}

void ctl_progress(const char *format, ...)
{
	va_list arguments;

	if (!isatty(STDERR_FILENO))
		return;
	(void)fputs("\r\033[K", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
}

void ctl_progress_end(void)
{
	if (isatty(STDERR_FILENO))
		(void)fputs("\r\033[K", stderr);
}
