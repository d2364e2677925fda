#include "server/stats/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The start of a file of /proc, as a string. 0 or -1. */
static int read_proc(pid_t pid, const char *name, char *text, size_t n)
{
	char path[64];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, text, n - 1);
	(void)close(fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	return 0;
}

uint64_t memory_of_bytes(pid_t pid)
{
	char text[2048];
	const char *at;
	uint64_t value;

	if (pid <= 0)
		return 0;
	if (read_proc(pid, "smaps_rollup", text, sizeof(text)) == 0) {
		at = strstr(text, "\nPss:");
		if (at && sscanf(at, "\nPss: %" SCNu64 " kB", &value) == 1)
			return value * 1024;
	}
	if (read_proc(pid, "statm", text, sizeof(text)) == 0 &&
		sscanf(text, "%*u %" SCNu64, &value) == 1)
		return value * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

uint64_t memory_of_slot_bytes(const struct stats_slot *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_SEATS; i++)
		sum += memory_of_bytes(atomic_load_explicit(&s->seat[i].pid, memory_order_relaxed));
	return sum;
}
