/*
 * Sends the figures in shared memory to a statsd server by UDP, once an interval: counters as what came since the last
 * time, gauges as they are, durations as samples of what was recorded since (server/stats/statsd_payload.h). Names are
 * PREFIX.fleet.NAME and PREFIX.worker.SLOT.NAME (docs/metrics.md). There is never a text in them.
 *
 * It runs in the admin process's loop and holds that up for no longer than one slot's lines take to write: slot by slot,
 * and payload by payload, an interval's figures are spread over most of it, so that a receiver's socket buffer does not
 * overflow. Nothing is waited for and nothing is kept: a payload that the system or the receiver does not take is
 * counted and dropped. When an interval's figures are not all sent as the next one begins, that one is left out, and what
 * it would have told is in the one after it.
 */
#ifndef QUERN_SERVER_STATS_STATSD_H
#define QUERN_SERVER_STATS_STATSD_H

#include "lib/address.h"
#include "server/stats/sample.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct statsd;

struct statsd_options {
	struct address to;
	const char *prefix; /* copied */
	uint64_t interval_us;
	bool from_zero; /* what the slots hold already is sent too; else it is the past */
	/*
	 * Called when payloads begin to be lost, with -errno (-ECONNREFUSED: nobody listens there), and with 0 when a
	 * whole interval was taken again: once for each change.
	 */
	void (*on_state)(int error, void *arg);
	void *arg;
};

/*
 * The first figures are sent an interval from now. r is the sampler's region; there
 * statsd_payloads and statsd_lost are counted, which nobody else may write. All pointers are borrowed until statsd_free().
 * 0; -EINVAL: the prefix is not legal (statsd_prefix_is_legal()); -ENOMEM.
 */
int statsd_new(struct statsd **ret, struct event_base *base, struct stats_region *r,
	const struct sampler *sampler, const struct statsd_options *options)
	__attribute__((warn_unused_result));
void statsd_free(struct statsd *s);

/* From now on; the next figures are sent a new interval from now. Nothing happens where it is the old one. */
void statsd_set_interval(struct statsd *s, uint64_t interval_us);

/*
 * Before the end of the process: sends what is not sent yet, and what came since, for which the caller waits at most
 * limit_us. What is left by then counts as lost.
 */
void statsd_finish(struct statsd *s, uint64_t limit_us);

#endif
