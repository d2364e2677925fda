#include "bench/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RATE, JSON, VERIFY };

static const struct cli_option options[] = {
	{"--rate", "R", "requests a second"},
	{"--json", "FILE", "the result as JSON,\nor - for standard output"},
	{"--verify", NULL, "measures it too"},
	{NULL, NULL, NULL},
};

/* What the function under test says goes to a file, and from there into `said`. */
static char said[4096];
static int kept_fd[3];
static FILE *caught[3];

static void catch_output(int fd)
{
	(void)fflush(NULL);
	kept_fd[fd] = dup(fd);
	caught[fd] = tmpfile();
	assert_non_null(caught[fd]);
	assert_true(dup2(fileno(caught[fd]), fd) == fd);
}

static const char *give_output(int fd)
{
	(void)fflush(NULL);
	assert_true(dup2(kept_fd[fd], fd) == fd);
	(void)close(kept_fd[fd]);
	rewind(caught[fd]);
	const size_t n = fread(said, 1, sizeof said - 1, caught[fd]);
	said[n] = '\0';
	(void)fclose(caught[fd]);
	return said;
}

/* argv is not constant: the words are copied to where they stay until the next call. */
static struct cli begin(const char *const *words)
{
	struct cli c = {
		.command = "load", .operands = "URL", .about = "Sends.", .options = options};
	static char text[8][32];
	static char *argv[8];
	int argc = 0;

	for (; words[argc]; argc++) {
		assert_true(argc < 8 && strlen(words[argc]) < sizeof text[0]);
		argv[argc] = memcpy(text[argc], words[argc], strlen(words[argc]) + 1);
	}
	cli_begin(&c, argc, argv);
	return c;
}

static void test_options_and_operands(void **state)
{
	(void)state;
	static const char *const words[] = {
		"load", "--rate", "5", "http://x/", "--json=-", "--verify", "-", NULL};
	struct cli c = begin(words);
	const char *value = NULL;

	assert_int_equal(cli_next(&c, &value), RATE);
	assert_string_equal(value, "5");
	assert_int_equal(cli_next(&c, &value), CLI_OPERAND);
	assert_string_equal(value, "http://x/");
	assert_int_equal(cli_next(&c, &value), JSON);
	assert_string_equal(value, "-");
	assert_int_equal(cli_next(&c, &value), VERIFY);
	assert_null(value);
	assert_int_equal(cli_next(&c, &value), CLI_OPERAND);
	assert_string_equal(value, "-");
	assert_int_equal(cli_next(&c, &value), CLI_END);
}

static void check_wrong(const char *const *words, size_t good, const char *message)
{
	struct cli c = begin(words);
	const char *value;

	catch_output(STDERR_FILENO);
	for (size_t i = 0; i < good; i++)
		assert_true(cli_next(&c, &value) >= 0);
	const int result = cli_next(&c, &value);
	assert_string_equal(give_output(STDERR_FILENO), message);
	assert_int_equal(result, CLI_WRONG);
}

#define TRY "Try 'quern-bench load --help'.\n"

static void test_wrong_options(void **state)
{
	(void)state;
	check_wrong((const char *const[]){"load", "--rat", "5", NULL}, 0,
		"quern-bench load: no such option: --rat\n" TRY);
	check_wrong((const char *const[]){"load", "--rate", NULL}, 0,
		"quern-bench load: --rate needs a value: --rate R\n" TRY);
	check_wrong((const char *const[]){"load", "--rate=1", "--rate=2", NULL}, 1,
		"quern-bench load: --rate was given twice\n" TRY);
	check_wrong((const char *const[]){"load", "--verify=yes", NULL}, 0,
		"quern-bench load: --verify takes no value: --verify=yes\n" TRY);
}

static void test_help(void **state)
{
	(void)state;
	static const char *const words[] = {"load", "--help", NULL};
	struct cli c = begin(words);
	const char *value;

	catch_output(STDOUT_FILENO);
	const int result = cli_next(&c, &value);
	assert_string_equal(give_output(STDOUT_FILENO),
		"usage: quern-bench load URL [OPTION]...\n\nSends.\n\nOptions:\n"
		"  --rate R              requests a second\n"
		"  --json FILE           the result as JSON,\n"
		"                        or - for standard output\n"
		"  --verify              measures it too\n"
		"  -h, --help            prints this text\n"
		"\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 run void, 4 "
		"objective "
		"cannot be met.\n");
	assert_int_equal(result, CLI_HELP);
}

static void test_numbers(void **state)
{
	(void)state;
	struct cli c = begin((const char *const[]){"load", NULL});
	double real = -1;
	uint64_t whole = 0;

	assert_int_equal(cli_rate(&c, "--rate", "2.5", &real), BENCH_GO_ON);
	assert_true(real == 2.5);
	assert_int_equal(cli_count(&c, "--requests", "7", 1, 10, &whole), BENCH_GO_ON);
	assert_int_equal(whole, 7);
	assert_int_equal(cli_duration(&c, "--duration", "1.5s", 1, 10000000, &whole), BENCH_GO_ON);
	assert_int_equal(whole, 1500000);
	assert_int_equal(cli_real(&c, "--utilization", "0.9", 0.01, 0.99, &real), BENCH_GO_ON);
	assert_true(real > 0.8999 && real < 0.9001);

	catch_output(STDERR_FILENO);
	assert_int_equal(cli_rate(&c, "--rate", "0", &real), BENCH_USAGE);
	assert_string_equal(give_output(STDERR_FILENO),
		"quern-bench load: --rate: \"0\" is not allowed; allowed: requests a second, above "
		"0, "
		"at most 10000000\n" TRY);
	static const char *const bad[] = {
		"-1", "nan", "inf", "1e3", "", " 1", "1 ", "0x10", "10000001"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		catch_output(STDERR_FILENO);
		const int result = cli_rate(&c, "--rate", bad[i], &real);
		(void)give_output(STDERR_FILENO);
		assert_int_equal(result, BENCH_USAGE);
	}
	catch_output(STDERR_FILENO);
	assert_int_equal(cli_duration(&c, "--timeout", "5", 1000, 3600000000, &whole), BENCH_USAGE);
	assert_string_equal(give_output(STDERR_FILENO),
		"quern-bench load: --timeout: \"5\" is not allowed; allowed: a duration with its "
		"unit "
		"(10s, 1.5s, 20ms, 100us, 2m, 1h) from 1ms to 3600s\n" TRY);
	assert_int_equal(whole, 1500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_and_operands),
		cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
