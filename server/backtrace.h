/*
 * SIGABRT in a worker: where it was, into the log, one frame a line, before it dies of the signal as it would have. The
 * watchdog sends it to workers that hang.
 */
#ifndef QUERN_SERVER_BACKTRACE_H
#define QUERN_SERVER_BACKTRACE_H

#include <stdbool.h>

/*
 * Installs the handler, on an alternate stack; to be called once in a process, before it serves (it loads what
 * backtrace(3) needs). 0 or -errno.
 */
int backtrace_install(void) __attribute__((warn_unused_result));

/*
 * A thread that blocks all signals, and its number below BACKTRACE_THREADS: where it is goes into the log as well when
 * SIGABRT comes from another process while it is at work. To be called by the thread; it is not at work at first.
 */
#define BACKTRACE_THREADS 64u
void backtrace_add_thread(unsigned number);

/* By the same thread. */
void backtrace_set_at_work(bool at_work);

#endif
