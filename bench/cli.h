/*
 * Command lines of quern-bench's subcommands: long options from one table, from which --help comes
 * as well; numbers with units; how wrong usage is told; exit codes.
 */
#ifndef QUERN_BENCH_CLI_H
#define QUERN_BENCH_CLI_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_exit {
	BENCH_DONE,
	BENCH_FAILED,
	BENCH_USAGE,
	BENCH_VOID,  /* a run that does not count */
	BENCH_UNMET, /* an objective that nothing can meet (plan) */
	BENCH_GO_ON = -1
};

struct cli_option {
	const char *name;     /* "--rate" */
	const char *argument; /* "R"; NULL: a flag */
	const char *help;     /* may have several lines */
};

struct cli {
	const char *command;		  /* "load", for messages: "quern-bench load: ..." */
	const char *operands;		  /* "URL", for the usage line */
	const char *about;		  /* one paragraph for --help */
	const struct cli_option *options; /* ends with a NULL name; --help is added */
	/* Between calls of cli_next(). */
	char **argv;
	int argc, at;
	uint64_t seen; /* bits of options given: each makes sense once; at most 64 */
};

/* argv[0] is the subcommand's name. */
void cli_begin(struct cli *c, int argc, char **argv);

#define CLI_END (-1)
#define CLI_OPERAND (-2)
#define CLI_HELP                                                                                   \
	(-3) /* --help was answered: exit with BENCH_DONE (BENCH_FAILED, said, if that could not be written) */
#define CLI_WRONG (-4) /* said: exit with BENCH_USAGE */

/* The index of the next option (with its value), or one of the above. "--rate 5" and "--rate=5". */
int cli_next(struct cli *c, const char **ret_value);

/*
 * All of them: take() gets each option's index with its value, or CLI_OPERAND with the operand; it
 * returns BENCH_GO_ON, or an exit code that ends the reading. BENCH_GO_ON at the end, or the exit code.
 */
int cli_read(struct cli *c, int (*take)(void *own, int option, const char *value), void *own);

/*
 * Each says what is wrong, naming the option and the value and what is allowed, and returns
 * BENCH_USAGE, or returns BENCH_GO_ON with *ret filled.
 */
int cli_rate(const struct cli *c, const char *option, const char *value,
	double *ret); /* > 0, at most 10 million, per second */
int cli_real(const struct cli *c, const char *option, const char *value, double low, double high,
	double *ret);
int cli_count(const struct cli *c, const char *option, const char *value, uint64_t low,
	uint64_t high, uint64_t *ret);
int cli_duration(const struct cli *c, const char *option, const char *value, uint64_t low_us,
	uint64_t high_us, uint64_t *ret_us);

/* "quern-bench load: MESSAGE" and where help is. Returns BENCH_USAGE. */
int cli_wrong(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "quern-bench load: MESSAGE". Returns BENCH_FAILED. */
int cli_fail(const struct cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
