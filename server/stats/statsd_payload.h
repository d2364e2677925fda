/*
 * Lines of the statsd protocol in payloads for UDP: whole lines, separated by newlines, at most STATSD_PAYLOAD_BYTES
 * each, which is what an Ethernet frame holds behind any headers. As in the protocol's own implementation (npm statsd
 * 0.9, docs/metric_types.md and stats.js), one line may carry several values: "name:1|ms:2|ms|@0.1".
 */
#ifndef QUERN_SERVER_STATS_STATSD_PAYLOAD_H
#define QUERN_SERVER_STATS_STATSD_PAYLOAD_H

#include "lib/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATSD_PAYLOAD_BYTES 1432u
#define STATSD_NAME_BYTES 400u /* of a whole name, NUL included: a line with a value always fits */
#define STATSD_PREFIX_BYTES 256u

struct statsd_payload {
	uint16_t len;
	char data[STATSD_PAYLOAD_BYTES];
};

/* A queue: at[next] is the one to be sent first. All zero bytes are an empty one. */
struct statsd_payloads {
	struct statsd_payload *at;
	size_t next, count, cap;
	uint64_t failed; /* lines left out: there was no memory, or a name was too long */
};

void statsd_payloads_done(struct statsd_payloads *p);

/* Forgets what is in it, keeps the memory and what has failed. */
void statsd_payloads_reset(struct statsd_payloads *p);

/* Letters, digits, - _ and . between them, not empty, less than STATSD_PREFIX_BYTES: a path in Graphite. */
bool statsd_prefix_is_legal(const char *prefix);

/* The name of what follows is scope.name, both as in statsd_prefix_is_legal(). */

void statsd_put_counter(
	struct statsd_payloads *p, const char *scope, const char *name, uint64_t delta);

/* Rounded to six decimals. What is negative or no number is sent as 0: a leading sign would change a gauge, not set it. */
void statsd_put_gauge(struct statsd_payloads *p, const char *scope, const char *name, double value);

/*
 * The durations in h, in milliseconds: all where there are no more than `bound` (at least 1), and else a systematic
 * sample of `bound`: in ascending order they are divided into that many groups, whose sizes differ by one at most, and of
 * each group one value is sent, with the sample rate 1/size. A value is the middle of its bucket, so what statsd makes of
 * them is within the histogram's 0.8 %, and a quantile of a sample is that of a rank which is at most two groups off.
 * Sample rates have nine digits, so that the counts add up to h->count within a billionth. Nothing is put for an empty h.
 */
void statsd_put_timer(struct statsd_payloads *p, const char *scope, const char *name,
	const struct histogram_copy *h, uint64_t bound);

#endif
