#include "bench/fleet/fleet_config.h"

#include <string.h>

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

/* "section.key": a name without a dot becomes a section of its own, which quernd refuses by its name. */
static int set_option(json_t *config, const char *name, json_t *value)
{
	const char *dot = strchr(name, '.');
	char section[64];

	if (!dot || (size_t)(dot - name) >= sizeof section)
		return json_object_set(config, name, value);
	memcpy(section, name, (size_t)(dot - name));
	section[dot - name] = '\0';
	json_t *in = json_object_get(config, section);
	if (!in) {
		in = json_object();
		if (json_object_set_new(config, section, in) != 0)
			return -1;
	}
	return json_object_set(in, dot + 1, value);
}

/* config with `set` in it, or NULL. */
static json_t *set_options(json_t *config, const json_t *set)
{
	/* jansson iterates over what it may change only. */
	json_t *object = json_incref((json_t *)(uintptr_t)set), *value;
	const char *name;
	int result = config ? 0 : -1;

	json_object_foreach(object, name, value)
	{
		if (result == 0)
			result = set_option(config, name, value);
	}
	json_decref(object);
	if (result == 0)
		return config;
	json_decref(config);
	return NULL;
}

static json_t *usual_config(const struct fleet_options *o, const struct fleet_addresses *a)
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

json_t *fleet_config(const struct fleet_options *o, const struct fleet_addresses *a)
{
	return set_options(usual_config(o, a), o->set);
}
