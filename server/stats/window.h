/*
 * The distributions of a slot over the last SAMPLE_WINDOW_S seconds, kept second by second: the
 * sampler's memory of histograms.
 */
#ifndef QUERN_SERVER_STATS_WINDOW_H
#define QUERN_SERVER_STATS_WINDOW_H

#include "server/stats/stats.h"

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_WINDOW_S 10

/* The four distributions of a slot or of several. About 43 kB: better not on a small stack. */
struct sample_window {
	struct histogram_copy queue, service, response, lag;
};

#define WINDOW_HISTOGRAMS 4u

/*
 * What one second added to the histograms of a slot. A worker fills a few hundred of the 5,000
 * buckets in a second, so only those are kept: ten dense copies of each slot would cost 430 kB,
 * these a tenth of it.
 */
struct window_second {
	uint64_t sum_us[WINDOW_HISTOGRAMS];
	size_t used, cap;
	struct window_cell {
		uint32_t index; /* histogram * HISTOGRAM_BUCKETS + bucket */
		uint32_t count;
	} * cell;
};

/* All zero bytes are one in which everything that the slot holds is new. */
struct window {
	struct sample_window base; /* the slot's histograms at the last tick */
	struct window_second ring[SAMPLE_WINDOW_S];
	unsigned next; /* the oldest of the ring, which the next tick replaces */
};

/* Takes what the slot holds as the past. */
void window_begin(struct window *w, const struct stats_slot *s);
void window_done(struct window *w);

/* Once a second. room is scratch space. */
void window_tick(struct window *w, const struct stats_slot *s, struct sample_window *room);

/*
 * Adds to *sum what the slot has recorded since SAMPLE_WINDOW_S ticks ago, the moment of the call
 * included. w NULL: all that it has recorded.
 */
void window_add(const struct window *w, const struct stats_slot *s, struct sample_window *sum);

#endif
