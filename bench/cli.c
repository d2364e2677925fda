#include "bench/cli.h"

#include "lib/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void say(const struct cli *c, const char *format, va_list arguments)
{
	(void)fprintf(stderr, "quern-bench %s: ", c->command);
	(void)vfprintf(stderr, format, arguments);
	(void)fputc('\n', stderr);
}

int cli_wrong(const struct cli *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(c, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "Try 'quern-bench %s --help'.\n", c->command);
	return BENCH_USAGE;
}

int cli_fail(const struct cli *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(c, format, arguments);
	va_end(arguments);
	return BENCH_FAILED;
}

void cli_begin(struct cli *c, int argc, char **argv)
{
	c->argv = argv;
	c->argc = argc;
	c->at = 1;
	c->seen = 0;
}

#define HELP_COLUMN 24

static void put_help_of(
	struct buffer *out, const char *name, const char *argument, const char *help)
{
	const size_t start = out->len;

	buffer_printf(out, "  %s%s%s", name, argument ? " " : "", argument ? argument : "");
	if (out->len - start >= HELP_COLUMN)
		buffer_printf(out, "\n%*s", HELP_COLUMN, "");
	else
		buffer_printf(out, "%*s", (int)(HELP_COLUMN - (out->len - start)), "");
	for (const char *at = help; *at; at++) {
		buffer_putc(out, *at);
		if (*at == '\n')
			buffer_printf(out, "%*s", HELP_COLUMN, "");
	}
	buffer_putc(out, '\n');
}

static int answer_help(const struct cli *c)
{
	struct buffer out;
	int result = CLI_HELP;

	buffer_init(&out);
	buffer_printf(&out, "usage: quern-bench %s%s%s [OPTION]...\n\n%s\n\nOptions:\n", c->command,
		*c->operands ? " " : "", c->operands, c->about);
	for (const struct cli_option *o = c->options; o->name; o++)
		put_help_of(&out, o->name, o->argument, o->help);
	put_help_of(&out, "-h, --help", NULL, "prints this text");
	buffer_puts(&out,
		"\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 run void, 4 "
		"objective cannot be met.\n");
	if (out.failed || fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
		(void)cli_fail(c, "cannot write to standard output: %s",
			out.failed ? strerror(ENOMEM) : strerror(errno));
		result = CLI_WRONG;
	}
	buffer_done(&out);
	return result;
}

/* The option that word[0..len) names, or -1. */
static int find(const struct cli *c, const char *word, size_t len)
{
	for (int i = 0; c->options[i].name; i++)
		if (strlen(c->options[i].name) == len && memcmp(c->options[i].name, word, len) == 0)
			return i;
	return -1;
}

static int take_value(
	struct cli *c, int found, const char *word, const char *equals, const char **ret_value)
{
	const struct cli_option *o = &c->options[found];

	*ret_value = NULL;
	if (c->seen >> found & 1) {
		(void)cli_wrong(c, "%s was given twice", o->name);
		return CLI_WRONG;
	}
	c->seen |= UINT64_C(1) << found;
	if (!o->argument) {
		if (!equals)
			return found;
		(void)cli_wrong(c, "%s takes no value: %s", o->name, word);
		return CLI_WRONG;
	}
	if (!equals && c->at == c->argc) {
		(void)cli_wrong(c, "%s needs a value: %s %s", o->name, o->name, o->argument);
		return CLI_WRONG;
	}
	*ret_value = equals ? equals + 1 : c->argv[c->at++];
	return found;
}

int cli_next(struct cli *c, const char **ret_value)
{
	if (c->at >= c->argc)
		return CLI_END;
	const char *word = c->argv[c->at++];

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return answer_help(c);
	if (word[0] != '-' || word[1] == '\0') {
		*ret_value = word;
		return CLI_OPERAND;
	}
	const char *equals = strchr(word, '=');
	const int found = find(c, word, equals ? (size_t)(equals - word) : strlen(word));
	if (found < 0) {
		(void)cli_wrong(c, "no such option: %s", word);
		return CLI_WRONG;
	}
	return take_value(c, found, word, equals, ret_value);
}

int cli_read(struct cli *c, int (*take)(void *own, int option, const char *value), void *own)
{
	const char *value;
	int option, said = BENCH_GO_ON;

	while (said == BENCH_GO_ON && (option = cli_next(c, &value)) != CLI_END) {
		if (option == CLI_HELP)
			said = BENCH_DONE;
		else if (option == CLI_WRONG)
			said = BENCH_USAGE;
		else
			said = take(own, option, value);
	}
	return said;
}

int cli_real(const struct cli *c, const char *option, const char *value, double low, double high,
	double *ret)
{
	if (number_parse_real(ret, value, strlen(value), low, high) == 0)
		return BENCH_GO_ON;
	return cli_wrong(c, "%s: \"%s\" is not allowed; allowed: a number from %g to %g", option,
		value, low, high);
}

int cli_rate(const struct cli *c, const char *option, const char *value, double *ret)
{
	double rate;

	if (number_parse_real(&rate, value, strlen(value), 0, 1e7) == 0 && rate > 0) {
		*ret = rate;
		return BENCH_GO_ON;
	}
	return cli_wrong(c,
		"%s: \"%s\" is not allowed; allowed: requests a second, above 0, at most 10000000",
		option, value);
}

int cli_count(const struct cli *c, const char *option, const char *value, uint64_t low,
	uint64_t high, uint64_t *ret)
{
	int64_t count;

	if (number_parse_int(&count, value, strlen(value), (int64_t)low, (int64_t)high) == 0) {
		*ret = (uint64_t)count;
		return BENCH_GO_ON;
	}
	return cli_wrong(c, "%s: \"%s\" is not allowed; allowed: a whole number from %llu to %llu",
		option, value, (unsigned long long)low, (unsigned long long)high);
}

/* 1500000 as "1500ms", in the largest unit that leaves it whole. */
static const char *duration_text(uint64_t us, char *text, size_t n)
{
	if (us % 1000000 == 0)
		(void)snprintf(text, n, "%llus", (unsigned long long)(us / 1000000));
	else if (us % 1000 == 0)
		(void)snprintf(text, n, "%llums", (unsigned long long)(us / 1000));
	else
		(void)snprintf(text, n, "%lluus", (unsigned long long)us);
	return text;
}

int cli_duration(const struct cli *c, const char *option, const char *value, uint64_t low_us,
	uint64_t high_us, uint64_t *ret_us)
{
	char low[24], high[24];
	int64_t us;

	if (number_parse_duration_us(
		    &us, value, strlen(value), (int64_t)low_us, (int64_t)high_us) == 0) {
		*ret_us = (uint64_t)us;
		return BENCH_GO_ON;
	}
	return cli_wrong(c,
		"%s: \"%s\" is not allowed; allowed: a duration with its unit (10s, 1.5s, 20ms, "
		"100us, "
		"2m, 1h) from %s to %s",
		option, value, duration_text(low_us, low, sizeof low),
		duration_text(high_us, high, sizeof high));
}
