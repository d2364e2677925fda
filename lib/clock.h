/* The clocks, in microseconds. None of them fails on Linux. */
#ifndef QUERN_LIB_CLOCK_H
#define QUERN_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC: for every age, deadline and duration. Shared by all processes of the host. */
uint64_t clock_us(void);

/* CLOCK_REALTIME since the epoch: for what people read, and for times that cross hosts. It can
 * step. */
uint64_t clock_wall_us(void);

/* CPU time used so far by the process pid (all of its threads); 0 when it is gone. One system call.
 */
uint64_t clock_cpu_of_us(pid_t pid);

/* CPU time used so far by the calling thread. One system call. */
uint64_t clock_thread_cpu_us(void);

#define CLOCK_UTC_BYTES 28 /* enough for any clock_format_utc(), NUL included */

/*
 * wall_us as ISO 8601 in UTC, "2026-11-21T22:04:05.123Z", with `digits` decimals of the second (3 or 6). Writes at
 * most n bytes, NUL included, and returns text.
 */
const char *clock_format_utc(char *text, size_t n, uint64_t wall_us, unsigned digits);

#endif
