/* CPU time of all processes of a session, from /proc. */
#ifndef QUERN_BENCH_CHAPTER_SESSIONS_H
#define QUERN_BENCH_CHAPTER_SESSIONS_H

#include <stdint.h>
#include <sys/types.h>

/* Of those that live, in steps of a clock tick (10 ms); 0 where there is none. */
uint64_t sessions_cpu_us(pid_t session);

#endif
