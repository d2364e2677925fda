/* quernctl: shows, changes and ends a running quernd. */
#include "config/command.h"
#include "config/config.h"
#include "lib/address.h"
#include "lib/number.h"
#include "server/ctl/ctl.h"

#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char usage[] =
	"usage: quernctl [-c FILE] [--set SECTION.KEY=VALUE]... COMMAND\n"
	"       quernctl --admin ADDRESS COMMAND\n"
	"\n"
	"Commands:\n"
	"  status                a table of the fleet and its workers\n"
	"  status --json         every figure, as the admin process gives it\n"
	"  top                   the table, every second anew; q quits\n"
	"  reload                has quernd read its configuration again, and waits until it is\n"
	"                        in force\n"
	"  scale N               has it run N workers, 1 to workers.max, until the next reload\n"
	"  upgrade               replaces it by the program that its file is now, without a\n"
	"                        request being lost; the old one carries on if that fails\n"
	"  stop                  ends quernd by SIGTERM and waits until it is gone\n"
	"\n"
	"The configuration tells the admin address (admin.address). Options:\n"
	"\n" COMMAND_HELP_FIRST
	"      --admin ADDRESS   HOST:PORT of the admin process; no configuration is read\n"
	"      --json            with status: JSON instead of the table\n" COMMAND_HELP_LAST "\n"
	"QUERN_ADMIN_ADDRESS overrides the file's address. Colours are for terminals, and not "
	"when\n"
	"NO_COLOR is set.\n";

static const struct option options[] = {
	COMMAND_OPTIONS,
	{"admin", required_argument, NULL, 'a'},
	{"json", no_argument, NULL, 'j'},
	{NULL, 0, NULL, 0},
};

struct wish {
	const char *admin; /* NULL: as configured */
	bool json;
	uint32_t workers; /* of scale */
};

static void put_help(struct buffer *out)
{
	buffer_puts(out, usage);
}

static int take_wish(struct command *c, int option, const char *value)
{
	struct wish *wish = c->own;

	if (option == 'a')
		return command_take_once(c, &wish->admin, "--admin", value);
	wish->json = true;
	return COMMAND_GO_ON;
}

static int run_status(const char *address, const struct wish *wish)
{
	return ctl_status(address, wish->json);
}

static int run_top(const char *address, const struct wish *wish)
{
	(void)wish;
	return ctl_top(address);
}

static int run_reload(const char *address, const struct wish *wish)
{
	(void)wish;
	return ctl_reload(address);
}

static int run_scale(const char *address, const struct wish *wish)
{
	return ctl_scale(address, wish->workers);
}

static int run_upgrade(const char *address, const struct wish *wish)
{
	(void)wish;
	return ctl_upgrade(address);
}

static int run_stop(const char *address, const struct wish *wish)
{
	(void)wish;
	return ctl_stop(address);
}

static const struct verb {
	const char *name;
	int (*run)(const char *address, const struct wish *wish);
} verbs[] = {
	{"status", run_status},
	{"top", run_top},
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
	/* What is allowed beside that, quernd tells. */
	if (number_parse_int(&workers, c->operands[1], strlen(c->operands[1]), 0, INT32_MAX) < 0)
		return command_wrong(c, "scale: \"%s\" is not a number of workers", c->operands[1]);
	wish->workers = (uint32_t)workers;
	return COMMAND_GO_ON;
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
	if (!wish->admin)
		return COMMAND_GO_ON;
	if (c->file || c->settings > 0)
		return command_wrong(c, "--admin excludes -c and --set: no configuration is read");
	if (address_parse(&address, wish->admin, false) < 0)
		return command_wrong(c,
			"--admin: \"%s\" is not allowed; allowed: HOST:PORT or [IPv6]:PORT, "
			"numeric, port 1 to 65535",
			wish->admin);
	return COMMAND_GO_ON;
}

static int load_and_run(struct command *c, const struct wish *wish)
{
	struct config config;

	int code = command_load(c, &config);
	if (code != EXIT_DONE)
		return code;
	code = find_verb(c->operands[0])->run(config.admin_address, wish);
	config_done(&config);
	return code;
}

int main(int argc, char **argv)
{
	static char name[] = "quernctl";
	struct wish wish = {0};
	struct command command = {.program = name,
		.short_options = COMMAND_SHORT_OPTIONS,
		.options = options,
		.put_help = put_help,
		.take = take_wish,
		.own = &wish};

	int code = command_read(&command, argc, argv);
	if (code == COMMAND_GO_ON)
		code = check_usage(&command, &wish);
	if (code == COMMAND_GO_ON) {
		(void)setlocale(LC_CTYPE, "");
		code = wish.admin ? find_verb(command.operands[0])->run(wish.admin, &wish)
				  : load_and_run(&command, &wish);
	}
	command_done(&command);
	return code;
}
