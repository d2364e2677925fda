/*
 * One load, measured: all its samples, what they add up to, and how busy everything was meanwhile.
 *
 * The generator's thread only stores samples. A second thread makes the percentiles and their
 * intervals of them, looks at the fleet, and tells how far things are: milliseconds of work that
 * would otherwise make requests late.
 */
#ifndef QUERN_BENCH_MEASURE_MEASURE_H
#define QUERN_BENCH_MEASURE_MEASURE_H

#include "bench/fleet/watch.h"
#include "bench/load/load.h"
#include "bench/load/recorder.h"

#include <signal.h>
#include <stdbool.h>

struct measure_live {
	double elapsed_s; /* of the measured part; below 0 in the warm-up */
	double p99_us;	  /* 0: none yet */
	struct interval p99;
	uint64_t errors;
};

struct measure_options {
	const struct target *target;
	const struct mix *mix;
	double rate_rps;
	uint64_t seed;
	const struct watch *watch;
	double warmup_s;
	double least_s, most_s; /* of the measured part: until p99's interval is within precision */
	double precision;
	const volatile sig_atomic_t *stop;
	void (*show)(void *own,
		const struct measure_live *live); /* from the second thread; may be NULL */
	void *own;
};

struct measure {
	struct sample *sample; /* all of them, the warm-up's too, in order of ending; owned */
	size_t samples;
	double warmup_us;	  /* requests intended before that are not in the recorder */
	struct recorder recorder; /* owned */
	/*
	 * Requests, their rate and elapsed_us of the measured part, all else of the whole run;
	 * ended_early: p99 was known well.
	 */
	struct load_totals totals;
	struct watch_shares shares; /* of the measured part; 0 where it did not begin */
	bool too_many;		    /* samples were lost, for want of room */
};

/*
 * 0, -errno with a sentence. An interrupted run gives 0 with totals.interrupted. Free with
 * measure_done().
 */
int measure_run(const struct measure_options *o, struct measure *ret, struct buffer *error)
	__attribute__((warn_unused_result));
void measure_done(struct measure *m);

/* load_run() with SCHED_FIFO where the system allows it, without where it does not. */
int measure_load(struct load_options *o, struct load_totals *ret, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * How many connections a generator may have: as many as the process may have descriptors, up to a
 * bound. Raises the limit.
 */
unsigned measure_connections(void);

#endif
