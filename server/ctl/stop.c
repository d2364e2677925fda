#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* What the master may take on top of the drain: killing what is left, and reaping it. */
#define GRACE_MS 5000u
#define STEP_MS 250u

static void fail_open(const struct report *r, int error)
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

static void fail_signal(const struct report *r, int error)
{
	if (error == EPERM)
		(void)fprintf(stderr,
			"quernctl: no permission to stop quernd (pid %d): it belongs to another "
			"user\n",
			(int)r->pid);
	else
		(void)fprintf(stderr, "quernctl: cannot stop quernd (pid %d): %s\n", (int)r->pid,
			strerror(error));
}

/* A line that is written over itself, for people only. */
static void show_progress(const struct report *r, double waited_s, double limit_s)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr,
			"\r\033[Kquernd (pid %d) finishes its requests: %.0f s of %.0f s at most",
			(int)r->pid, waited_s, limit_s);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		(void)fprintf(stderr, "\r\033[K");
}

/* Until the process is gone. 0, or -ETIMEDOUT, or what poll() gave. */
static int await_end(const struct report *r, int pidfd, uint64_t begun_us)
{
	uint64_t limit_us = (r->drain_ms + GRACE_MS) * 1000;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	for (;;) {
		uint64_t waited_us = clock_us() - begun_us;
		int n = poll(&p, 1, STEP_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (waited_us > limit_us)
			return -ETIMEDOUT;
		show_progress(r, (double)waited_us / 1e6, (double)limit_us / 1e6);
	}
}

static int stop_process(const struct report *r, int pidfd)
{
	uint64_t begun_us = clock_us();
	int error;

	if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH) {
		fail_signal(r, errno);
		return EXIT_FAILED;
	}
	error = await_end(r, pidfd, begun_us);
	end_progress();
	if (error < 0) {
		(void)fprintf(stderr, "quernctl: quernd (pid %d) still runs after %.1f s: %s\n",
			(int)r->pid, (double)(clock_us() - begun_us) / 1e6, strerror(-error));
		return EXIT_FAILED;
	}
	(void)printf("quernd (pid %d) stopped after %.1f s\n", (int)r->pid,
		(double)(clock_us() - begun_us) / 1e6);
	return EXIT_DONE;
}

int ctl_stop(const char *address)
{
	char why[CTL_WHY_BYTES];
	struct report report;
	int pidfd, r;

	if (ctl_report(address, &report, why) < 0) {
		(void)fprintf(stderr, "quernctl: %s\n", why);
		return EXIT_FAILED;
	}
	pidfd = handle_open(report.pid, report.start_ticks);
	if (pidfd < 0) {
		fail_open(&report, pidfd);
		r = EXIT_FAILED;
	} else {
		r = stop_process(&report, pidfd);
		(void)close(pidfd);
	}
	report_done(&report);
	return r;
}
