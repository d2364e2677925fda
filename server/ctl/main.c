/* quernctl: shows, changes and ends a running quernd. */
#include "config/command.h"
#include "config/config.h"
#include "lib/address.h"
#include "lib/number.h"
#include "server/ctl/ctl.h"
#include "server/ctl/trace.h"

#include <ctype.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char usage[] =
	"usage: quernctl [-c FILE] [--set SECTION.KEY=VALUE]... COMMAND\n"
	"       quernctl --admin ADDRESS COMMAND\n"
	"       quernctl -c FILE --admin OLD-ADDRESS upgrade\n"
	"\n"
	"Commands:\n"
	"  status                a table of the fleet and its workers\n"
	"  status --json         every figure, as the admin process gives it\n"
	"  top                   the table, every second anew; q quits\n"
	"  trace                 what the workers did last, as Chrome trace events, which\n"
	"                        Perfetto and 'quern-bench timeline' draw\n"
	"  reload                has quernd read its configuration again, and waits until it is\n"
	"                        in force\n"
	"  scale N               has it run N workers, 1 to workers.max, until the next reload\n"
	"  upgrade               replaces it by the program that its file is now, without a\n"
	"                        request being lost; the old one carries on if that fails\n"
	"  stop                  ends quernd by SIGTERM and waits until it is gone\n"
	"\n"
	"The configuration tells the admin address (admin.address). Options:\n"
	"\n" COMMAND_HELP_FIRST
	"      --admin ADDRESS   HOST:PORT of the admin process; no configuration is read,\n"
	"                        unless an upgrade is given one: it tells the address then\n"
	"      --json            with status: JSON instead of the table\n"
	"      --worker N        with trace: of the worker in that slot; else of all\n"
	"      --seconds S       with trace: of the last S seconds; else all that there is\n"
	"  -o, --output FILE     with trace: there, when all of it has come; else to standard\n"
	"                        output\n" COMMAND_HELP_LAST "\n"
	"QUERN_ADMIN_ADDRESS overrides the file's address. Colours are for terminals, and not "
	"when\n"
	"NO_COLOR is set.\n";

static const struct option options[] = {
	COMMAND_OPTIONS,
	{"admin", required_argument, NULL, 'a'},
	{"json", no_argument, NULL, 'j'},
	{"worker", required_argument, NULL, 'w'},
	{"seconds", required_argument, NULL, 'S'},
	{"output", required_argument, NULL, 'o'},
	{NULL, 0, NULL, 0},
};

struct wish {
	const char *admin; /* NULL: as configured */
	struct ctl_place place;
	bool json;
	uint32_t workers; /* of scale */
	struct ctl_trace_wish trace;
};

static void put_help(struct buffer *out)
{
	buffer_puts(out, usage);
}

static int take_wish(struct command *c, int option, const char *value)
{
	struct wish *wish = c->own;

	switch (option) {
	case 'a':
		return command_take_once(c, &wish->admin, "--admin", value);
	case 'w':
		return command_take_once(c, &wish->trace.worker, "--worker", value);
	case 'S':
		return command_take_once(c, &wish->trace.seconds, "--seconds", value);
	case 'o':
		return command_take_once(c, &wish->trace.file, "-o", value);
	default:
		wish->json = true;
		return COMMAND_GO_ON;
	}
}

static int run_status(const struct wish *wish)
{
	return ctl_status(wish->place.address, wish->json);
}

static int run_top(const struct wish *wish)
{
	return ctl_top(wish->place.address);
}

static int run_trace(const struct wish *wish)
{
	return ctl_trace(wish->place.address, &wish->trace);
}

static int run_reload(const struct wish *wish)
{
	return ctl_reload(&wish->place);
}

static int run_scale(const struct wish *wish)
{
	return ctl_scale(&wish->place, wish->workers);
}

static int run_upgrade(const struct wish *wish)
{
	return ctl_upgrade(&wish->place);
}

static int run_stop(const struct wish *wish)
{
	return ctl_stop(wish->place.address);
}

