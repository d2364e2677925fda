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

static void tell_open(const struct report *r, int error)
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

int running_find(struct running *t, const char *address)
{
	char why[CTL_WHY_BYTES];

	*t = (struct running){.address = address, .pidfd = -1};
	if (ctl_report(address, &t->report, why) < 0) {
		(void)fprintf(stderr, "quernctl: %s\n", why);
		return -1;
	}
	t->pidfd = handle_open(t->report.pid, t->report.start_ticks);
	if (t->pidfd >= 0)
		return 0;
	tell_open(&t->report, t->pidfd);
	report_done(&t->report);
	return -1;
}

void running_done(struct running *t)
{
	(void)close(t->pidfd);
	report_done(&t->report);
}

static void tell_signal(const struct report *r, const char *verb, int error)
{
	if (error == EPERM)
		(void)fprintf(stderr,
			"quernctl: no permission to %s quernd (pid %d): it belongs to another "
			"user\n",
			verb, (int)r->pid);
	else
		(void)fprintf(stderr, "quernctl: cannot %s quernd (pid %d): %s\n", verb,
			(int)r->pid, strerror(error));
}

int running_signal(const struct running *t, int number, int value, const char *verb)
{
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	if (pidfd_send_signal(t->pidfd, number, &info, 0) == 0)
		return 0;
	int error = errno;
	if (error != ESRCH)
		tell_signal(&t->report, verb, error);
	return -error;
}

int running_await_end(const struct running *t, int timeout_ms)
{
	struct pollfd p = {.fd = t->pidfd, .events = POLLIN};
	int n = poll(&p, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
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
