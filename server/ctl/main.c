/* quernctl: shows and ends a running quernd. */
#include "config/command.h"
#include "config/config.h"
#include "lib/address.h"
#include "server/ctl/ctl.h"

#include <locale.h>
#include <stdbool.h>
#include <string.h>

static const char usage[] =
	"usage: quernctl [-c FILE] [--set SECTION.KEY=VALUE]... COMMAND\n"
	"       quernctl --admin ADDRESS COMMAND\n"
	"\n"
	"Commands:\n"
	"  status                a table of the fleet and its workers\n"
	"  status --json         every figure, as the admin process gives it\n"
	"  top                   the table, every second anew; q quits\n"
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

static bool is_command(const char *word)
{
	return strcmp(word, "status") == 0 || strcmp(word, "top") == 0 || strcmp(word, "stop") == 0;
}

/* COMMAND_GO_ON, or the exit code. */
static int check_usage(const struct command *c, const struct wish *wish)
{
	struct address address;

	if (c->operand_count == 0)
		return command_wrong(c, "a command is missing");
	if (!is_command(c->operands[0]))
		return command_wrong(c, "no such command: %s", c->operands[0]);
	if (c->operand_count > 1)
		return command_wrong(c, "unexpected argument: %s", c->operands[1]);
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

static int run(const char *command, const char *address, bool json)
{
	if (strcmp(command, "status") == 0)
		return ctl_status(address, json);
	if (strcmp(command, "top") == 0)
		return ctl_top(address);
	return ctl_stop(address);
}

static int load_and_run(struct command *c, const struct wish *wish)
{
	struct config config;

	int code = command_load(c, &config);
	if (code != EXIT_DONE)
		return code;
	code = run(c->operands[0], config.admin_address, wish->json);
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
		code = wish.admin ? run(command.operands[0], wish.admin, wish.json)
				  : load_and_run(&command, &wish);
	}
	command_done(&command);
	return code;
}
