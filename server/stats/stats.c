#include "server/stats/stats.h"

#include "server/stats/trace.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

const int stats_status[STATS_STATUSES] = {
	200, 204, 304, 400, 404, 405, 408, 413, 415, 431, 500, 501, 502, 503, 504};

static const char *const route_names[ROUTE_COUNT] = {
	[ROUTE_ROOT] = "/",
	[ROUTE_QR] = "/qr",
	[ROUTE_HEALTHZ] = "/healthz",
	[ROUTE_LAB_SLEEP] = "/lab/sleep",
	[ROUTE_LAB_BURN] = "/lab/burn",
	[ROUTE_LAB_CONSTANT] = "/lab/constant",
	[ROUTE_LAB_HASH] = "/lab/hash",
	[ROUTE_LAB_LOOKUP] = "/lab/lookup",
	[ROUTE_LAB_HISTORY] = "/lab/history",
	[ROUTE_LAB_LATENCY] = "/lab/latency",
	[ROUTE_NONE] = "none",
};

static const char *const state_names[] = {
	[SLOT_UNUSED] = "unused",
	[SLOT_STARTING] = "starting",
	[SLOT_READY] = "ready",
	[SLOT_DRAINING] = "draining",
	[SLOT_WAITING] = "waiting",
	[SLOT_PARKED] = "parked",
};

const char *stats_route_name(enum stats_route route)
{
	return route_names[route];
}

const char *slot_state_name(enum slot_state state)
{
	return state_names[state];
}

static size_t region_bytes(uint32_t slots)
{
	return sizeof(struct stats_region) + (size_t)slots * sizeof(struct stats_slot) +
	       trace_bytes(slots);
}

struct stats_region *stats_region_new(uint32_t slots)
{
	void *p = mmap(NULL, region_bytes(slots), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	struct stats_region *r = p;
	r->slots = slots;
	return r;
}

void stats_region_free(struct stats_region *r)
{
	if (r)
		munmap(r, region_bytes(r->slots));
}

uint64_t stats_seat_requests(const struct stats_seat *s)
{
	uint64_t n = 0;

	for (int route = 0; route < ROUTE_COUNT; route++) {
		if (route == ROUTE_HEALTHZ)
			continue;
		for (int i = 0; i < STATS_STATUSES; i++)
			n += stats_get(&s->requests[route][i]);
	}
	return n;
}

void stats_count_answer(struct stats_seat *s, enum stats_route route, int status)
{
	for (int i = 0; i < STATS_STATUSES; i++) {
		if (stats_status[i] == status) {
			stats_add(&s->requests[route][i], 1);
			return;
		}
	}
	assert(false && "a status that stats_status does not list");
}
