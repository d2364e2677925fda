#include "config/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const struct command *c, const char *format, va_list arguments)
{
	(void)fprintf(stderr, "%s: ", c->program);
	(void)vfprintf(stderr, format, arguments);
	(void)fputc('\n', stderr);
}

static int try_help(const struct command *c)
{
	(void)fprintf(stderr, "Try '%s --help'.\n", c->program);
	return EXIT_USAGE;
}

int command_wrong(const struct command *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(c, format, arguments);
	va_end(arguments);
	return try_help(c);
}

int command_fail(const struct command *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(c, format, arguments);
	va_end(arguments);
	return EXIT_FAILED;
}

/* One write for all lines, so that other programs' lines do not come between them. */
static void say_lines(const struct command *c, const char *kind, const struct buffer *lines)
{
	struct buffer out;

	buffer_init(&out);
	for (size_t at = 0; at < lines->len;) {
		const char *line = lines->data + at;
		const char *end = memchr(line, '\n', lines->len - at);
		const size_t len = end ? (size_t)(end - line) + 1 : lines->len - at;
		buffer_printf(&out, "%s: %s", c->program, kind);
		buffer_append(&out, line, len);
		at += len;
	}
	if (out.len > 0)
		(void)fwrite(out.data, 1, out.len, stderr);
	buffer_done(&out);
}

void command_warn(const struct command *c, const struct buffer *lines)
{
	say_lines(c, "warning: ", lines);
}

int command_print(const struct command *c, const struct buffer *text)
{
	if (text->failed)
		return command_fail(c, "out of memory");
	if (fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0)
		return EXIT_DONE;
	return command_fail(c, "cannot write to standard output: %s", strerror(errno));
}

static int print_help(const struct command *c)
{
	struct buffer text;

	buffer_init(&text);
	c->put_help(&text);
	const int code = command_print(c, &text);
	buffer_done(&text);
	return code;
}

static int print_version(const struct command *c)
{
	struct buffer text;

	buffer_init(&text);
	buffer_printf(&text, "%s %s\n", c->program, QUERN_VERSION);
	const int code = command_print(c, &text);
	buffer_done(&text);
	return code;
}

int command_take_once(
	const struct command *c, const char **field, const char *name, const char *value)
{
	if (*field)
		return command_wrong(c, "%s was given twice", name);
	*field = value;
	return COMMAND_GO_ON;
}

static int take(struct command *c, int option)
{
	switch (option) {
	case 'c':
		return command_take_once(c, &c->file, "-c", optarg);
	case 's':
		c->set[c->settings++] = optarg;
		return COMMAND_GO_ON;
	case 'h':
		return print_help(c);
	case 'V':
		return print_version(c);
	case '?':
		return try_help(c); /* getopt has said what was wrong */
	default:
		return c->take(c, option, optarg);
	}
}

int command_read(struct command *c, int argc, char **argv)
{
	int option;

	/* No command line has more --set than words. */
	c->set = calloc((size_t)argc + 1, sizeof *c->set);
	if (!c->set)
		return command_fail(c, "out of memory");
	if (argc > 0)
		argv[0] = c->program;
	optind = 0; /* getopt begins anew, should this not be the first command line it sees */
	while ((option = getopt_long(argc, argv, c->short_options, c->options, NULL)) != -1) {
		const int code = take(c, option);
		if (code != COMMAND_GO_ON)
			return code;
	}
	if (optind < argc) {
		c->operands = argv + optind;
		c->operand_count = argc - optind;
	}
	return COMMAND_GO_ON;
}

void command_done(struct command *c)
{
	free(c->set);
	c->set = NULL;
	c->settings = 0;
}

/* A file that is there but cannot be reached is an error, which reading it will show. */
static bool exists(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int command_load(struct command *c, struct config *ret)
{
	struct buffer errors, warnings;

	if (!c->file && exists(COMMAND_SYSTEM_FILE))
		c->file = COMMAND_SYSTEM_FILE;
	buffer_init(&errors);
	buffer_init(&warnings);
	const int error =
		config_load(ret, c->file, environ, c->set, c->settings, &errors, &warnings);
	say_lines(c, "warning: ", &warnings);
	say_lines(c, "", &errors);
	buffer_done(&errors);
	buffer_done(&warnings);
	if (error == -ENOMEM)
		return command_fail(c, "out of memory");
	return error < 0 ? EXIT_USAGE : EXIT_DONE;
}
