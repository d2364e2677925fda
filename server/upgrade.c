#include "server/upgrade.h"

#include "lib/clock.h"
#include "lib/number.h"
#include "server/guardian.h"
#include "server/restart.h"
#include "server/successor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_PATIENCE_MS 200
#define MESSAGE_BYTES (UPGRADE_TEXT_BYTES + 16)

#define PROGRESS "progress "
#define FAILED "failed "
#define READY "ready"
#define YOURS "yours"
#define NO "no"

/* --- which program */

/* By a descriptor (fexecve(3)), which will be another file's by then. */
static bool is_descriptor(const char *path)
{
	return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

static bool is_running(const char *path)
{
	struct stat there, here;

	return stat(path, &there) == 0 && stat("/proc/self/exe", &here) == 0 &&
	       there.st_dev == here.st_dev && there.st_ino == here.st_ino;
}

static int make_absolute(char *path, size_t n, const char *called)
{
	char directory[PATH_MAX];
	int len;

	if (called[0] == '/')
		len = snprintf(path, n, "%s", called);
	else if (getcwd(directory, sizeof(directory)))
		len = snprintf(path, n, "%s/%s", directory, called);
	else
		return -errno;
	return len < 0 || (size_t)len >= n ? -ENAMETOOLONG : 0;
}

/* Of a file that was replaced since, the kernel says "PATH (deleted)". */
static void strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path), mark_len = sizeof(mark) - 1;

	if (len > mark_len && strcmp(path + len - mark_len, mark) == 0 && access(path, F_OK) != 0)
		path[len - mark_len] = '\0';
}

int upgrade_program(char *path, size_t n)
{
	/* What execve() was given still has its symbolic links; /proc/self/exe has not. */
	const char *called =
		(const char *)getauxval(AT_EXECFN); /* NOLINT(performance-no-int-to-ptr) */

	if (called && !is_descriptor(called) && is_running(called))
		return make_absolute(path, n, called);
	ssize_t len = readlink("/proc/self/exe", path, n);
	if (len < 0)
		return -errno;
	if ((size_t)len >= n)
		return -ENAMETOOLONG;
	path[len] = '\0';
	strip_deleted(path);
	return 0;
}

/* --- the old master's side */

int upgrade_start(struct upgrade *u, const char *program, char *const *argv,
	const struct sockets *sockets, uint64_t number, uint64_t begun_us, uint64_t now_us,
	char ret_why[UPGRADE_TEXT_BYTES])
{
	const struct successor s = {.program = program,
		.argv = argv,
		.sockets = sockets,
		.number = number,
		.begun_us = begun_us};
	pid_t pid = 0;
	int fd = successor_start(&s, &pid);

	*u = (struct upgrade){.fd = -1};
	if (fd < 0) {
		(void)snprintf(
			ret_why, UPGRADE_TEXT_BYTES, "cannot run %s: %s", program, strerror(-fd));
		return fd;
	}
	*u = (struct upgrade){.pid = pid, .fd = fd, .deadline_us = now_us + UPGRADE_TIMEOUT_US};
	return 0;
}

/* --- talking */