static const struct verb {
	const char *name;
	int (*run)(const struct wish *wish);
} verbs[] = {
	{"status", run_status},
	{"top", run_top},
	{"trace", run_trace},
	{"reload", run_reload},
	{"scale", run_scale},
	{"upgrade", run_upgrade},
	{"stop", run_stop},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int wrong_number(const struct command *c, const char *word)
{
	return command_wrong(c,
		"scale: \"%s\" is not allowed; allowed: a number of workers, 1 to workers.max",
		word);
}

/* The operands of a command: only scale has one. COMMAND_GO_ON, or the exit code. */
static int take_operands(const struct command *c, struct wish *wish)
{
	bool scales = strcmp(c->operands[0], "scale") == 0;
	int64_t workers;

	if (c->operand_count > (scales ? 2 : 1))
		return command_wrong(c, "unexpected argument: %s", c->operands[scales ? 2 : 1]);
	if (!scales)
		return COMMAND_GO_ON;
	if (c->operand_count < 2)
		return command_wrong(c, "scale needs a number of workers");
	/* What workers.max is, quernd tells. */
	if (number_parse_int(&workers, c->operands[1], strlen(c->operands[1]), 0, INT32_MAX) < 0)
		return wrong_number(c, c->operands[1]);
	wish->workers = (uint32_t)workers;
	return COMMAND_GO_ON;
}

/* The options of trace, which no other command has. COMMAND_GO_ON, or the exit code. */
static int check_trace(const struct command *c, const struct ctl_trace_wish *t)
{
	int64_t worker;
	double seconds;

	if ((t->worker || t->seconds || t->file) && strcmp(c->operands[0], "trace") != 0)
		return command_wrong(c, "%s belongs to trace",
			t->worker    ? "--worker"
			: t->seconds ? "--seconds"
				     : "-o");
	/* How many slots there are, quernd tells. */
	if (t->worker &&
		(number_parse_int(&worker, t->worker, strlen(t->worker), 0, INT32_MAX) < 0 ||
			strlen(t->worker) > CTL_TRACE_NUMBER))
		return command_wrong(c,
			"--worker: \"%s\" is not allowed; allowed: the number of a slot, from 0",
			t->worker);
	if (t->seconds && (number_parse_real(&seconds, t->seconds, strlen(t->seconds), 0,
				   CTL_TRACE_LONGEST_S) < 0 ||
				  seconds == 0 || strlen(t->seconds) > CTL_TRACE_NUMBER))
		return command_wrong(c,
			"--seconds: \"%s\" is not allowed; allowed: a number above 0, at most %g",
			t->seconds, CTL_TRACE_LONGEST_S);
	return COMMAND_GO_ON;
}

static bool is_configured(const struct command *c)
{
	return c->file || c->settings > 0;
}

/* COMMAND_GO_ON, or the exit code. */
static int check_usage(const struct command *c, struct wish *wish)
{
	struct address address;
	int code;

	if (c->operand_count == 0)
		return command_wrong(c, "a command is missing");
	if (!find_verb(c->operands[0]))
		return command_wrong(c, "no such command: %s", c->operands[0]);
	code = take_operands(c, wish);
	if (code != COMMAND_GO_ON)
		return code;
	if (wish->json && strcmp(c->operands[0], "status") != 0)
		return command_wrong(c, "--json belongs to status");
	code = check_trace(c, &wish->trace);
	if (code != COMMAND_GO_ON)
		return code;
	if (!wish->admin)
		return COMMAND_GO_ON;
	if (is_configured(c) && strcmp(c->operands[0], "upgrade") != 0)
		return command_wrong(c,
			"--admin excludes -c and --set, but for upgrade: no configuration is read");
	if (address_parse(&address, wish->admin, false) < 0)
		return command_wrong(c,
			"--admin: \"%s\" is not allowed; allowed: HOST:PORT or [IPv6]:PORT, "
			"numeric, port 1 to 65535",
			wish->admin);
	return COMMAND_GO_ON;
}

/* With --admin beside it, the configuration tells where quernd is once the upgrade is done. */
static int load_and_run(struct command *c, struct wish *wish)
{
	struct config config;

	int code = command_load(c, &config);
	if (code != EXIT_DONE)
		return code;
	wish->place.address = config.admin_address;
	wish->place.file = c->file;
	if (wish->admin) {
		wish->place.address = wish->admin;
		if (strcmp(wish->admin, config.admin_address) != 0)
			wish->place.then = config.admin_address;
	}
	code = find_verb(c->operands[0])->run(wish);
	config_done(&config);
	return code;
}

static int run(struct command *c, struct wish *wish)
{
	if (!wish->admin || is_configured(c))
		return load_and_run(c, wish);
	wish->place.address = wish->admin;
	return find_verb(c->operands[0])->run(wish);
}

/* "-1" after "scale" is a number, which getopt would take for options. COMMAND_GO_ON, or the exit code. */
static int check_numbers(const struct command *c, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "scale") == 0 && argv[i + 1][0] == '-' &&
			isdigit((unsigned char)argv[i + 1][1]))
			return wrong_number(c, argv[i + 1]);
	return COMMAND_GO_ON;
}

int main(int argc, char **argv)
{
	static char name[] = "quernctl";
	struct wish wish = {0};
	struct command command = {.program = name,
		.short_options = COMMAND_SHORT_OPTIONS "o:",
		.options = options,
		.put_help = put_help,
		.take = take_wish,
		.own = &wish};

	int code = check_numbers(&command, argc, argv);
	if (code == COMMAND_GO_ON)
		code = command_read(&command, argc, argv);
	if (code == COMMAND_GO_ON)
		code = check_usage(&command, &wish);
	if (code == COMMAND_GO_ON) {
		(void)setlocale(LC_CTYPE, "");
		code = run(&command, &wish);
	}
	command_done(&command);
	return code;
}
