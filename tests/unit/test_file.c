#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/quern-test-file-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof path, "%s/file", directory);
	return 0;
}

/* Fails where something was left beside the file. */
static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void check_content(const char *expected)
{
	char text[64];
	const int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	const ssize_t n = read(fd, text, sizeof text);
	assert_int_equal(close(fd), 0);
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, (size_t)n);
}

static void test_replace(void **state)
{
	struct stat status;

	(void)state;
	const mode_t mask = umask(027);
	assert_int_equal(file_replace(path, "one", 3), 0);
	check_content("one");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(file_replace(path, "", 0), 0);
	check_content("");
	(void)umask(mask);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(file_replace(directory, "x", 1), -EISDIR);
	assert_int_equal(file_replace("/nonexistent/x", "x", 1), -ENOENT);
}

static void test_a_failure_keeps_the_old_file(void **state)
{
	struct rlimit none = {.rlim_cur = 0}, before;

	(void)state;
	assert_int_equal(file_replace(path, "old", 3), 0);
	/* As on a full disk: no file may grow. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	const int result = file_replace(path, "new", 3);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, -EFBIG);
	check_content("old");
	assert_int_equal(unlink(path), 0);
}

static void test_write_all(void **state)
{
	(void)state;
	const int full = open("/dev/full", O_WRONLY);

	assert_int_equal(file_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(file_write_all(full, "", 0), 0);
	assert_int_equal(close(full), 0);
	assert_int_equal(file_write_all(-1, "x", 1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_a_failure_keeps_the_old_file),
		cmocka_unit_test(test_write_all),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
