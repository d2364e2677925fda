#include "lib/log.h"

#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024 /* longer lines are cut */
#define ROLE_BYTES 32

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* The log of this process; a child inherits it and only changes its role. */
static struct {
	int fd;
	enum log_level level;
	char role[ROLE_BYTES];
	uint64_t lost;
} state = {.fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};

int log_open(enum log_level level, const char *destination)
{
	int fd = STDERR_FILENO;

	if (strcmp(destination, "stderr") != 0) {
		fd = open(destination, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0)
			return -errno;
	}
	if (state.fd != STDERR_FILENO)
		close(state.fd);
	state.fd = fd;
	state.level = level;
	return 0;
}

void log_set_role(const char *role)
{
	(void)snprintf(state.role, sizeof(state.role), "%s", role);
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > state.level)
		return;

	char line[LINE_BYTES];
	size_t len = strlen(clock_format_utc(line, sizeof(line), clock_wall_us(), 3));
	int n = snprintf(line + len, sizeof(line) - len, " %s %s: ", level_names[level],
		state.role[0] ? state.role : "quern");
	len += (size_t)n;

	va_list args;
	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	log_raw(line, len);
}

void log_raw(const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(state.fd, line, len);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)len)
		state.lost++;
}

uint64_t log_lost(void)
{
	return state.lost;
}
