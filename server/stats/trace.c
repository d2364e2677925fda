#include "server/stats/trace.h"

#include <string.h>

_Static_assert((TRACE_ENTRIES & (TRACE_ENTRIES - 1)) == 0, "a power of two");
_Static_assert(sizeof(struct trace_record) == STATS_LINE, "a record is a cache line");

static size_t offset_of(const struct stats_region *r, uint32_t slot, unsigned seat)
{
	return sizeof(*r) + (size_t)r->slots * sizeof(r->slot[0]) +
	       ((size_t)slot * STATS_SEATS + seat) * sizeof(struct trace_ring);
}

struct trace_ring *trace_ring_of(struct stats_region *r, uint32_t slot, unsigned seat)
{
	return (struct trace_ring *)((char *)r + offset_of(r, slot, seat));
}

const struct trace_ring *trace_ring_read(const struct stats_region *r, uint32_t slot, unsigned seat)
{
	return (const struct trace_ring *)((const char *)r + offset_of(r, slot, seat));
}

size_t trace_bytes(uint32_t slots)
{
	return (size_t)slots * STATS_SEATS * sizeof(struct trace_ring);
}

/* What does not fit says the most that does: a job of 65,535 pieces or more has many. */
static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

static uint64_t pack(const struct trace_entry *e)
{
	return (uint64_t)e->kind | (uint64_t)e->route << 8 | (uint64_t)(uint16_t)e->status << 16 |
	       at_most(e->lane, 0xffff) << 32 | at_most(e->pieces, 0xffff) << 48;
}

/*
 * Who reads one word of a new entry sees from then on that its record is being written, or is written anew: the words are
 * stored with release and read with acquire, which cost nothing on x86. No serial comes twice.
 */
static void set(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, value, memory_order_release);
}

void trace_put(struct trace_ring *ring, const struct trace_entry *e)
{
	const uint64_t n = atomic_load_explicit(&ring->written, memory_order_relaxed);
	struct trace_record *r = &ring->record[n & (TRACE_ENTRIES - 1)];

	set(&r->serial, 0);
	set(&r->word[0], pack(e));
	set(&r->word[1], e->job);
	set(&r->word[2], e->from_us);
	set(&r->word[3], e->start_us);
	set(&r->word[4], e->end_us);
	set(&r->serial, n + 1);
	set(&ring->written, n + 1);
}

static uint64_t get(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

uint64_t trace_written(const struct trace_ring *ring)
{
	return get(&ring->written);
}

bool trace_get(const struct trace_ring *ring, uint64_t i, struct trace_entry *ret)
{
	const struct trace_record *r = &ring->record[i & (TRACE_ENTRIES - 1)];

	if (get(&r->serial) != i + 1)
		return false;
	const uint64_t packed = get(&r->word[0]);
	const struct trace_entry e = {
		.kind = (enum trace_kind)(packed & 0xff),
		.route = (enum stats_route)(packed >> 8 & 0xff),
		.status = (int)(packed >> 16 & 0xffff),
		.lane = (unsigned)(packed >> 32 & 0xffff),
		.pieces = (unsigned)(packed >> 48),
		.job = get(&r->word[1]),
		.from_us = get(&r->word[2]),
		.start_us = get(&r->word[3]),
		.end_us = get(&r->word[4]),
	};
	if (get(&r->serial) != i + 1)
		return false;
	*ret = e;
	return true;
}
