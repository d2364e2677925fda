#include "server/successor.h"

#include "lib/buffer.h"
#include "server/guardian.h"
#include "server/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_PATIENCE_MS 5000 /* exec() takes long only where a file system hangs */

/* The descriptors of one start. */
struct channels {
	int ours, theirs;   /* the socket pair */
	int result, report; /* the pipe that tells how exec() went: its ends to read and to write */
};

/* --- in the child */

static int set_environment(const struct successor *s, const struct channels *c, pid_t parent)
{
	char text[64];
	struct buffer names;

	buffer_init(&names);
	int error = sockets_bequeath(s->sockets, &names);
	const char *value = error ? NULL : buffer_cstring(&names);
	if (!value)
		return error ? error : -ENOMEM;
	(void)snprintf(text, sizeof(text), "%d %llu %llu", c->theirs, (unsigned long long)s->number,
		(unsigned long long)s->begun_us);
	if (setenv(SOCKETS_VARIABLE, value, 1) != 0 || setenv(UPGRADE_VARIABLE, text, 1) != 0)
		return -errno;
	if (guardian_of_us() != 0)
		return 0;
	/* We are the first one, so the successor's guardian is what we become. */
	(void)snprintf(text, sizeof(text), "%d", (int)parent);
	return setenv(GUARDIAN_VARIABLE, text, 1) != 0 ? -errno : 0;
}

/*
 * As whoever started us left them: handlers go with exec() by themselves, and what is ignored since then (nohup(1))
 * stays so; SIGPIPE is the one that we ignore ourselves.
 */
static int reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		return -errno;
	return 0;
}

static _Noreturn void become(const struct successor *s, const struct channels *c, pid_t parent)
{
	int error = set_environment(s, c, parent);

	if (!error && fcntl(c->theirs, F_SETFD, 0) != 0)
		error = -errno;
	if (!error)
		error = reset_signals();
	if (!error) {
		(void)execv(s->program, s->argv);
		error = -errno;
	}
	ssize_t n = write(c->report, &error, sizeof(error));
	_exit(n == (ssize_t)sizeof(error) ? 127 : 126);
}

/* --- in the parent */

/* What the child wrote before its end, or 0 when exec() has closed the pipe. */
static int await_exec(int result)
{
	struct pollfd p = {.fd = result, .events = POLLIN};
	int error = 0;
	ssize_t n;

	if (poll(&p, 1, EXEC_PATIENCE_MS) == 0)
		return -ETIMEDOUT;
	do
		n = read(result, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(error) ? error : 0;
}

static int open_channels(struct channels *c)
{
	int pair[2], ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) != 0) {
		int error = -errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		return error;
	}
	*c = (struct channels){
		.ours = pair[0], .theirs = pair[1], .result = ends[0], .report = ends[1]};
	return 0;
}

/* 0: the program runs. Else there is no child left. */
static int run(const struct successor *s, const struct channels *c, pid_t *ret_pid)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0)
		become(s, c, parent);
	int error = pid < 0 ? -errno : 0;
	(void)close(c->theirs);
	(void)close(c->report);
	if (pid < 0)
		return error;
	error = await_exec(c->result);
	if (error) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return error;
	}
	*ret_pid = pid;
	return 0;
}

int successor_start(const struct successor *s, pid_t *ret_pid)
{
	struct channels c = {.ours = -1, .theirs = -1, .result = -1, .report = -1};
	int error = open_channels(&c);

	if (error)
		return error;
	error = run(s, &c, ret_pid);
	(void)close(c.result);
	if (!error)
		return c.ours;
	(void)close(c.ours);
	return error;
}
