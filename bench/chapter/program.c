#include "bench/chapter/program.h"

#include "bench/fleet/process.h"
#include "lib/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define POLL_MS 10
#define GRACE_MS 1000
#define ENV_PROGRAM "/usr/bin/env"

bool program_has(const struct program *p, const char *name)
{
	char path[PATH_BYTES];
	const int len = snprintf(path, sizeof path, "%s/%s", p->folder, name);

	return len > 0 && (size_t)len < sizeof path && access(path, X_OK) == 0;
}

void program_put_log(const struct program *p, struct buffer *to)
{
	process_put_log_end(p->log, to);
}

/* --- starting -------------------------------------------------------------------------------------------------- */

/* argv: "env", NAME=VALUE ..., the program, NULL; all of it in one block of text. */
struct command {
	struct buffer text;
	char **argv;
};

static void put_pair(struct buffer *to, const char *name, const char *value)
{
	buffer_printf(to, "%s=%s", name, value ? value : "");
	buffer_putc(to, '\0');
}

static void put_command(const struct program *p, const char *name, struct buffer *to)
{
	json_t *env = json_incref((json_t *)(uintptr_t)p->env), *value;
	const char *key;

	buffer_append(to, ENV_PROGRAM, sizeof ENV_PROGRAM);
	put_pair(to, "BUILD", p->build);
	put_pair(to, p->own_variable, p->own_build);
	for (size_t i = 0; i < p->variables->count; i++)
		put_pair(to, p->variables->variable[i].name, p->variables->variable[i].value);
	json_object_foreach(env, key, value)
	{
		put_pair(to, key, json_string_value(value));
	}
	json_decref(env);
	buffer_printf(to, "%s/%s", p->folder, name);
	buffer_putc(to, '\0');
}

static int make_command(struct command *c, const struct program *p, const char *name)
{
	size_t words = 0, at = 0;

	put_command(p, name, &c->text);
	if (c->text.failed)
		return -ENOMEM;
	for (size_t i = 0; i < c->text.len; i++)
		words += c->text.data[i] == '\0';
	c->argv = calloc(words + 1, sizeof *c->argv);
	if (!c->argv)
		return -ENOMEM;
	for (size_t i = 0; i < words; i++) {
		c->argv[i] = c->text.data + at;
		at += strlen(c->argv[i]) + 1;
	}
	return 0;
}

int program_start(const struct program *p, const char *name, pid_t *ret, struct buffer *error)
{
	struct command c = {.argv = NULL};

	buffer_init(&c.text);
	int result = make_command(&c, p, name);
	if (result == 0)
		result = process_start(ret, c.argv, p->log, p->cpus, error);
	else
		buffer_puts(error, "no memory is left");
	free(c.argv);
	buffer_done(&c.text);
	return result;
}

/* --- to the end ------------------------------------------------------------------------------------------------ */

/* 0 when it has ended. */
static int await_end(pid_t pid, int timeout_ms, const volatile sig_atomic_t *stop)
{
	const uint64_t until_us = clock_us() + (uint64_t)timeout_ms * 1000;

	while (!process_await(pid, 100)) {
		if (stop && *stop)
			return -EINTR;
		if (clock_us() > until_us)
			return -ETIMEDOUT;
	}
	return 0;
}

static void put_last_line(const struct program *p, struct buffer *to)
{
	struct buffer log;

	buffer_init(&log);
	program_put_log(p, &log);
	const char *newline = log.len ? memrchr(log.data, '\n', log.len) : NULL;
	const size_t from = newline ? (size_t)(newline - log.data) + 1 : 0;
	if (log.len > from)
		buffer_append(to, log.data + from, log.len - from);
	buffer_done(&log);
}

static int judge_end(const struct program *p, const char *name, int status, struct buffer *error)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == PROGRAM_NOT_INSTALLED) {
		put_last_line(p, error);
		return -ENOPKG;
	}
	buffer_printf(error, "%s/%s failed; the end of its log:\n", p->folder, name);
	program_put_log(p, error);
	return -EIO;
}

int program_run(const struct program *p, const char *name, int timeout_ms,
	const volatile sig_atomic_t *stop, struct buffer *error)
{
	pid_t pid = 0;
	int result = program_start(p, name, &pid, error);

	if (result < 0)
		return result;
	result = await_end(pid, timeout_ms, stop);
	const int status = process_end(pid, result < 0 ? GRACE_MS : 0);
	if (result == 0)
		return judge_end(p, name, status, error);
	buffer_printf(error, "%s/%s: %s", p->folder, name,
		result == -EINTR ? "interrupted" : "did not end in time");
	return result;
}

static bool accepts(unsigned port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool connected = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;

	if (fd >= 0)
		(void)close(fd);
	return connected;
}

int program_await_port(const struct program *p, pid_t pid, unsigned port, int timeout_ms,
	const volatile sig_atomic_t *stop, struct buffer *error)
{
	const uint64_t until_us = clock_us() + (uint64_t)timeout_ms * 1000;
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

	while (!accepts(port)) {
		if (!process_runs(pid)) {
			buffer_printf(
				error, "%s/start has ended; the end of its log:\n", p->folder);
			program_put_log(p, error);
			return -ECHILD;
		}
		if (stop && *stop) {
			buffer_puts(error, "interrupted");
			return -EINTR;
		}
		if (clock_us() > until_us) {
			buffer_printf(error,
				"%s/start: nothing accepts connections at 127.0.0.1:%u after %d s",
				p->folder, port, timeout_ms / 1000);
			return -ETIMEDOUT;
		}
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}
