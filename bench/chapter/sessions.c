#include "bench/chapter/sessions.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "PID (NAME) STATE PPID PGRP SESSION ... utime stime": proc(5). The name may hold anything, so count from its end. */
static uint64_t ticks_of(const char *stat, pid_t session)
{
	const char *end = strrchr(stat, ')');
	int of = 0;
	unsigned long user = 0, system = 0;

	if (!end ||
		sscanf(end + 1, " %*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &of, &user,
			&system) != 3 ||
		of != session)
		return 0;
	return user + system;
}

static uint64_t ticks_at(const char *name, pid_t session)
{
	char path[280], text[1024];

	(void)snprintf(path, sizeof path, "/proc/%s/stat", name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* It may just have ended. */
	if (fd < 0)
		return 0;
	const ssize_t n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return ticks_of(text, session);
}

static int is_process(const struct dirent *e)
{
	return e->d_name[0] >= '1' && e->d_name[0] <= '9';
}

uint64_t sessions_cpu_us(pid_t session)
{
	struct dirent **entry = NULL;
	const int n = scandir("/proc", &entry, is_process, alphasort);
	uint64_t ticks = 0;

	for (int i = 0; i < n; i++) {
		ticks += ticks_at(entry[i]->d_name, session);
		free(entry[i]);
	}
	free(entry);
	return ticks * (1000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}
