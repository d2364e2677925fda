/*
 * SIGABRT in a worker: where it was, into the log, one frame a line, before it dies of the signal as it would have. The
 * watchdog sends it to workers that hang.
 */
#ifndef QUERN_SERVER_BACKTRACE_H
#define QUERN_SERVER_BACKTRACE_H

/*
 * Installs the handler, on an alternate stack; to be called once in a process, before it serves (it loads what
 * backtrace(3) needs). 0 or -errno.
 */
int backtrace_install(void) __attribute__((warn_unused_result));

#endif
