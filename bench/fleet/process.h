/*
 * The programs that make up a fleet: found, started in a session of their own, and ended with all
 * of their children.
 */
#ifndef QUERN_BENCH_FLEET_PROCESS_H
#define QUERN_BENCH_FLEET_PROCESS_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * The path of a program: beside this one, on PATH, in /usr/sbin or /sbin. 0, -ENOENT with a
 * sentence, -ENOMEM.
 */
int process_find(struct buffer *ret, const char *name, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * Starts argv[0] (a path) with output and errors appended to `log`, nothing to read, no QUERN_
 * variables, default signals and scheduling; killed when the calling thread ends. cpus: "1" or
 * "1,2", where it may run; NULL: where this process may. 0 or -errno with a sentence.
 */
int process_start(pid_t *ret, char *const *argv, const char *log, const char *cpus,
	struct buffer *error) __attribute__((warn_unused_result));

/* Appends the end of that log, 2000 bytes at most; nothing where it cannot be read. *to ends without a line end. */
void process_put_log_end(const char *path, struct buffer *to);

/* Whether it runs still. One that has ended is not reaped: process_end() does that. */
bool process_runs(pid_t pid);

/* Until it has ended, at most so long. false: it runs still. */
bool process_await(pid_t pid, int timeout_ms);

/*
 * SIGTERM, after grace_ms SIGKILL, also to what is left of its session's group; reaps. Returns the
 * wait status.
 */
int process_end(pid_t pid, int grace_ms);

#endif
