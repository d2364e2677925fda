#include "bench/fleet/process.h"

#include "lib/clock.h"
#include "lib/number.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 2
#define LOG_BYTES 2000 /* of a log's end, in messages */

extern char **environ;

/* --- finding --------------------------------------------------------------------------------------------------- */

static bool is_program(struct buffer *path)
{
	const char *text = buffer_cstring(path);

	return text && access(text, X_OK) == 0;
}

static bool beside_this_one(struct buffer *ret, const char *name)
{
	char own[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);

	if (n <= 0)
		return false;
	own[n] = '\0';
	const char *slash = strrchr(own, '/');
	buffer_append(ret, own, slash ? (size_t)(slash - own) + 1 : 0);
	buffer_puts(ret, name);
	return is_program(ret);
}

static bool in_directories(struct buffer *ret, const char *list, const char *name)
{
	while (*list) {
		const size_t len = strcspn(list, ":");

		buffer_reset(ret);
		buffer_append(ret, list, len);
		buffer_printf(ret, "%s%s", len ? "/" : "", name);
		if (is_program(ret))
			return true;
		list += len + (list[len] == ':');
	}
	return false;
}

int process_find(struct buffer *ret, const char *name, struct buffer *error)
{
	const char *path = getenv("PATH");

	buffer_reset(ret);
	if (beside_this_one(ret, name) || in_directories(ret, path ? path : "", name) ||
		in_directories(ret, "/usr/sbin:/sbin", name))
		return 0;
	if (ret->failed)
		return -ENOMEM;
	buffer_printf(error,
		"%s was not found: neither beside quern-bench nor on PATH nor in /usr/sbin", name);
	return -ENOENT;
}

/* --- starting -------------------------------------------------------------------------------------------------- */

static int read_cpus(cpu_set_t *ret, const char *text, struct buffer *error)
{
	CPU_ZERO(ret);
	while (*text) {
		const size_t len = strcspn(text, ",");
		int64_t cpu;

		if (number_parse_int(&cpu, text, len, 0, CPU_SETSIZE - 1) != 0) {
			buffer_printf(
				error, "\"%s\" is no list of CPUs; allowed: numbers and ','", text);
			return -EINVAL;
		}
		CPU_SET((size_t)cpu, ret);
		text += len + (text[len] == ',');
	}
	return 0;
}

/* The environment without Quern's variables, which would override the configuration. Free the array only. */
static char **clean_environment(void)
{
	size_t n = 0, kept = 0;

	while (environ[n])
		n++;
	char **clean = calloc(n + 1, sizeof *clean);
	if (!clean)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "QUERN_", 6) != 0)
			clean[kept++] = environ[i];
	return clean;
}

static int redirect(const char *log)
{
	const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		return -1;
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(out, STDERR_FILENO) < 0)
		return -1;
	return 0;
}

/* In the child; never returns. What failed goes to the parent as an errno. */
static _Noreturn void become(char *const *argv, char *const *environment, const char *log,
	const cpu_set_t *cpus, pid_t parent, int report)
{
	const struct sched_param normal = {.sched_priority = 0};
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	/* The generator may run under SCHED_FIFO, which is inherited. */
	(void)sched_setscheduler(0, SCHED_OTHER, &normal);
	if (setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
		(!cpus || sched_setaffinity(0, sizeof *cpus, cpus) == 0) && redirect(log) == 0)
		(void)execve(argv[0], argv, environment);
	const int why = errno ? errno : ESRCH;
	const ssize_t told = write(report, &why, sizeof why);
	_exit(told == (ssize_t)sizeof why ? 127 : 126);
}

/* 0 when exec has closed the pipe, otherwise the child's errno, negative. */
static int read_report(int fd)
{
	int why = 0;
	ssize_t n;

	do
		n = read(fd, &why, sizeof why);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof why ? -why : 0;
}

static int fork_and_exec(pid_t *ret, char *const *argv, char *const *environment, const char *log,
	const cpu_set_t *cpus)
{
	const pid_t parent = getpid();
	int report[2];

	if (pipe2(report, O_CLOEXEC) != 0)
		return -errno;
	const pid_t pid = fork();
	if (pid == 0)
		become(argv, environment, log, cpus, parent, report[1]);
	int result = pid < 0 ? -errno : 0;
	(void)close(report[1]);
	if (result == 0)
		result = read_report(report[0]);
	(void)close(report[0]);
	if (result == 0)
		*ret = pid;
	else
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	return result;
}

int process_start(
	pid_t *ret, char *const *argv, const char *log, const char *cpus, struct buffer *error)
{
	cpu_set_t set;

	if (cpus) {
		const int read = read_cpus(&set, cpus, error);
		if (read < 0)
			return read;
	}
	char **environment = clean_environment();
	if (!environment)
		return -ENOMEM;
	const int result = fork_and_exec(ret, argv, environment, log, cpus ? &set : NULL);
	free(environment);
	if (result < 0)
		buffer_printf(error, "cannot start %s%s%s: %s", argv[0], cpus ? " on CPU " : "",
			cpus ? cpus : "", strerror(-result));
	return result;
}

/* --- ending ---------------------------------------------------------------------------------------------------- */

bool process_runs(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

bool process_await(pid_t pid, int timeout_ms)
{
	const uint64_t until_us = clock_us() + (uint64_t)timeout_ms * 1000;
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

	while (process_runs(pid)) {
		if (clock_us() >= until_us)
			return false;
		(void)nanosleep(&pause, NULL);
	}
	return true;
}

int process_end(pid_t pid, int grace_ms)
{
	int status = 0;

	(void)kill(pid, SIGTERM);
	(void)process_await(pid, grace_ms);
	/* Before it is reaped: until then its number, and so the group's, is nobody else's. */
	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

/* --- what it has said ------------------------------------------------------------------------------------------ */

static void read_end(int fd, struct buffer *to)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	char *at = buffer_reserve(to, LOG_BYTES);
	const ssize_t n =
		at ? pread(fd, at, LOG_BYTES, size > LOG_BYTES ? size - LOG_BYTES : 0) : 0;

	if (n > 0)
		to->len += (size_t)n;
}

void process_put_log_end(const char *path, struct buffer *to)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		read_end(fd, to);
		(void)close(fd);
	}
	while (to->len > 0 && to->data[to->len - 1] == '\n')
		to->len--;
}
