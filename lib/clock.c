#include "lib/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

uint64_t clock_cpu_of_us(pid_t pid)
{
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) != 0)
		return 0;
	return read_us(id);
}
