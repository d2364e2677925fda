/* What /proc tells of a process. */
#ifndef QUERN_SERVER_STATS_PROCESS_H
#define QUERN_SERVER_STATS_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * When pid was started, in clock ticks since boot (/proc/PID/stat, field 22): with the pid, it
 * names one process for good. 0 or -errno.
 */
int process_start_ticks(pid_t pid, uint64_t *ret) __attribute__((warn_unused_result));

#endif