static int send_message(int fd, const char *text, size_t len)
{
	ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

/* One message, and a NUL behind it. Its length; -EMSGSIZE: it is too long; -EPIPE: the other end is closed. */
static ssize_t receive_message(int fd, char text[MESSAGE_BYTES])
{
	ssize_t n = recv(fd, text, MESSAGE_BYTES - 1, MSG_DONTWAIT | MSG_TRUNC);

	/* Comes once, before what the other end had sent, where that closed without having read all of ours. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(fd, text, MESSAGE_BYTES - 1, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	if (n > MESSAGE_BYTES - 1)
		return -EMSGSIZE;
	text[n] = '\0';
	return n;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* Reads a number that ends at `end`, and goes to behind that. */
static bool take_number(const char **text, char end, int64_t high, uint64_t *ret)
{
	size_t len = strspn(*text, "0123456789");
	int64_t value;

	if ((*text)[len] != end || number_parse_int(&value, *text, len, 0, high) != 0)
		return false;
	*text += end ? len + 1 : len;
	*ret = (uint64_t)value;
	return true;
}

static bool take_progress(const char *text, uint32_t *ret_done, uint32_t *ret_total)
{
	const char *at = text + sizeof(PROGRESS) - 1;
	uint64_t done, total;

	if (!take_number(&at, ' ', UINT32_MAX, &done) ||
		!take_number(&at, '\0', UINT32_MAX, &total) || done > total)
		return false;
	*ret_done = (uint32_t)done;
	*ret_total = (uint32_t)total;
	return true;
}

/* One line of at most UPGRADE_TEXT_BYTES - 1, whatever was sent. */
static void take_reason(char ret_why[UPGRADE_TEXT_BYTES], const char *text)
{
	(void)snprintf(ret_why, UPGRADE_TEXT_BYTES, "%.*s", UPGRADE_TEXT_BYTES - 1, text);
	for (char *c = ret_why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

static enum upgrade_event understand(const char *text, size_t len, uint32_t *ret_done,
	uint32_t *ret_total, char ret_why[UPGRADE_TEXT_BYTES])
{
	/* A NUL within it would hide its end. */
	bool plain = strlen(text) == len;

	if (plain && is_word(text, len, READY))
		return UPGRADE_READY;
	if (plain && strncmp(text, PROGRESS, sizeof(PROGRESS) - 1) == 0 &&
		take_progress(text, ret_done, ret_total))
		return UPGRADE_PROGRESS;
	if (plain && strncmp(text, FAILED, sizeof(FAILED) - 1) == 0 && len > sizeof(FAILED) - 1)
		take_reason(ret_why, text + sizeof(FAILED) - 1);
	else
		take_reason(ret_why, "the new program said something that is no message of ours");
	return UPGRADE_FAILED;
}

/*
 * Why there is no new master any more: its end of the pair closes a moment before its status is there. It is not reaped
 * here.
 */
static void tell_end(const struct upgrade *u, char ret_why[UPGRADE_TEXT_BYTES])
{
	char cause[64];
	siginfo_t info = {0};
	int process = u->pid > 0 ? pidfd_open(u->pid, 0) : -1;
	struct pollfd p = {.fd = process, .events = POLLIN};

	if (process >= 0) {
		(void)poll(&p, 1, END_PATIENCE_MS);
		(void)close(process);
	}
	if (process < 0 || waitid(P_PID, (id_t)u->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		info.si_pid == 0) {
		take_reason(ret_why, "the new program ended before it was ready");
		return;
	}
	int status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
	(void)snprintf(ret_why, UPGRADE_TEXT_BYTES,
		"the new program ended before it was ready (%s); see the log",
		restart_cause(status, cause, sizeof(cause)));
}

enum upgrade_event upgrade_read(struct upgrade *u, uint32_t *ret_done, uint32_t *ret_total,
	char ret_why[UPGRADE_TEXT_BYTES])
{
	char text[MESSAGE_BYTES];

	if (u->fd < 0)
		return UPGRADE_NOTHING;
	ssize_t n = receive_message(u->fd, text);
	if (n == -EAGAIN || n == -EINTR)
		return UPGRADE_NOTHING;
	if (n > 0)
		return understand(text, (size_t)n, ret_done, ret_total, ret_why);
	if (n == -EPIPE)
		tell_end(u, ret_why);
	else if (n == -EMSGSIZE)
		take_reason(ret_why, "the new program said more than a message of ours can be");
	else
		take_reason(ret_why, strerror((int)-n));
	return UPGRADE_FAILED;
}

int upgrade_yield(struct upgrade *u)
{
	return u->fd < 0 ? -ENOTCONN : send_message(u->fd, YOURS, sizeof(YOURS) - 1);
}

void upgrade_refuse(struct upgrade *u)
{
	/* To one that has ended there is nothing to say. */
	if (u->fd >= 0)
		(void)send_message(u->fd, NO, sizeof(NO) - 1);
}

void upgrade_end(struct upgrade *u, bool kill_it)
{
	if (kill_it && u->pid > 0)
		(void)kill(u->pid, SIGKILL);
	if (u->fd >= 0)
		(void)close(u->fd);
	*u = (struct upgrade){.fd = -1};
}

/* --- the new master's side */

/* The other end of our pair was made by the process that is our parent. */
static bool is_our_pair(int fd, pid_t parent)
{
	struct ucred peer = {0};
	int type = 0, domain = 0;
	socklen_t peer_len = sizeof(peer), type_len = sizeof(type), domain_len = sizeof(domain);

	return fd > STDERR_FILENO && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
	       type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 &&
	       domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0 && peer.pid == parent;
}

static int read_heir(struct heir *h, const char *text)
{
	uint64_t fd, number, begun_us;

	if (!take_number(&text, ' ', INT_MAX, &fd) ||
		!take_number(&text, ' ', INT64_MAX, &number) ||
		!take_number(&text, '\0', INT64_MAX, &begun_us))
		return -EINVAL;
	pid_t parent = getppid();
	if (!is_our_pair((int)fd, parent) || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
		return -EINVAL;
	*h = (struct heir){.fd = (int)fd, .number = number, .begun_us = begun_us, .parent = parent};
	return 0;
}

int heir_init(struct heir *h)
{
	const char *text = getenv(UPGRADE_VARIABLE);
	int error = 0;

	*h = (struct heir){.fd = -1};
	if (text)
		error = read_heir(h, text);
	else
		(void)unsetenv(GUARDIAN_VARIABLE);
	(void)unsetenv(UPGRADE_VARIABLE);
	(void)unsetenv(SOCKETS_VARIABLE);
	return error;
}

void heir_progress(struct heir *h, uint32_t done, uint32_t total)
{
	char text[MESSAGE_BYTES];

	if (h->fd < 0)
		return;
	int len = snprintf(text, sizeof(text), PROGRESS "%u %u", (unsigned)done, (unsigned)total);
	/* An old master that has gone shows in heir_take_over(); one that does not read misses a figure. */
	(void)send_message(h->fd, text, (size_t)len);
}

void heir_failed(struct heir *h, const char *text)
{
	char message[MESSAGE_BYTES];

	if (h->fd < 0)
		return;
	(void)snprintf(message, sizeof(message), FAILED "%.*s", UPGRADE_TEXT_BYTES - 1, text);
	/* Where it does not arrive, the end of this process says that it failed, if not why. */
	(void)send_message(h->fd, message, strlen(message));
}

static int await_answer(int fd, uint64_t until_us)
{
	char text[MESSAGE_BYTES];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n = receive_message(fd, text);

		if (n > 0)
			return is_word(text, (size_t)n, YOURS) ? 0
			       : is_word(text, (size_t)n, NO)  ? -ECANCELED
							       : -EPROTO;
		if (n != -EAGAIN && n != -EINTR)
			return (int)n;
		uint64_t now_us = clock_us();
		if (now_us >= until_us)
			return -ETIMEDOUT;
		uint64_t left_ms = (until_us - now_us + 999u) / 1000u;
		(void)poll(&p, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
	}
}

int heir_take_over(struct heir *h, uint64_t timeout_us)
{
	if (h->fd < 0)
		return 0;
	uint64_t until_us = clock_us() + timeout_us;
	int error = send_message(h->fd, READY, sizeof(READY) - 1);
	/* Its last word may be there. */
	return error && error != -EPIPE ? error : await_answer(h->fd, until_us);
}

void heir_done(struct heir *h)
{
	if (h->fd >= 0)
		(void)close(h->fd);
	*h = (struct heir){.fd = -1};
}
