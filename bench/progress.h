/*
 * A line on the terminal that is written anew in place, and being interrupted. Nothing is shown
 * where standard error is no terminal.
 */
#ifndef QUERN_BENCH_PROGRESS_H
#define QUERN_BENCH_PROGRESS_H

#include <signal.h>

/* Replaces the line. Cut to the terminal's width. */
void progress_show(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Removes it, before anything else is printed. */
void progress_clear(void);

/*
 * From the first call on SIGINT and SIGTERM set what this points to, and the second one of them
 * ends the process as usual.
 */
const volatile sig_atomic_t *progress_stop(void);

#endif
