/*
 * What a request costs a worker besides the work that was asked for: a short load at about half of
 * what the fleet can do, busy time per request from outside, less the time asked for. From it
 * follows the rate for a utilization.
 */
#ifndef QUERN_BENCH_MEASURE_CALIBRATE_H
#define QUERN_BENCH_MEASURE_CALIBRATE_H

#include "bench/fleet/watch.h"
#include "bench/load/mix.h"
#include "bench/load/target.h"
#include "lib/buffer.h"

#include <signal.h>
#include <stdint.h>

struct calibrate_options {
	const struct target *target;
	const struct mix *mix;
	const struct watch *watch;
	unsigned workers;
	double mean_us; /* of the work asked for; 0: not known, then found out by a trickle first */
	double seconds;
	uint64_t seed;
	const volatile sig_atomic_t *stop;
};

struct calibration {
	double service_us; /* mean of the work: as asked for, else as the workers told, else all of the busy time */
	double overhead_us; /* busy time per request - that */
	double told_us;	    /* mean that the workers told; -1: they do not */
	double asked_us;    /* mean asked for in this very load; -1: not known */
	double busy_us;	    /* busy time per request */
	uint64_t requests;
};

/*
 * 0; -EINTR by stop; -EIO when requests failed or cost the workers nothing; -errno; each with a
 * sentence.
 */
int calibrate(const struct calibrate_options *o, struct calibration *ret, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
