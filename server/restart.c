#include "server/restart.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define FORK_AGAIN_US 500000u
#define QUICK_US 1000000u
#define BACKOFF_MIN_US 50000u

/* Signals that a process brings upon itself. */
static bool is_fault(int signal_number)
{
	static const int faults[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i] == signal_number)
			return true;
	return false;
}

bool restart_was_quick(int wait_status, uint64_t ready_us, uint64_t now_us)
{
	if (ready_us == 0)
		return true;
	bool own_fault = WIFSIGNALED(wait_status) ? is_fault(WTERMSIG(wait_status))
						  : WEXITSTATUS(wait_status) != 0;

	return own_fault && now_us - ready_us <= QUICK_US;
}

void restart_schedule(struct restart *r, bool quick, uint64_t now_us)
{
	if (!quick) {
		uint64_t earliest = r->spawned_us + BACKOFF_MIN_US;

		r->start_us = earliest > now_us ? earliest : now_us;
		r->backoff_us = 0;
		r->quick = 0;
		r->parked = false;
		return;
	}
	const bool was_parked = r->parked;

	r->quick++;
	r->parked = r->quick >= RESTART_QUICK_DEATHS;
	if (r->parked != was_parked)
		r->backoff_us = RESTART_PARK_MIN_US;
	else
		r->backoff_us = r->backoff_us == 0 ? BACKOFF_MIN_US : r->backoff_us * 2;
	if (r->backoff_us > RESTART_PARK_MAX_US)
		r->backoff_us = RESTART_PARK_MAX_US;
	r->start_us = now_us + r->backoff_us;
}

void restart_after_fork(struct restart *r, uint64_t now_us)
{
	r->start_us = now_us + FORK_AGAIN_US;
}

const char *restart_cause(int wait_status, char *text, size_t n)
{
	if (WIFSIGNALED(wait_status)) {
		int number = WTERMSIG(wait_status);
		const char *name = sigabbrev_np(number);

		(void)snprintf(text, n, "killed by signal %d (SIG%s)%s", number, name ? name : "?",
			WCOREDUMP(wait_status) ? ", core dumped" : "");
	} else {
		(void)snprintf(text, n, "exited with code %d", WEXITSTATUS(wait_status));
	}
	return text;
}
