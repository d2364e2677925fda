/* quern-bench: the capacity lab. Measures how a fleet's percentiles grow with utilization, and predicts it. */
#include "bench/cli.h"
#include "bench/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{"load", bench_load, "an open-loop load on any HTTP server, and its percentiles"},
	{"sweep", bench_sweep, "an experiment: many loads on fleets brought up for it"},
	{"chapter", bench_chapter, "an effect of a blocked loop, and its cures"},
	{"simulate", bench_simulate, "k workers behind a policy, simulated"},
	{"plan", bench_plan, "how many workers a rate and an objective need"},
	{"report", bench_report, "an experiment's results as a page and plots"},
	{"compare", bench_compare, "two experiments side by side"},
	{"timeline", bench_timeline,
		"a trace of the loop as a picture: who ran, who waited, for whom"},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static int print_help(void)
{
	(void)puts("usage: quern-bench COMMAND [OPTION]...\n\nCommands:");
	for (size_t i = 0; i < COMMANDS; i++)
		(void)printf("  %-10s%s\n", commands[i].name, commands[i].about);
	(void)puts("\n'quern-bench COMMAND --help' has a command's options. Options:\n\n"
		   "  -h, --help            prints this text\n"
		   "  -V, --version         prints the version\n\n"
		   "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 run void, 4 "
		   "objective cannot be met.");
	if (fflush(stdout) == 0)
		return BENCH_DONE;
	perror("quern-bench: cannot write to standard output");
	return BENCH_FAILED;
}

static int wrong(const char *what, const char *word)
{
	(void)fprintf(stderr, "quern-bench: %s%s\nTry 'quern-bench --help'.\n", what, word);
	return BENCH_USAGE;
}

static int print_version(void)
{
	(void)printf("quern-bench %s\n", QUERN_VERSION);
	return fflush(stdout) == 0 ? BENCH_DONE : BENCH_FAILED;
}

int main(int argc, char **argv)
{
	/* A reader that leaves is an error of write(), which is told. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return wrong("a command is missing", "");
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return print_help();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		return print_version();
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return wrong(word[0] == '-' ? "no such option: " : "no such command: ", word);
}
