#include "lib/clock.h"

#include <stdio.h>
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

uint64_t clock_thread_cpu_us(void)
{
	return read_us(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_cpu_of_us(pid_t pid)
{
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) != 0)
		return 0;
	return read_us(id);
}

const char *clock_format_utc(char *text, size_t n, uint64_t wall_us, unsigned digits)
{
	time_t seconds = (time_t)(wall_us / 1000000u);
	unsigned fraction = (unsigned)(wall_us % 1000000u);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	size_t len = strftime(text, n, "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits == 3)
		(void)snprintf(text + len, n - len, ".%03uZ", fraction / 1000u);
	else
		(void)snprintf(text + len, n - len, ".%06uZ", fraction);
	return text;
}
