#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/running.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What the master may take on top of the drain: killing what is left, and reaping it. */
#define GRACE_MS 5000u
#define STEP_MS 250

/* Until the process is gone. 0, or -ETIMEDOUT, or what poll() gave. */
static int await_end(const struct running *t, uint64_t begun_us)
{
	uint64_t limit_us = (t->report.drain_ms + GRACE_MS) * 1000;

	for (;;) {
		uint64_t waited_us = clock_us() - begun_us;
		int ended = running_await_end(t, STEP_MS);

		if (ended > 0)
			return 0;
		if (ended < 0)
			return ended;
		if (waited_us > limit_us)
			return -ETIMEDOUT;
		ctl_progress("quernd (pid %d) finishes its requests: %.0f s of %.0f s at most",
			(int)t->report.pid, (double)waited_us / 1e6, (double)limit_us / 1e6);
	}
}

static int stop(const struct running *t)
{
	uint64_t begun_us = clock_us();
	int r = running_signal(t, SIGTERM, 0, "stop");

	if (r < 0 && r != -ESRCH)
		return EXIT_FAILED;
	r = await_end(t, begun_us);
	ctl_progress_end();
	if (r < 0) {
		(void)fprintf(stderr, "quernctl: quernd (pid %d) still runs after %.1f s: %s\n",
			(int)t->report.pid, (double)(clock_us() - begun_us) / 1e6, strerror(-r));
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

	if (running_find(&t, address) < 0)
		return EXIT_FAILED;
	r = stop(&t);
	running_done(&t);
	return r;
}
