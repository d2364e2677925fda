/*
 * Whether a measured load counts: nothing but the workers may have been the bottleneck, and nobody
 * else may have used the machine.
 */
#ifndef QUERN_BENCH_MEASURE_MEASURE_VOID_H
#define QUERN_BENCH_MEASURE_MEASURE_VOID_H

#include "bench/measure/measure.h"

#define MEASURE_HAPROXY_MOST 0.8 /* CPUs */
#define MEASURE_OTHERS_MOST 0.25 /* CPUs that programs which are no part of it may use */
#define MEASURE_STEAL_MOST 0.1	 /* CPUs that the host may take away */

struct measure_void_options {
	/* Not all of the fleet's processes are known, so they would pass for other programs. */
	bool foreign;
	double planned_us; /* what the measured part was to be, for an interrupted one; 0: not said */
};

/*
 * Appends all reasons, divided by "; ", to reason, which is empty; false, and nothing, if it
 * counts. Of a run that was interrupted only that is told: what came of it is no other reason.
 */
bool measure_is_void(
	const struct measure *m, const struct measure_void_options *o, struct buffer *reason);

/* Adds a clause to those that `to` has, behind a semicolon: to reasons, and to notes. */
void measure_say(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
