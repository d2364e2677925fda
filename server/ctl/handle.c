#include "server/ctl/handle.h"

#include "server/stats/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

int handle_open(pid_t pid, uint64_t start_ticks)
{
	int fd = pidfd_open(pid, 0);
	uint64_t ticks;

	if (fd < 0)
		return -errno;
	/*
	 * Looked at after the descriptor was made: if the start time is right now, the pid has not
	 * passed to another process before, and the descriptor is that of the right one.
	 */
	if (process_start_ticks(pid, &ticks) == 0 && ticks == start_ticks)
		return fd;
	(void)close(fd);
	return -ESTALE;
}

bool handle_ignores(pid_t pid, int number)
{
	char path[32], line[256];
	uint64_t ignored = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SigIgn: %" SCNx64, &ignored) == 1)
			break;
	(void)fclose(f);
	return (ignored >> (number - 1) & 1) != 0;
}
