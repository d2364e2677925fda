/* quern-balancer: Quern's configuration as one for HAProxy. */
#include "balancer/render.h"
#include "config/command.h"
#include "config/config.h"
#include "lib/buffer.h"
#include "lib/file.h"

#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: quern-balancer render [-c FILE] [--set SECTION.KEY=VALUE]... [-o FILE]\n"
	"\n"
	"Prints HAProxy's configuration for the workers of quernd, made from the same "
	"configuration.\n"
	"\n" COMMAND_HELP_FIRST
	"  -o, --output FILE     writes to FILE, which is replaced in one step; otherwise to\n"
	"                        standard output\n" COMMAND_HELP_LAST;

static const struct option options[] = {
	COMMAND_OPTIONS,
	{"output", required_argument, NULL, 'o'},
	{NULL, 0, NULL, 0},
};

static void put_help(struct buffer *out)
{
	buffer_puts(out, usage);
}

static int take_output(struct command *c, int option, const char *value)
{
	const char **output = c->own;

	(void)option;
	return command_take_once(c, output, "-o", value);
}

static int print(const struct command *c, const char *output, const struct buffer *content)
{
	const int r = output ? file_replace(output, content->data, content->len)
			     : file_write_all(STDOUT_FILENO, content->data, content->len);

	if (r < 0)
		return command_fail(c, "%s: %s", output ? output : "standard output", strerror(-r));
	return EXIT_DONE;
}

static int render(const struct command *c, const char *output, const struct config *config)
{
	if (config->balancer_kind == BALANCER_NONE) {
		(void)command_fail(c,
			"balancer.kind is none: the workers listen on balancer.listen "
			"themselves");
		return EXIT_USAGE;
	}
	struct buffer content;
	buffer_init(&content);
	const int r = render_haproxy(config, &content);
	const int code = r < 0 ? command_fail(c, "haproxy.cfg: %s", strerror(-r))
			       : print(c, output, &content);
	buffer_done(&content);
	return code;
}

static int run(struct command *c, const char *output)
{
	struct config config;

	if (c->operand_count != 1 || strcmp(c->operands[0], "render") != 0)
		return command_wrong(c, "the command is missing, or is not \"render\"");
	int code = command_load(c, &config);
	if (code != EXIT_DONE)
		return code;
	code = render(c, output, &config);
	config_done(&config);
	return code;
}

int main(int argc, char **argv)
{
	static char name[] = "quern-balancer";
	const char *output = NULL;
	struct command command = {.program = name,
		.short_options = COMMAND_SHORT_OPTIONS "o:",
		.options = options,
		.put_help = put_help,
		.take = take_output,
		.own = &output};

	int code = command_read(&command, argc, argv);
	if (code == COMMAND_GO_ON)
		code = run(&command, output);
	command_done(&command);
	return code;
}
