/* The configuration that a fleet's quernd and HAProxy are started with. */
#ifndef QUERN_BENCH_FLEET_FLEET_CONFIG_H
#define QUERN_BENCH_FLEET_FLEET_CONFIG_H

#include "bench/fleet/fleet.h"

#include <jansson.h>

struct fleet_addresses {
	const char *front, *admin, *stats; /* HOST:PORT */
	unsigned base_port;		   /* of the workers */
};

/* Whether HAProxy stands before the workers. */
bool fleet_config_has_balancer(const struct policy *p);

/* balancer.policy; NULL where quernd has no such policy. */
const char *fleet_config_policy(const struct policy *p);

/*
 * quern.json; a new reference, NULL without memory. Limits are so large that no burst meets them:
 * a request that is shed would be missing from the tail. limits.queue_ms is at its highest, and
 * HAProxy waits longer than that.
 */
json_t *fleet_config(const struct fleet_options *o, const struct fleet_addresses *a);

#endif
