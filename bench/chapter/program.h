/*
 * The programs of a folder in bench/services/ or bench/peers/: `prepare`, `start` and `fill`, with their environment, in
 * a session of their own, on given CPUs.
 */
#ifndef QUERN_BENCH_CHAPTER_PROGRAM_H
#define QUERN_BENCH_CHAPTER_PROGRAM_H

#include "bench/chapter/variables.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define PROGRAM_NOT_INSTALLED 77 /* exit code of a `prepare` */

struct program {
	const char *folder;	  /* "bench/services/redis", absolute */
	const char *log;	  /* a file that is appended to */
	const char *own_variable; /* "SERVICE_BUILD" */
	const char *own_build;	  /* its value */
	const char *build;	  /* of BUILD */
	const struct variables *variables;
	const json_t *env; /* {"DELAY_MS": "2"}, texts only; NULL: none */
	const char *cpus;  /* as process_start() */
};

/* Whether the folder has an executable of that name. */
bool program_has(const struct program *p, const char *name);

/* Starts folder/name. 0 or -errno with a sentence. */
int program_start(const struct program *p, const char *name, pid_t *ret, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * Runs it to its end. 0; -ENOPKG where it says that something is not installed, with its last line; -EIO where it failed,
 * -ETIMEDOUT, -EINTR by stop, -errno; each with a sentence.
 */
int program_run(const struct program *p, const char *name, int timeout_ms,
	const volatile sig_atomic_t *stop, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * Until 127.0.0.1:port accepts a connection. 0; -ECHILD when the process has ended, with the end of its log; -ETIMEDOUT,
 * -EINTR; each with a sentence.
 */
int program_await_port(const struct program *p, pid_t pid, unsigned port, int timeout_ms,
	const volatile sig_atomic_t *stop, struct buffer *error)
	__attribute__((warn_unused_result));

/* Appends the last bytes of its log, without the last newline. */
void program_put_log(const struct program *p, struct buffer *to);

#endif
