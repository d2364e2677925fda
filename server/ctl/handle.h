/* The process that a status speaks of, held so that no other process can be mistaken for it. */
#ifndef QUERN_SERVER_CTL_HANDLE_H
#define QUERN_SERVER_CTL_HANDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A pidfd of process pid, provided that it was started at start_ticks (field 22 of /proc/PID/stat).
 * -ESRCH: there is no such process; -ESTALE: there is one of that pid, but it is another; -EMFILE
 * and the like.
 */
int handle_open(pid_t pid, uint64_t start_ticks) __attribute__((warn_unused_result));

/* Whether the process ignores that signal (SigIgn in /proc/PID/status); false, too, where that cannot be told. */
bool handle_ignores(pid_t pid, int number);

#endif
