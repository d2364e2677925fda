#include "bench/load/thread.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

/* Above everything that is not realtime is enough. */
#define PRIORITY 1

static int set_realtime(struct thread *t, struct buffer *error)
{
	const struct sched_param param = {.sched_priority = PRIORITY};

	t->policy = sched_getscheduler(0);
	if (t->policy >= 0 && !sched_getparam(0, &t->param) &&
		!sched_setscheduler(0, SCHED_FIFO, &param))
		return 0;

	const int r = -errno;

	buffer_printf(error,
		"SCHED_FIFO is refused: %s (it takes root, CAP_SYS_NICE, or an RLIMIT_RTPRIO of at "
		"least %d)",
		strerror(-r), PRIORITY);
	return r;
}

static void raise_descriptors(struct thread *t)
{
	if (getrlimit(RLIMIT_NOFILE, &t->descriptors) < 0)
		return;

	const struct rlimit raised = {t->descriptors.rlim_max, t->descriptors.rlim_max};

	/* Where it is refused, the pool is as large as the limit that there is. */
	(void)setrlimit(RLIMIT_NOFILE, &raised);
}

int thread_enter(struct thread *t, bool realtime, struct buffer *error)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	int slack, r;

	*t = (struct thread){.policy = -1};
	r = realtime ? set_realtime(t, error) : 0;
	if (r)
		return r;
	slack = prctl(PR_GET_TIMERSLACK);
	t->slack_ns = slack > 0 ? (unsigned long)slack : 0;
	prctl(PR_SET_TIMERSLACK, 1UL);
	raise_descriptors(t);
	sigaction(SIGPIPE, &ignore, &t->pipe);
	return 0;
}

void thread_leave(const struct thread *t)
{
	sigaction(SIGPIPE, &t->pipe, NULL);
	if (t->descriptors.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &t->descriptors);
	/* 0 asks for the thread's default. */
	prctl(PR_SET_TIMERSLACK, t->slack_ns);
	if (t->policy >= 0)
		(void)sched_setscheduler(0, t->policy, &t->param);
}

double thread_cpu_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec * 1e-3;
}
