/*
 * The value of a Server-Timing field (W3C Server Timing), as far as a load needs it:
 *
 *   queue;dur=0.123, lab;dur=1.002, worker;desc="3"
 *
 * Pure: nothing outside of the given bytes is read.
 */
#ifndef QUERN_BENCH_LOAD_TIMING_H
#define QUERN_BENCH_LOAD_TIMING_H

#include <stddef.h>
#include <stdint.h>

struct timing {
	double queue_us;   /* dur of `queue`; -1 without */
	double service_us; /* dur of the first entry that is neither queue, total nor worker; -1 */
	int32_t worker;	   /* desc of `worker`, where it is a number; -1 without */
};

void timing_init(struct timing *t);

/*
 * Takes what one field says; what an earlier one said stays (a field may be given several times).
 * Entries that do not follow the grammar, and durations that are no numbers from 0 to 10^12 ms, are
 * passed over.
 */
void timing_parse(struct timing *t, const char *value, size_t len);

#endif
