/*
 * When to give memory back to the system: after a crowd of connections has left. What they had lies scattered in pages
 * that malloc keeps; to look through them takes less than half a millisecond, which is nothing after a crowd and too much
 * after every few connections.
 */
#ifndef QUERN_SERVER_TRIM_H
#define QUERN_SERVER_TRIM_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing was given back yet. */
struct trim {
	uint64_t last_us; /* when memory was last given back */
	bool crowd;	  /* some of those who had come then, or come since, may still hold some */
};

/*
 * Whether it is time, where there are `open` connections now, and were `peak` at most since the last time: less than
 * half of a crowd is left. Not more than once a second.
 */
bool trim_is_due(struct trim *t, uint64_t open, uint64_t peak, uint64_t now_us);

/* Gives back what it can, and takes note; the peak begins anew. */
void trim_memory(struct trim *t, uint64_t open, uint64_t now_us);

#endif
