/*
 * Whether a measured load counts: nothing but the workers may have been the bottleneck, and nobody
 * else may have used the machine.
 */
#ifndef QUERN_BENCH_MEASURE_MEASURE_VOID_H
#define QUERN_BENCH_MEASURE_MEASURE_VOID_H

#include "bench/measure/measure.h"

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

/* Adds to *why what the machine was short of meanwhile, if it was. foreign: as in the options. */
void measure_check_machine(const struct watch_shares *s, bool foreign, struct buffer *why);

/* Adds a clause to those that `to` has, behind a semicolon: to reasons, and to notes. */
void measure_say(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
