/*
 * What a slot, or the fleet, has counted: as it stands in shared memory, or between two moments; and its lines for statsd.
 */
#ifndef QUERN_SERVER_STATS_STATSD_COUNTS_H
#define QUERN_SERVER_STATS_STATSD_COUNTS_H

#include "server/stats/counters.h"
#include "server/stats/sample.h"
#include "server/stats/statsd_payload.h"

#define STATSD_TIMER_VALUES 2000u /* of a timer and interval, at most */

/* About 43 kB. All zero bytes: nothing was counted. */
struct statsd_counts {
	uint64_t plain[COUNTERS];
	uint64_t requests;		  /* health checks left out, as are the next */
	uint64_t answers[STATS_STATUSES]; /* by status */
	uint64_t restarts, hung, recycled, parked;
	struct sample_window times;
};

/* What the slot has counted so far: of all workers that it ever had. */
void statsd_counts_read(struct statsd_counts *ret, const struct stats_slot *s);

/*
 * *delta = now - *past, and then *past = now, the slot's counts. Counters of a slot never go back; one that did all the
 * same would be 0 here until it has passed where it was.
 */
void statsd_counts_step(
	struct statsd_counts *delta, struct statsd_counts *past, const struct stats_slot *s);

void statsd_counts_add(struct statsd_counts *sum, const struct statsd_counts *delta);

/* Counters and timers. */
void statsd_put_counts(
	struct statsd_payloads *p, const char *scope, const struct statsd_counts *delta);

/* The gauges that workers and the fleet have in common. */
void statsd_put_gauges(struct statsd_payloads *p, const char *scope, const struct slot_view *v);

#endif
