#include "lib/clock.h"
#include "server/ctl/ctl.h"
#include "server/ctl/handle.h"
#include "server/ctl/interrupt.h"
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
/* How long a successor may take to be seen once the old master is gone, or its address is nobody's. */
#define SUCCESSOR_US UINT64_C(3000000)
#define HINT_BYTES 4352 /* for the name of a file, which may be as long as a path */

/* What is asked of a quernd, and what was seen of it since. */
struct asked {
	struct running quernd;
	const struct ctl_place *place;
	const char *kind;
	bool changes_hands; /* another master may answer in the end */
	bool scales;
	uint32_t workers; /* to scale to */

	uint64_t sent_us;     /* before the signal */
	uint64_t patience_us; /* from then on */
	uint64_t gone_us;     /* when the master was seen to have ended; 0: it lives */
	uint64_t refused_us;  /* since when nobody is at its address; 0: somebody is */
	pid_t other;	      /* another master that answers; 0: none so far */
	bool begun;	      /* seen is filled */
	bool lost;	      /* seen is not kept any more, and did not end while it was */
	struct report_change seen;
};

/* --- looking */

/* The change that was asked for. Once its number is known it is no other one, whatever begins meanwhile. */
static const struct report_change *find(struct asked *a, const struct report *r)
{
	const struct report_change *c = NULL;

	if (a->other && !a->changes_hands)
		return NULL; /* Another master has changes of its own. */
	if (a->other || !a->begun)
		return outcome_find(r, a->kind, a->sent_us, a->scales ? a->workers : 0);
	c = outcome_again(r, &a->seen);
	a->lost = !c && outcome_has_fallen_out(r, &a->seen);
	return c;
}

/* Where it was, or else where its successor is. 0 or -errno. */
static int get_report(struct asked *a, struct report *ret)
{
	char why[CTL_WHY_BYTES];
	int error = ctl_report(a->quernd.address, ret, why);

	if (error && a->place->then && ctl_report(a->place->then, ret, why) == 0)
		error = 0;
	/* Masters hand their listening sockets over, so nobody is refused but where the address is given up. */
	if (error != -ECONNREFUSED)
		a->refused_us = 0;
	else if (!a->refused_us)
		a->refused_us = clock_us();
	return error;
}

static void look(struct asked *a)
{
	const struct report_change *c;
	struct report r;

	/* While the address changes hands nobody answers; the deadline is all there is to fear. */
	if (get_report(a, &r) < 0)
		return;
	a->other = r.pid == a->quernd.report.pid ? 0 : r.pid;
	c = find(a, &r);
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

static void end_waiting(void)
{
	interrupt_done();
	ctl_progress_end();
}

static int tell_outcome(const struct asked *a)
{
	const struct report_change *c = &a->seen;

	end_waiting();
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

	end_waiting();
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

static int tell_lost(const struct asked *a)
{
	end_waiting();
	(void)fprintf(stderr,
		"quernctl: %s: so many others have begun since that quernd (pid %d) does not keep "
		"what came of this one; see its log\n",
		a->kind, (int)a->quernd.report.pid);
	return EXIT_FAILED;
}

/* The service goes on as long as the first process does, and is not where it was. */
static bool has_moved(const struct asked *a)
{
	pid_t living;

	return a->changes_hands && a->refused_us && running_await_all(&a->quernd, 0, &living) == 0;
}

static void tell_moved(const struct asked *a)
{
	if (a->place->then)
		(void)fprintf(stderr, "quernctl: %s: nobody answers at %s any more, nor at %s\n",
			a->kind, a->place->address, a->place->then);
	else
		(void)fprintf(stderr,
			"quernctl: %s: nobody answers at %s any more; if admin.address was "
			"changed, see quernctl -c FILE status, and next time use "
			"quernctl -c FILE --admin %s %s\n",
			a->kind, a->place->address, a->place->address, a->kind);
}

static int tell_gone(const struct asked *a)
{
	end_waiting();
	if (has_moved(a))
		tell_moved(a);
	else if (a->other)
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
		return (a->gone_us && now_us - a->gone_us > SUCCESSOR_US) ||
		       (a->refused_us && now_us - a->refused_us > SUCCESSOR_US);
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
		if (a->lost)
			return tell_lost(a);
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

/* The master leaves alone what was ignored when it was started. */
static int check_signal(const struct asked *a, int number)
{
	const struct report *r = &a->quernd.report;

	if (number != SIGHUP || !handle_ignores(r->pid, number))
		return EXIT_DONE;
	(void)fprintf(stderr,
		"quernctl: %s: quernd (pid %d) ignores SIGHUP: it was started so, as nohup does; "
		"quernctl upgrade takes the configuration, too; start it with setsid instead\n",
		a->kind, (int)r->pid);
	return EXIT_FAILED;
}

static int ask_quernd(struct asked *a, int number)
{
	const struct report *r = &a->quernd.report;
	uint32_t workers = a->workers > r->wanted ? a->workers : r->wanted;
	int result = check(a);

	if (result == EXIT_DONE)
		result = check_signal(a, number);
	if (result != EXIT_DONE)
		return result;
	a->patience_us = a->changes_hands ? UPGRADE_US : outcome_patience_us(workers, r->drain_ms);
	a->sent_us = clock_us();
	result = running_signal(&a->quernd, number, (int)a->workers, a->kind);
	if (result == -ESRCH)
		return tell_gone(a);
	if (result < 0)
		return EXIT_FAILED;
	interrupt_expect(a->kind);
	return await_outcome(a);
}

/* Where the file was edited, quernd is still where the file said before. */
static const char *hint_of(const struct asked *a, char *text, size_t n)
{
	if (!a->place->file)
		return NULL;
	if (a->changes_hands)
		(void)snprintf(text, n,
			" If admin.address was changed in the file: quernctl -c %s --admin OLD %s",
			a->place->file, a->kind);
	else
		(void)snprintf(text, n,
			" If admin.address was changed in the file: quernctl --admin OLD %s",
			a->kind);
	return text;
}

static int ask(struct asked *a, int number)
{
	char hint[HINT_BYTES];
	int result;

	if (running_find(&a->quernd, a->place->address, hint_of(a, hint, sizeof(hint))) < 0)
		return EXIT_FAILED;
	result = ask_quernd(a, number);
	running_done(&a->quernd);
	return result;
}

int ctl_reload(const struct ctl_place *place)
{
	struct asked a = {.place = place, .kind = "reload"};

	return ask(&a, SIGHUP);
}

int ctl_scale(const struct ctl_place *place, uint32_t workers)
{
	struct asked a = {.place = place, .kind = "scale", .scales = true, .workers = workers};

	return ask(&a, SIGRTMIN);
}

int ctl_upgrade(const struct ctl_place *place)
{
	struct asked a = {.place = place, .kind = "upgrade", .changes_hands = true};

	return ask(&a, SIGUSR2);
}
