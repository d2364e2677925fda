/*
 * Workers by their number of requests, for "the one with fewest": of those with equally many the
 * one that has had that number for the longest time. That is the order of HAProxy's `leastconn`
 * (src/lb_fwlc.c): servers lie in a tree by the number of requests that they have; one whose number
 * changes is taken out and put in behind its equals; the first one is used. Here each number has a
 * list, so that every step takes constant time for any number of workers.
 */
#ifndef QUERN_BENCH_SIM_LEVELS_H
#define QUERN_BENCH_SIM_LEVELS_H

#include <stddef.h>
#include <stdint.h>

struct level_link {
	uint32_t previous, next;
	uint32_t level;
};

struct level {
	uint32_t first, last;
};

struct levels {
	struct level_link *of_worker;
	struct level *level;
	size_t level_count;
	uint32_t lowest; /* the lowest level that has workers */
};

/* All workers are at level 0, in the order of their numbers. 0 or -ENOMEM. */
int levels_init(struct levels *l, uint32_t workers) __attribute__((warn_unused_result));
void levels_done(struct levels *l);

/*
 * Worker w goes to the end of a level, also if it is there already. 0 or -ENOMEM, and then nothing
 * has happened.
 */
int levels_move(struct levels *l, uint32_t w, uint32_t level) __attribute__((warn_unused_result));

/* The worker with fewest requests. */
static inline uint32_t levels_first(const struct levels *l)
{
	return l->level[l->lowest].first;
}

#endif
