#include "lib/log.h"

#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINE_BYTES 1024 /* longer lines are cut */
#define ROLE_BYTES 32
#define NOTICE_US 1000000u /* between two lines about lost ones */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* How a line is written without waiting. */
enum way {
	WAY_UNKNOWN, /* nothing was opened yet: stderr */
	WAY_WRITE,   /* the descriptor never waits, or nothing can be done about it */
	WAY_SEND,
	WAY_POLL
};

struct target {
	int fd;
	enum way way;
	bool atomic; /* takes a line whole or not at all */
};

/* The log of this process; a child inherits it and only changes its role. */
static struct {
	struct target target;
	enum log_level level;
	char path[PATH_MAX]; /* empty: stderr */
	char role[ROLE_BYTES];
	uint64_t lost;
	uint64_t untold;    /* of them, those that no line has told of */
	int reason;	    /* errno of the last loss; 0: the line was cut short */
	uint64_t notice_us; /* when the next line about that may be written */
	bool torn;	    /* the last line may have been left without its end */
} state = {.target = {.fd = STDERR_FILENO}, .level = LOG_LEVEL_INFO};

static struct target inherited_stderr(void)
{
	struct target t = {.fd = STDERR_FILENO, .way = WAY_POLL};
	struct stat status;

	if (fstat(STDERR_FILENO, &status) != 0)
		return t;
	bool pipe = S_ISFIFO(status.st_mode);
	if (S_ISREG(status.st_mode)) {
		t.way = WAY_WRITE;
	} else if (S_ISSOCK(status.st_mode)) {
		t.way = WAY_SEND;
	} else if (pipe || isatty(STDERR_FILENO)) {
		int own = open(
			"/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0)
			t = (struct target){.fd = own, .way = WAY_WRITE};
	}
	t.atomic = pipe;
	return t;
}

/* A pipe or a device under that name must not make anybody wait, neither now nor at a line. */
static int open_path(const char *path, struct target *ret)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	struct stat status;

	if (fd < 0)
		return -errno;
	bool pipe = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
	*ret = (struct target){.fd = fd, .way = WAY_WRITE, .atomic = pipe};
	return 0;
}

static void use(struct target t)
{
	if (state.target.fd != STDERR_FILENO)
		(void)close(state.target.fd);
	state.target = t;
	state.torn = false;
}

int log_open(enum log_level level, const char *destination)
{
	bool is_stderr = strcmp(destination, "stderr") == 0;
	size_t len = is_stderr ? 0 : strlen(destination);
	struct target t;

	if (len >= sizeof(state.path))
		return -ENAMETOOLONG;
	if (is_stderr) {
		t = inherited_stderr();
	} else {
		int error = open_path(destination, &t);
		if (error)
			return error;
	}
	use(t);
	memcpy(state.path, destination, len);
	state.path[len] = '\0';
	state.level = level;
	return 0;
}

int log_reopen(void)
{
	struct target t;

	if (state.path[0] == '\0')
		return 0;
	int error = open_path(state.path, &t);
	if (error)
		return error;
	use(t);
	return 0;
}

void log_rotate(void)
{
	int error = log_reopen();

	if (error)
		log_error("cannot open the log's file again: %s", strerror(-error));
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

void log_set_role(const char *role)
{
	(void)snprintf(state.role, sizeof(state.role), "%s", role);
	state.untold = 0;
	state.notice_us = 0;
}

static size_t begin_line(char *line, size_t n, enum log_level level)
{
	size_t len = strlen(clock_format_utc(line, n, clock_wall_us(), 3));

	return len + (size_t)snprintf(line + len, n - len, " %s %s: ", level_names[level],
			     state.role[0] ? state.role : "quern");
}

const char *log_role(void)
{
	return state.role[0] ? state.role : "quern";
}

int log_descriptor(void)
{
	return state.target.fd;
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > state.level)
		return;

	char line[LINE_BYTES];
	size_t len = begin_line(line, sizeof(line), level);
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	log_raw(line, len);
}

/* A descriptor with an error counts as ready: writing tells which. */
static bool has_room(void)
{
	struct pollfd p = {.fd = state.target.fd, .events = POLLOUT};

	return poll(&p, 1, 0) > 0;
}

static ssize_t put(struct iovec *piece, size_t pieces)
{
	struct msghdr message = {.msg_iov = piece, .msg_iovlen = pieces};
	ssize_t n;

	if (state.target.way == WAY_POLL && !has_room()) {
		errno = EAGAIN;
		return -1;
	}
	do
		n = state.target.way == WAY_SEND
			    ? sendmsg(state.target.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : writev(state.target.fd, piece, (int)pieces);
	while (n < 0 && errno == EINTR);
	return n;
}

/* False: it was not written whole. */
static bool write_line(const char *line, size_t len)
{
	struct iovec piece[2] = {{.iov_base = (char[]){'\n'}, .iov_len = 1},
		{.iov_base = (void *)(uintptr_t)line, .iov_len = len}};
	size_t before = state.torn ? 1 : 0;
	ssize_t n = put(piece + 1 - before, 1 + before);

	if (n == (ssize_t)(before + len)) {
		state.torn = false;
		return true;
	}
	state.reason = n < 0 ? errno : 0;
	/* Others write there as well, and one of them may have left a fragment where this one has failed. */
	if (n > (ssize_t)before || !state.target.atomic)
		state.torn = true;
	else if (n == (ssize_t)before)
		state.torn = false;
	return false;
}

static const char *reason_text(int reason)
{
	if (reason == 0)
		return "there was room for a part of it only";
	return reason == EAGAIN ? "its reader does not keep up" : strerror(reason);
}

/* False: something was lost that nobody was told of, and that could not be told now either. */
static bool tell_losses(void)
{
	char line[LINE_BYTES];
	uint64_t now_us;

	if (state.untold == 0 || (now_us = clock_us()) < state.notice_us)
		return true;
	size_t len = begin_line(line, sizeof(line), LOG_LEVEL_WARN);
	len += (size_t)snprintf(line + len, sizeof(line) - len,
		"%llu line%s of the log %s lost: %s\n", (unsigned long long)state.untold,
		state.untold == 1 ? "" : "s", state.untold == 1 ? "was" : "were",
		reason_text(state.reason));
	if (!write_line(line, len))
		return false;
	state.untold = 0;
	state.notice_us = now_us + NOTICE_US;
	return true;
}

void log_raw(const char *line, size_t len)
{
	if (state.target.way == WAY_UNKNOWN)
		state.target = inherited_stderr();
	if (tell_losses() && write_line(line, len))
		return;
	state.lost++;
	state.untold++;
}

uint64_t log_lost(void)
{
	return state.lost;
}
