#include "server/recycle.h"

#include "lib/random.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define JITTER 10 /* one part of so many */

uint64_t recycle_requests(uint64_t max_requests, uint32_t slot, uint64_t birth)
{
	const uint64_t most = max_requests / JITTER;
	struct random r;

	if (max_requests == 0)
		return 0;
	random_init(&r, birth, slot);
	return max_requests - most + random_below(&r, 2 * most + 1);
}

enum recycle_reason recycle_check(
	uint64_t requests, uint64_t requests_limit, uint64_t rss_bytes, uint64_t rss_limit)
{
	if (requests_limit > 0 && requests >= requests_limit)
		return RECYCLE_REQUESTS;
	if (rss_limit > 0 && rss_bytes > rss_limit)
		return RECYCLE_MEMORY;
	return RECYCLE_NO;
}

/* What /proc/PID/statm says: pages of address space, then resident pages. */
uint64_t recycle_rss_bytes(pid_t pid)
{
	char path[32];
	char text[128];
	unsigned long long pages;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	const ssize_t len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
