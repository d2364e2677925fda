/* quernd: command line, configuration, then the master. */
#include "config/config.h"
#include "lib/log.h"
#include "server/master.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define MAX_SETTINGS 256

enum mode { MODE_SERVE, MODE_CHECK, MODE_PRINT_CONFIG, MODE_PRINT_SCHEMA, MODE_VERSION, MODE_HELP };

struct command {
	enum mode mode;
	const char *file; /* NULL: defaults, environment and --set only */
	const char *set[MAX_SETTINGS];
	size_t settings;
};

static const char usage[] =
	"usage: quernd [-c FILE] [--set SECTION.KEY=VALUE]...\n"
	"\n"
	"  -c, --config FILE    read the configuration (JSON); without it all options have their "
	"defaults\n"
	"      --set KEY=VALUE  set one option, over the file and the environment; may be "
	"repeated\n"
	"      --check          check the configuration and exit\n"
	"      --print-config   print the configuration in force as JSON and exit\n"
	"      --print-schema   print the JSON Schema of the configuration file and exit\n"
	"      --version        print the version and exit\n"
	"      --help           print this text and exit\n"
	"\n"
	"Signals to the master: SIGTERM, SIGINT and SIGHUP finish the requests under way, at most "
	"workers.drain_ms, and\n"
	"exit; a second SIGINT ends at once.\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n"
	"\n"
	"Options, each also taken from the environment variable named beside it:\n"
	"\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"set", required_argument, NULL, 's'},
	{"check", no_argument, NULL, 'k'},
	{"print-config", no_argument, NULL, 'p'},
	{"print-schema", no_argument, NULL, 'j'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int try_help(void)
{
	(void)fprintf(stderr, "Try 'quernd --help'.\n");
	return -EINVAL;
}

static int wrong_usage(const char *message, const char *value)
{
	(void)fprintf(stderr, "quernd: %s%s\n", message, value);
	return try_help();
}

static int read_option(struct command *c, int option)
{
	switch (option) {
	case 'c':
		if (c->file)
			return wrong_usage("-c was given twice", "");
		c->file = optarg;
		return 0;
	case 's':
		if (c->settings == MAX_SETTINGS)
			return wrong_usage("too many --set", "");
		c->set[c->settings++] = optarg;
		return 0;
	case 'k':
		c->mode = MODE_CHECK;
		return 0;
	case 'p':
		c->mode = MODE_PRINT_CONFIG;
		return 0;
	case 'j':
		c->mode = MODE_PRINT_SCHEMA;
		return 0;
	case 'v':
		c->mode = MODE_VERSION;
		return 0;
	case 'h':
		c->mode = MODE_HELP;
		return 0;
	default:
		return try_help(); /* getopt has said what was wrong */
	}
}

static int read_command(struct command *c, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
		if (read_option(c, option) != 0)
			return -EINVAL;
	return optind == argc ? 0 : wrong_usage("unexpected argument: ", argv[optind]);
}

/* Prints what a printing function made. */
static int print(struct buffer *text)
{
	bool ok = !text->failed && fwrite(text->data, 1, text->len, stdout) == text->len &&
		  fflush(stdout) == 0;

	buffer_done(text);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

static int print_help(void)
{
	struct buffer text;

	buffer_init(&text);
	buffer_puts(&text, usage);
	config_print_help(&text);
	return print(&text);
}

static int print_schema(void)
{
	struct buffer text;

	buffer_init(&text);
	config_print_schema(&text);
	return print(&text);
}

static int print_config(const struct config *config)
{
	struct buffer text;

	buffer_init(&text);
	config_print_json(config, &text);
	return print(&text);
}

static void tell(const struct buffer *lines)
{
	if (lines->len > 0)
		(void)fwrite(lines->data, 1, lines->len, stderr);
}

static int load(struct config *config, const struct command *c)
{
	struct buffer errors, warnings;

	buffer_init(&errors);
	buffer_init(&warnings);
	int error = config_load(config, c->file, environ, c->set, c->settings, &errors, &warnings);
	tell(&warnings);
	tell(&errors);
	buffer_done(&errors);
	buffer_done(&warnings);
	return error;
}

static int serve(const struct config *config, const char *file)
{
	char path[PATH_MAX];
	int error = log_open((enum log_level)config->log_level, config->log_destination);

	if (error) {
		(void)fprintf(stderr, "quernd: cannot open the log (log.destination) %s: %s\n",
			config->log_destination, strerror(-error));
		return EXIT_FAILED;
	}
	return master_run(config, file ? realpath(file, path) : NULL);
}

static int run(const struct config *config, const struct command *c)
{
	switch (c->mode) {
	case MODE_CHECK:
		(void)printf("configuration ok: %s\n", c->file ? c->file : "defaults");
		return EXIT_DONE;
	case MODE_PRINT_CONFIG:
		return print_config(config);
	default:
		return serve(config, c->file);
	}
}

/*
 * A caller may have closed standard input, output or error. The first sockets would then get their
 * numbers, and the log would go to a client.
 */
static int keep_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -errno : close(fd);
}

int main(int argc, char **argv)
{
	struct command command = {.mode = MODE_SERVE};
	struct config config;

	if (keep_standard_descriptors() != 0)
		return EXIT_FAILED;
	if (read_command(&command, argc, argv) != 0)
		return EXIT_USAGE;
	if (command.mode == MODE_HELP)
		return print_help();
	if (command.mode == MODE_PRINT_SCHEMA)
		return print_schema();
	if (command.mode == MODE_VERSION) {
		(void)printf("quernd %s\n", QUERN_VERSION);
		return EXIT_DONE;
	}
	if (load(&config, &command) != 0)
		return EXIT_USAGE;
	int code = run(&config, &command);
	config_done(&config);
	return code;
}
