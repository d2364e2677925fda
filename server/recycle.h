/*
 * When a worker that is well is replaced all the same: after workers.max_requests, or above workers.max_rss_mb. Decisions
 * only; the master replaces one slot at a time.
 */
#ifndef QUERN_SERVER_RECYCLE_H
#define QUERN_SERVER_RECYCLE_H

#include <stdint.h>
#include <sys/types.h>

enum recycle_reason { RECYCLE_NO, RECYCLE_REQUESTS, RECYCLE_MEMORY };

/*
 * The number of requests after which a worker born as number `birth` in `slot` is replaced: max_requests, less or more by
 * up to a tenth, so that workers that were started together do not leave together. The same for the same arguments; 0
 * (never) where max_requests is 0.
 */
uint64_t recycle_requests(uint64_t max_requests, uint32_t slot, uint64_t birth);

/* requests_limit from above, rss_limit in bytes; 0: no limit. */
enum recycle_reason recycle_check(
	uint64_t requests, uint64_t requests_limit, uint64_t rss_bytes, uint64_t rss_limit);

/* Resident memory of a process by /proc/PID/statm, in bytes; 0 where it cannot be read. */
uint64_t recycle_rss_bytes(pid_t pid);

#endif
