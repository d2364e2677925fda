/* How much memory a process holds. */
#ifndef QUERN_SERVER_STATS_MEMORY_H
#define QUERN_SERVER_STATS_MEMORY_H

#include "server/stats/stats.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * PSS of a process in bytes (memory shared with others counts by its share), from
 * /proc/PID/smaps_rollup; where that may not be read, its RSS. 0 when the process is gone or pid is
 * not above 0.
 */
uint64_t memory_of_bytes(pid_t pid);

/* Of all workers that live in the slot. */
uint64_t memory_of_slot_bytes(const struct stats_slot *s);

#endif
