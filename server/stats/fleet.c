#include "server/stats/fleet.h"

uint32_t fleet_count(const struct stats_region *r, enum slot_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->slots; i++)
		n += atomic_load_explicit(&stats_current_of(&r->slot[i])->state,
			     memory_order_relaxed) == (uint32_t)state;
	return n;
}

enum fleet_state fleet_state_of(const struct stats_region *r)
{
	uint32_t ready = fleet_count(r, SLOT_READY);

	if (atomic_load_explicit(&r->stopping, memory_order_relaxed))
		return FLEET_STOPPING;
	if (ready == 0)
		return FLEET_DOWN;
	if (ready < atomic_load_explicit(&r->wanted, memory_order_relaxed) ||
		fleet_count(r, SLOT_PARKED) > 0)
		return FLEET_DEGRADED;
	return FLEET_OK;
}

const char *fleet_state_name(enum fleet_state state)
{
	static const char *const names[FLEET_STATES] = {
		[FLEET_OK] = "ok",
		[FLEET_DEGRADED] = "degraded",
		[FLEET_DOWN] = "down",
		[FLEET_STOPPING] = "stopping",
	};

	return names[state];
}
