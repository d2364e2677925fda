#include "bench/fleet/fleet_config.h"

bool fleet_config_has_balancer(const struct policy *p)
{
	return p->kind != POLICY_SHARED;
}

const char *fleet_config_policy(const struct policy *p)
{
	switch (p->kind) {
	case POLICY_RR:
	case POLICY_SHARED: /* has no balancer, so any word will do */
		return "roundrobin";
	case POLICY_LEAST:
		return "leastconn";
	case POLICY_CENTRAL_OF:
		return "central";
	case POLICY_RANDOM_OF:
		return p->parameter == 1 ? "random" : p->parameter == 2 ? "random(2)" : NULL;
	}
	return NULL;
}

json_t *fleet_config(const struct fleet_options *o, const struct fleet_addresses *a)
{
	const int workers = (int)o->workers;
	const bool central = o->policy.kind == POLICY_CENTRAL_OF;

	return json_pack("{s:{s:i, s:i, s:i, s:i}, s:{s:s}, s:{s:s, s:s, s:s, s:s, s:i, s:i},"
			 " s:{s:i, s:i, s:i, s:i, s:i}, s:{s:b}}",
		"workers", "count", workers, "max", workers, "base_port", (int)a->base_port,
		"drain_ms", 1000, "admin", "address", a->admin, "balancer", "kind",
		fleet_config_has_balancer(&o->policy) ? "haproxy" : "none", "listen", a->front,
		"stats", a->stats, "policy", fleet_config_policy(&o->policy), "maxconn",
		central ? (int)o->policy.parameter : 1, "timeout_ms", 120000, "limits", "queue",
		1000000, "queue_ms", 60000, "client_ms", 600000, "idle_ms", 600000, "connections",
		10000, "lab", "enabled", 1);
}
