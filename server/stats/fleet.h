/* The fleet as a whole, by the states of its slots in shared memory. */
#ifndef QUERN_SERVER_STATS_FLEET_H
#define QUERN_SERVER_STATS_FLEET_H

#include "server/stats/stats.h"

#include <stdint.h>

enum fleet_state {
	FLEET_OK,
	FLEET_DEGRADED, /* fewer workers are ready than wanted, or a slot is parked */
	FLEET_DOWN,	/* none is ready */
	FLEET_STOPPING, /* the master is shutting down */
	FLEET_STATES,
};
enum fleet_state fleet_state_of(const struct stats_region *r);
const char *fleet_state_name(enum fleet_state state);

/* How many slots are in that state: that of their current seat. */
uint32_t fleet_count(const struct stats_region *r, enum slot_state state);

#endif
