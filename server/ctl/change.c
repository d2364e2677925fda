#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/outcome.h"
#include "server/ctl/running.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define STEP_MS 100
#define UPGRADE_US UINT64_C(60000000)
/* How long a successor may take to be seen once the old master is gone. */
#define SUCCESSOR_US UINT64_C(3000000)

/* What is asked of a quernd, and what was seen of it since. */
struct asked {
	struct running quernd;
	const char *kind;
	bool changes_hands; /* another master may answer in the end */
	bool scales;
	uint32_t workers; /* to scale to */

	uint64_t sent_us;     /* before the signal */
	uint64_t patience_us; /* from then on */
	uint64_t gone_us;     /* when the master was seen to have ended; 0: it lives */
	pid_t other;	      /* another master that answers; 0: none so far */
	bool begun;	      /* seen is filled */
	struct report_change seen;
};

/* --- looking */

static void look(struct asked *a)
{
	const struct report_change *c;
	char why[CTL_WHY_BYTES];
	struct report r;

	/* While the address changes hands nobody answers; the deadline is all there is to fear. */
	if (ctl_report(a->quernd.address, &r, why) < 0)
		return;
	a->other = r.pid == a->quernd.report.pid ? 0 : r.pid;
	c = outcome_find(&r, a->kind, a->sent_us, a->scales ? a->workers : 0);
	if (c) {
		a->seen = *c;
		a->begun = true;
	}
	if (!a->changes_hands) {
		uint32_t workers = a->begun && a->seen.total > r.wanted ? a->seen.total : r.wanted;
		uint64_t needed_us = outcome_patience_us(workers, r.drain_ms);

		if (needed_us > a->patience_us)
			a->patience_us = needed_us;
	}
	report_done(&r);
}

static void show(const struct asked *a)
{
	if (a->begun && a->seen.total > 0)
		ctl_progress("%s: %" PRIu32 " of %" PRIu32 " workers", a->kind, a->seen.done,
			a->seen.total);
	else
		ctl_progress("%s: waiting for quernd (pid %d)", a->kind, (int)a->quernd.report.pid);
}

/* --- telling */

static int tell_outcome(const struct asked *a)
{
	const struct report_change *c = &a->seen;

	ctl_progress_end();
	if (!outcome_is_good(c)) {
		(void)fprintf(stderr, "quernctl: %s %s: %s\n", a->kind, c->state, c->text);
		return EXIT_FAILED;
	}
	if (printf("%s %s: %s\n", a->kind, c->state, c->text) < 0 || fflush(stdout) != 0) {
		(void)fprintf(stderr, "quernctl: cannot write the outcome\n");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int tell_late(const struct asked *a)
{
	double limit_s = (double)a->patience_us / 1e6;

	ctl_progress_end();
	if (a->begun)
		(void)fprintf(stderr,
			"quernctl: %s: not through after %.0f s, at %" PRIu32 " of %" PRIu32
			" workers (%s); it may still end: see quernctl status\n",
			a->kind, limit_s, a->seen.done, a->seen.total, a->seen.text);
	else
		(void)fprintf(stderr, "quernctl: %s: quernd (pid %d) has not begun within %.0f s\n",
			a->kind, (int)a->quernd.report.pid, limit_s);
	return EXIT_FAILED;
}

static int tell_gone(const struct asked *a)
{
	ctl_progress_end();
	if (a->other)
		(void)fprintf(stderr,
			"quernctl: %s: quernd (pid %d) has been followed by another one (pid %d), "
			"which knows of no %s\n",
			a->kind, (int)a->quernd.report.pid, (int)a->other, a->kind);
	else
		(void)fprintf(stderr, "quernctl: %s: quernd (pid %d) has ended%s\n", a->kind,
			(int)a->quernd.report.pid,
			a->changes_hands ? ", and no successor answers" : "");
	return EXIT_FAILED;
}

/* --- waiting */

/* Nobody is left who could tell what comes of it. */
static bool is_hopeless(const struct asked *a, uint64_t now_us)
{
	if (a->changes_hands)
		return a->gone_us && now_us - a->gone_us > SUCCESSOR_US;
	return a->gone_us || a->other;
}

/* STEP_MS, or until the master ends. */
static void pass_time(struct asked *a)
{
	int ended = a->gone_us ? -ESRCH : running_await_end(&a->quernd, STEP_MS);

	if (ended > 0)
		a->gone_us = clock_us();
	else if (ended < 0)
		(void)poll(NULL, 0, STEP_MS);
}

static int await_outcome(struct asked *a)
{
	for (;;) {
		/* Asked before and after the look: the last words of a master that has ended
		 * are in the status of its successor. */
		bool hopeless = is_hopeless(a, clock_us());

		look(a);
		if (a->begun && outcome_is_known(&a->seen))
			return tell_outcome(a);
		if (hopeless && is_hopeless(a, clock_us()))
			return tell_gone(a);
		if (clock_us() - a->sent_us > a->patience_us)
			return tell_late(a);
		show(a);
		pass_time(a);
	}
}

/* --- asking */

/* A signal that the master does not know would end it. */
static int check(const struct asked *a)
{
	const struct report *r = &a->quernd.report;

	if (!r->tells_changes) {
		(void)fprintf(stderr, "quernctl: quernd %s (pid %d) does not know \"%s\"\n",
			r->version, (int)r->pid, a->kind);
		return EXIT_FAILED;
	}
	if (strcmp(r->fleet.state, "stopping") == 0) {
		(void)fprintf(stderr, "quernctl: quernd (pid %d) is being stopped\n", (int)r->pid);
		return EXIT_FAILED;
	}
	if (a->scales && (a->workers < 1 || a->workers > r->max)) {
		(void)fprintf(stderr,
			"quernctl: scale: %" PRIu32 " is not allowed; allowed: 1 to %" PRIu32
			" (workers.max)\n",
			a->workers, r->max);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int ask_quernd(struct asked *a, int number)
{
	const struct report *r = &a->quernd.report;
	uint32_t workers = a->workers > r->wanted ? a->workers : r->wanted;
	int result = check(a);

	if (result != EXIT_DONE)
		return result;
	a->patience_us = a->changes_hands ? UPGRADE_US : outcome_patience_us(workers, r->drain_ms);
	a->sent_us = clock_us();
	result = running_signal(&a->quernd, number, (int)a->workers, a->kind);
	if (result == -ESRCH)
		return tell_gone(a);
	if (result < 0)
		return EXIT_FAILED;
	return await_outcome(a);
}

static int ask(struct asked *a, const char *address, int number)
{
	int result;

	if (running_find(&a->quernd, address) < 0)
		return EXIT_FAILED;
	result = ask_quernd(a, number);
	running_done(&a->quernd);
	return result;
}

int ctl_reload(const char *address)
{
	struct asked a = {.kind = "reload"};

	return ask(&a, address, SIGHUP);
}

int ctl_scale(const char *address, uint32_t workers)
{
	struct asked a = {.kind = "scale", .scales = true, .workers = workers};

	return ask(&a, address, SIGRTMIN);
}

int ctl_upgrade(const char *address)
{
	struct asked a = {.kind = "upgrade", .changes_hands = true};

	return ask(&a, address, SIGUSR2);
}
