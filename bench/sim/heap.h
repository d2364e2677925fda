/*
 * Which worker finishes a job next: a binary heap (Williams 1964) of at most one entry for each
 * worker, earliest first; of equal times the worker with the lower number comes first, so that runs
 * are the same everywhere.
 */
#ifndef QUERN_BENCH_SIM_HEAP_H
#define QUERN_BENCH_SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_entry {
	double at_us;
	uint32_t worker;
};

struct heap {
	struct heap_entry *entry; /* entry[0] is the earliest */
	size_t count;
};

/* Room for `capacity` entries. 0 or -ENOMEM. */
int heap_init(struct heap *h, size_t capacity) __attribute__((warn_unused_result));
void heap_done(struct heap *h);

/* Within the capacity. */
void heap_push(struct heap *h, struct heap_entry e);

/* Of a heap that is not empty: takes out the earliest, or puts e in its place. */
void heap_pop(struct heap *h);
void heap_replace(struct heap *h, struct heap_entry e);

#endif
