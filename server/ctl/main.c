/* quernctl: shows and ends a running quernd. */
#include "config/config.h"
#include "server/ctl/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_FILE "config/quern.json"
#define SYSTEM_FILE "/etc/quern/quern.json"

static const char usage[] =
	"Usage: quernctl [-c FILE | --admin ADDRESS] COMMAND\n"
	"\n"
	"Commands:\n"
	"  status          a table of the fleet and its workers\n"
	"  status --json   every figure, as the admin process gives it\n"
	"  top             the table, every second anew; q quits\n"
	"  stop            ends quernd by SIGTERM and waits until it is gone\n"
	"\n"
	"Options:\n"
	"  -c, --config FILE    configuration that names the admin address (admin.address);\n"
	"                       otherwise " LOCAL_FILE ", or " SYSTEM_FILE "\n"
	"      --admin ADDRESS  HOST:PORT of the admin process; no configuration is read\n"
	"      --json           with status: JSON instead of the table\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n"
	"\n"
	"QUERN_ADMIN_ADDRESS overrides the configuration's address. Colours are for terminals, "
	"and\n"
	"not when NO_COLOR is set. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n";

struct command_line {
	const char *file;
	const char *admin;
	const char *command;
	bool json;
};

static int complain(const char *what, const char *word)
{
	(void)fprintf(stderr, "quernctl: %s%s%s; see quernctl --help\n", what, word ? ": " : "",
		word ? word : "");
	return CTL_USAGE;
}

static int show(const char *text)
{
	return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}

/* -1: go on; otherwise the exit code. */
static int parse_options(struct command_line *ret, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"admin", required_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->file = optarg;
			break;
		case 'a':
			ret->admin = optarg;
			break;
		case 'j':
			ret->json = true;
			break;
		case 'h':
			return show(usage);
		case 'V':
			return show("quernctl " QUERN_VERSION "\n");
		default:
			(void)fprintf(stderr, "see quernctl --help\n");
			return CTL_USAGE;
		}
	}
	if (optind == argc)
		return complain("a command is missing", NULL);
	if (optind + 1 < argc)
		return complain("unexpected argument", argv[optind + 1]);
	ret->command = argv[optind];
	if (ret->file && ret->admin)
		return complain("-c and --admin exclude each other", NULL);
	if (ret->json && strcmp(ret->command, "status") != 0)
		return complain("--json belongs to status", NULL);
	return -1;
}

/* The admin address of the configuration, to be freed; NULL when it is in error, which has been
 * said. */
static char *configured_address(const char *file)
{
	struct buffer errors, warnings;
	struct config config;
	char *address = NULL;

	if (!file && access(LOCAL_FILE, F_OK) == 0)
		file = LOCAL_FILE;
	else if (!file && access(SYSTEM_FILE, F_OK) == 0)
		file = SYSTEM_FILE;
	buffer_init(&errors);
	buffer_init(&warnings);
	if (config_load(&config, file, environ, NULL, 0, &errors, &warnings) == 0) {
		address = strdup(config.admin_address);
		if (!address)
			(void)fprintf(stderr, "quernctl: out of memory\n");
		config_done(&config);
	} else if (fwrite(errors.data, 1, errors.len, stderr) < errors.len) {
		/* Nobody can be told; the exit code remains. */
		address = NULL;
	}
	buffer_done(&errors);
	buffer_done(&warnings);
	return address;
}

static int run(const struct command_line *line, const char *address)
{
	if (strcmp(line->command, "status") == 0)
		return ctl_status(address, line->json);
	if (strcmp(line->command, "top") == 0)
		return ctl_top(address);
	return ctl_stop(address);
}

static bool is_command(const char *word)
{
	return strcmp(word, "status") == 0 || strcmp(word, "top") == 0 || strcmp(word, "stop") == 0;
}

int main(int argc, char **argv)
{
	struct command_line line = {0};
	int r = parse_options(&line, argc, argv);
	char *address;

	if (r >= 0)
		return r;
	if (!is_command(line.command))
		return complain("no such command", line.command);
	(void)setlocale(LC_CTYPE, "");
	address = line.admin ? strdup(line.admin) : configured_address(line.file);
	if (!address)
		return CTL_USAGE;
	r = run(&line, address);
	free(address);
	return r;
}
