/* quernd: command line, configuration, then the master. */
#include "config/command.h"
#include "config/config.h"
#include "lib/log.h"
#include "server/check.h"
#include "server/libevent_log.h"
#include "server/loop_memory.h"
#include "server/master.h"
#include "server/succession.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mode { MODE_SERVE, MODE_CHECK, MODE_PRINT_CONFIG, MODE_PRINT_SCHEMA };

static const char usage[] =
	"usage: quernd [-c FILE] [--set SECTION.KEY=VALUE]...\n"
	"\n" COMMAND_HELP_FIRST
	"      --check           checks the configuration, says what would run, and exits\n"
	"      --print-config    prints the configuration in force as JSON\n"
	"      --print-schema    prints the JSON Schema of the file\n" COMMAND_HELP_LAST "\n"
	"Signals to the master: SIGTERM and SIGINT finish the requests under way, at most\n"
	"workers.drain_ms, and exit; a second SIGINT ends at once. SIGHUP reads the configuration "
	"again,\n"
	"SIGUSR2 starts the program anew and hands over to it, SIGUSR1 opens the log's file "
	"again,\n"
	"SIGTTIN and SIGTTOU start and end one worker; quernctl sends them and tells the outcome.\n"
	"Exit code 3: no worker lives long enough to serve.\n"
	"\n"
	"Options, each also taken from the environment variable named beside it:\n"
	"\n";

static const struct option options[] = {
	COMMAND_OPTIONS,
	{"check", no_argument, NULL, 'k'},
	{"print-config", no_argument, NULL, 'p'},
	{"print-schema", no_argument, NULL, 'j'},
	{NULL, 0, NULL, 0},
};

static void put_help(struct buffer *out)
{
	buffer_puts(out, usage);
	config_print_help(out);
}

static int take_mode(struct command *c, int option, const char *value)
{
	enum mode *mode = c->own;

	(void)value;
	*mode = option == 'k' ? MODE_CHECK : option == 'p' ? MODE_PRINT_CONFIG : MODE_PRINT_SCHEMA;
	return COMMAND_GO_ON;
}

/* Prints what a printing function made, and frees it. */
static int print(const struct command *c, struct buffer *text)
{
	const int code = command_print(c, text);

	buffer_done(text);
	return code;
}

static int print_schema(const struct command *c)
{
	struct buffer text;

	buffer_init(&text);
	config_print_schema(&text);
	return print(c, &text);
}

static int print_config(const struct command *c, const struct config *config)
{
	struct buffer text;

	buffer_init(&text);
	config_print_json(config, &text);
	return print(c, &text);
}

static int check(const struct command *c, const struct config *config)
{
	struct buffer text, warnings;

	buffer_init(&warnings);
	check_files(config, &warnings);
	command_warn(c, &warnings);
	buffer_done(&warnings);

	buffer_init(&text);
	buffer_printf(&text, "configuration ok: %s (", c->file ? c->file : "no file");
	check_summarize(config, &text);
	buffer_puts(&text, ")\n");
	return print(c, &text);
}

static int serve(const struct command *c, struct config *config, char **argv)
{
	char path[PATH_MAX];
	struct master_options master = {
		.config = config,
		.config_path = c->file ? realpath(c->file, path) : NULL,
		.source = {.file = c->file,
			.set = c->set,
			.settings = c->settings,
			.environment = environ},
		.argv = argv,
	};
	int error = log_open((enum log_level)config->log_level, config->log_destination);

	if (error)
		return command_fail(c, "cannot open the log (log.destination) %s: %s",
			config->log_destination, strerror(-error));
	libevent_log_install();
	error = loop_memory_install();
	if (error)
		log_warn("cannot reserve addresses for event loops, so that more memory stays "
			 "after many connections: %s",
			strerror(-error));
	return master_run(&master);
}

static int run(struct command *c, enum mode mode, char **argv)
{
	struct config config;
	int code;

	if (c->operand_count > 0)
		return command_wrong(c, "unexpected argument: %s", c->operands[0]);
	if (mode == MODE_PRINT_SCHEMA)
		return print_schema(c);
	if (mode == MODE_SERVE)
		master_hold_signals();
	code = command_load(c, &config);
	if (code != EXIT_DONE) {
		if (mode == MODE_SERVE)
			succession_tell("its configuration is wrong; see the log");
		return code;
	}
	if (mode == MODE_CHECK)
		code = check(c, &config);
	else if (mode == MODE_PRINT_CONFIG)
		code = print_config(c, &config);
	else
		code = serve(c, &config, argv);
	config_done(&config);
	return code;
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
	static char name[] = "quernd";
	enum mode mode = MODE_SERVE;
	struct command command = {.program = name,
		.short_options = COMMAND_SHORT_OPTIONS,
		.options = options,
		.put_help = put_help,
		.take = take_mode,
		.own = &mode};

	if (keep_standard_descriptors() != 0)
		return EXIT_FAILED;
	int code = command_read(&command, argc, argv);
	if (code == COMMAND_GO_ON)
		code = run(&command, mode, argv);
	command_done(&command);
	return code;
}
