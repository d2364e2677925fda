#include "config/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 64

static char name[] = "tool";

/* What a program may have of its own: an option with a value and one without. */
struct own {
	const char *output;
	int quiet;
};

static int take(struct command *c, int option, const char *value)
{
	struct own *own = c->own;

	if (option == 'o')
		return command_take_once(c, &own->output, "-o", value);
	own->quiet++;
	return COMMAND_GO_ON;
}

static void put_help(struct buffer *out)
{
	buffer_puts(out, "usage: tool\n" COMMAND_HELP_FIRST COMMAND_HELP_LAST);
}

static const struct option options[] = {
	COMMAND_OPTIONS,
	{"output", required_argument, NULL, 'o'},
	{"quiet", no_argument, NULL, 'q'},
	{NULL, 0, NULL, 0},
};

static struct command make(struct own *own)
{
	return (struct command){.program = name,
		.short_options = COMMAND_SHORT_OPTIONS "o:",
		.options = options,
		.put_help = put_help,
		.take = take,
		.own = own};
}

/* Standard output or error, caught in a file until said() reads it. */
struct catcher {
	int fd, saved;
	FILE *file;
};

static struct catcher catch (int fd)
{
	struct catcher c = {.fd = fd, .saved = dup(fd), .file = tmpfile()};

	assert_true(c.saved >= 0);
	assert_non_null(c.file);
	assert_int_equal(dup2(fileno(c.file), fd), fd);
	return c;
}

static void said(struct catcher *c, const char *expected)
{
	char text[4096];

	assert_int_equal(fflush(NULL), 0);
	assert_int_equal(dup2(c->saved, c->fd), c->fd);
	(void)close(c->saved);
	rewind(c->file);
	text[fread(text, 1, sizeof text - 1, c->file)] = '\0';
	(void)fclose(c->file);
	assert_string_equal(text, expected);
}

/* command_read() of a line of words between single blanks, the first of them the program. */
static int read_line(struct command *c, char *line)
{
	char *words[WORDS_MAX + 1] = {NULL};
	int n = 0;

	for (char *rest = NULL, *word = strtok_r(line, " ", &rest); word;
		word = strtok_r(NULL, " ", &rest)) {
		assert_true(n < WORDS_MAX);
		words[n++] = word;
	}
	return command_read(c, n, words);
}

static void test_all_options(void **state)
{
	char line[] = "/usr/bin/tool -c a.json one --set a=1 --quiet --set=b=2 -o out -- --two";
	struct own own = {0};
	struct command c = make(&own);

	(void)state;
	char *words[] = {NULL};
	assert_int_equal(command_read(&c, 0, words), COMMAND_GO_ON);
	assert_int_equal(c.operand_count, 0);
	command_done(&c);

	assert_int_equal(read_line(&c, line), COMMAND_GO_ON);
	assert_string_equal(c.file, "a.json");
	assert_int_equal(c.settings, 2);
	assert_string_equal(c.set[0], "a=1");
	assert_string_equal(c.set[1], "b=2");
	assert_string_equal(own.output, "out");
	assert_int_equal(own.quiet, 1);
	assert_int_equal(c.operand_count, 2);
	command_done(&c);
	assert_int_equal(c.settings, 0);
}

static void test_help_and_version(void **state)
{
	char help[] = "tool -c a -h --nonsense";
	char version[] = "tool --version -c a -c b";
	struct own own = {0};
	struct command c = make(&own);
	struct catcher out = catch (STDOUT_FILENO);

	(void)state;
	int code = read_line(&c, help);
	said(&out, "usage: tool\n" COMMAND_HELP_FIRST COMMAND_HELP_LAST);
	assert_int_equal(code, EXIT_DONE);
	command_done(&c);

	c = make(&own);
	out = catch (STDOUT_FILENO);
	code = read_line(&c, version);
	said(&out, "tool " QUERN_VERSION "\n");
	assert_int_equal(code, EXIT_DONE);
	command_done(&c);
}

static void expect_wrong(const char *text, const char *message)
{
	char line[128];
	char expected[256];
	struct own own = {0};
	struct command c = make(&own);
	struct catcher err = catch (STDERR_FILENO);

	(void)snprintf(line, sizeof line, "%s", text);
	(void)snprintf(expected, sizeof expected, "tool: %s\nTry 'tool --help'.\n", message);
	const int code = read_line(&c, line);
	said(&err, expected);
	assert_int_equal(code, EXIT_USAGE);
	command_done(&c);
}

/* The name is the program's, however it was called. */
static void test_wrong_usage(void **state)
{
	(void)state;
	expect_wrong("./a/b --nonsense", "unrecognized option '--nonsense'");
	expect_wrong("./a/b -x", "invalid option -- 'x'");
	expect_wrong("./a/b --set", "option '--set' requires an argument");
	expect_wrong("tool -c a -c a", "-c was given twice");
	expect_wrong("tool -o a --output=b", "-o was given twice");
}

static void test_load(void **state)
{
	char right[] = "tool -c /dev/stdin --set limits.queue=3 --set http.log_text=true";
	char wrong[] = "tool -c /nonexistent --set limits.queue=0 --set http.log_text=true";
	struct own own = {0};
	struct command c = make(&own);
	struct config config;

	(void)state;
	assert_int_equal(read_line(&c, right), COMMAND_GO_ON);
	/* An input of its own: what the test was started with is not the test's. */
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "{}", 2), 2);
	(void)close(pipes[1]);
	assert_int_equal(dup2(pipes[0], STDIN_FILENO), STDIN_FILENO);
	(void)close(pipes[0]);
	struct catcher err = catch (STDERR_FILENO);
	int code = command_load(&c, &config);
	said(&err, "tool: warning: --set: http.log_text: true has no effect without an access log "
		   "(http.access_log: false, default)\n");
	assert_int_equal(code, EXIT_DONE);
	assert_int_equal(config.limits_queue, 3);
	assert_string_equal(c.file, "/dev/stdin");
	config_done(&config);
	command_done(&c);

	c = make(&own);
	assert_int_equal(read_line(&c, wrong), COMMAND_GO_ON);
	err = catch (STDERR_FILENO);
	code = command_load(&c, &config);
	said(&err, "tool: /nonexistent: cannot be read: No such file or directory\n"
		   "tool: --set: limits.queue: \"0\" is out of range; allowed: a whole number from "
		   "1 to 1000000\n");
	assert_int_equal(code, EXIT_USAGE);
	command_done(&c);
}

static void test_warn(void **state)
{
	struct own own = {0};
	struct command c = make(&own);
	struct buffer lines;

	(void)state;
	buffer_init(&lines);
	struct catcher err = catch (STDERR_FILENO);
	command_warn(&c, &lines);
	said(&err, "");
	buffer_puts(&lines, "one\n\ntwo\n");
	err = catch (STDERR_FILENO);
	command_warn(&c, &lines);
	said(&err, "tool: warning: one\ntool: warning: \ntool: warning: two\n");
	buffer_done(&lines);
}

static void test_print_fails(void **state)
{
	struct own own = {0};
	struct command c = make(&own);
	struct buffer text;

	(void)state;
	buffer_init(&text);
	text.failed = true;
	struct catcher err = catch (STDERR_FILENO);
	const int code = command_print(&c, &text);
	said(&err, "tool: out of memory\n");
	assert_int_equal(code, EXIT_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_warn),
		cmocka_unit_test(test_print_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
