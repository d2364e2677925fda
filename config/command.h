/*
 * What the command lines of all programs have in common: -c, --set, --help and --version, how wrong
 * usage is told, the configuration that they lead to, and the exit codes. Everything is said here,
 * on standard output or error, in lines that begin with the program's name.
 */
#ifndef QUERN_CONFIG_COMMAND_H
#define QUERN_CONFIG_COMMAND_H

#include "config/config.h"
#include "lib/buffer.h"

#include <getopt.h>
#include <stddef.h>

enum exit_code { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

/* Instead of an exit code: there is none yet. */
#define COMMAND_GO_ON (-1)

/* Read where no -c is given, if it exists. */
#define COMMAND_SYSTEM_FILE "/etc/quern/quern.json"

/* The first entries of struct command's options, and the start of its short_options. */
#define COMMAND_OPTIONS                                                                            \
	{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},           \
		{"help", no_argument, NULL, 'h'},                                                  \
	{                                                                                          \
		"version", no_argument, NULL, 'V'                                                  \
	}
#define COMMAND_SHORT_OPTIONS "c:hV"

/* Their lines in --help; a program's own come between the two. */
#define COMMAND_HELP_FIRST                                                                         \
	"  -c, --config FILE     configuration (JSON); without it " COMMAND_SYSTEM_FILE ", and\n"  \
	"                        where that does not exist all options have their defaults\n"      \
	"      --set SECTION.KEY=VALUE\n"                                                          \
	"                        sets one option, over the file and the environment; may be\n"     \
	"                        repeated\n"
#define COMMAND_HELP_LAST                                                                          \
	"  -h, --help            prints this text\n"                                               \
	"  -V, --version         prints the version\n"                                             \
	"\n"                                                                                       \
	"Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n"

struct command {
	/* The program, as its main() describes it. */
	char *program;		      /* its bare name */
	const char *short_options;    /* as getopt() takes them */
	const struct option *options; /* as getopt_long() takes them */
	void (*put_help)(struct buffer *out);
	/* Takes one of the program's own options. COMMAND_GO_ON, or an exit code. */
	int (*take)(struct command *c, int option, const char *value);
	void *own; /* for take() */

	/* What it was given, from command_read(). */
	const char *file; /* of -c; NULL: none. See command_load() */
	const char **set; /* the values of --set, in order; owned, the strings are argv's */
	size_t settings;
	char **operands; /* argv's words that are no options */
	int operand_count;
};

/*
 * Reads the options, and answers --help and --version. COMMAND_GO_ON; or the exit code, when the
 * program has nothing more to do. argv is permuted, and argv[0] becomes the bare name, for getopt's
 * messages begin with it. Then command_done(), whatever came.
 */
int command_read(struct command *c, int argc, char **argv) __attribute__((warn_unused_result));
void command_done(struct command *c);

/*
 * For an option that makes sense once: *field, NULL so far, becomes value. COMMAND_GO_ON, or
 * EXIT_USAGE where `name` was given before.
 */
int command_take_once(
	const struct command *c, const char **field, const char *name, const char *value);

/* Says what is wrong with the command line, and where help is. Returns EXIT_USAGE. */
int command_wrong(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says what failed. Returns EXIT_FAILED. */
int command_fail(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Says each line of `lines`, which end in newlines, as a warning. */
void command_warn(const struct command *c, const struct buffer *lines);

/*
 * Loads the configuration from the file of -c, otherwise from COMMAND_SYSTEM_FILE where that
 * exists, the environment and --set, and says all warnings and errors. EXIT_DONE: the caller frees
 * *ret with config_done(), and c->file is the file that was read, or NULL; otherwise the exit code.
 */
int command_load(struct command *c, struct config *ret) __attribute__((warn_unused_result));

/* Writes text to standard output, and says it where that failed. Returns the exit code. */
int command_print(const struct command *c, const struct buffer *text);

#endif
