/* What the generator asks of the system for the time of a run, and gives back afterwards. */
#ifndef QUERN_BENCH_LOAD_THREAD_H
#define QUERN_BENCH_LOAD_THREAD_H

#include "lib/buffer.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

struct thread {
	unsigned long slack_ns;
	int policy;
	struct sched_param param;
	struct rlimit descriptors;
	struct sigaction pipe;
};

/*
 * Exact timers (timer slack of 1 ns), as many descriptors as the hard limit allows, SIGPIPE
 * ignored, and SCHED_FIFO if `realtime`. 0, or -errno with a sentence in error, and nothing has
 * changed.
 */
int thread_enter(struct thread *t, bool realtime, struct buffer *error)
	__attribute__((warn_unused_result));
void thread_leave(const struct thread *t);

/* CPU time that the calling thread has used, in us. */
double thread_cpu_us(void);

#endif
