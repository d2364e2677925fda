#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/interrupt.h"
#include "server/ctl/running.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the master may take on top of the drain: killing what is left, and reaping it. */
#define GRACE_MS 5000u
#define STEP_MS 250

/* Until all are gone. 0; or -ETIMEDOUT, or what poll() gave, and *ret_pid is one that still runs. */
static int await_end(const struct running *t, uint64_t begun_us, pid_t *ret_pid)
{
	uint64_t limit_us = (t->report.drain_ms + GRACE_MS) * 1000;

	for (;;) {
		uint64_t waited_us = clock_us() - begun_us;
		int ended = running_await_all(t, STEP_MS, ret_pid);

		if (ended > 0)
			return 0;
		if (ended < 0)
			return ended;
		if (waited_us > limit_us)
			return -ETIMEDOUT;
		ctl_progress("quernd (pid %d) finishes its requests: %.0f s of %.0f s at most",
			(int)*ret_pid, (double)waited_us / 1e6, (double)limit_us / 1e6);
	}
}

static int stop(const struct running *t)
{
	uint64_t begun_us = clock_us();
	pid_t pid = t->report.pid;
	int r = running_stop(t);

	if (r < 0 && r != -ESRCH)
		return EXIT_FAILED;
	interrupt_expect("stop");
	r = await_end(t, begun_us, &pid);
	interrupt_done();
	ctl_progress_end();
	if (r < 0) {
		(void)fprintf(stderr, "quernctl: quernd (pid %d) still runs after %.1f s: %s\n",
			(int)pid, (double)(clock_us() - begun_us) / 1e6, strerror(-r));
		return EXIT_FAILED;
	}
	(void)printf("quernd (pid %d) stopped after %.1f s\n", (int)t->report.pid,
		(double)(clock_us() - begun_us) / 1e6);
	return EXIT_DONE;
}

int ctl_stop(const char *address)
{
	struct running t;
	int r;

	if (running_find(&t, address, NULL) < 0)
		return EXIT_FAILED;
	r = stop(&t);
	running_done(&t);
	return r;
}
