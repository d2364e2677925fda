/*
 * The loop's own timeline: what a worker did last, in a ring in shared memory, one per seat. The worker is its only writer
 * and never waits; readers may be lapped, and notice. It holds times and numbers, never anything of a request's text.
 *
 * A job that ran in one go is one entry, TRACE_JOB. One that was cut, offloaded or had to ask the backend has an entry for
 * each piece as well, which come before its TRACE_JOB, as that one is put when it is answered.
 */
#ifndef QUERN_SERVER_STATS_TRACE_H
#define QUERN_SERVER_STATS_TRACE_H

#include "server/stats/stats.h"

#include <stdbool.h>
#include <stdint.h>

enum trace_kind {
	TRACE_JOB, /* a request: from_us arrival, start_us its work began, end_us it was answered */
	TRACE_SLICE,  /* a piece of its work on the loop: start_us, end_us */
	TRACE_THREAD, /* its work in a thread, number `lane`: start_us, end_us */
	TRACE_CALL, /* a call of the backend: start_us sent, from_us the answer reached this host (0: not known), end_us
		       * the loop came round to it */
};

/* Times are clock_us(). */
struct trace_entry {
	enum trace_kind kind;
	enum stats_route route;
	int status;    /* TRACE_JOB: the answer's; 0: the client had left */
	unsigned lane; /* TRACE_THREAD */
	unsigned
		pieces; /* TRACE_JOB: entries of other kinds that it has; 0: start_us to end_us was one piece on the loop. At most
			  * 65535 are told */
	uint64_t job;	/* the request, counted from 1 in its worker's life */
	uint64_t from_us, start_us, end_us;
};

/* The last so many entries are kept; a power of two. */
#define TRACE_ENTRIES 4096u

/* A cache line. */
struct trace_record {
	_Atomic uint64_t serial;  /* 1 + the entry's number; 0: being written */
	_Atomic uint64_t word[7]; /* the last two are not used */
};

struct trace_ring {
	_Alignas(STATS_LINE) _Atomic uint64_t written; /* entries ever */
	_Alignas(STATS_LINE) struct trace_record record[TRACE_ENTRIES];
};

/* The ring of a seat; it carries on from worker to worker. Behind the slots in the same region. */
struct trace_ring *trace_ring_of(struct stats_region *r, uint32_t slot, unsigned seat);
const struct trace_ring *trace_ring_read(
	const struct stats_region *r, uint32_t slot, unsigned seat);

/* What stats_region_new() adds to the region for all rings. */
size_t trace_bytes(uint32_t slots);

/* By the seat's worker only. */
void trace_put(struct trace_ring *ring, const struct trace_entry *e);

/* How many entries were put ever: those from trace_written() - TRACE_ENTRIES on may still be there. */
uint64_t trace_written(const struct trace_ring *ring);

/* Entry number i, counted from 0, as it was put, whole. False: it is overwritten already, or being so, or not there yet. */
bool trace_get(const struct trace_ring *ring, uint64_t i, struct trace_entry *ret)
	__attribute__((warn_unused_result));

#endif
