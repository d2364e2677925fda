#include "config/draft.h"

#include "lib/address.h"

#include <inttypes.h>

#define PORT_MAX 65535

/* Where something is bound, if it is. With discovery dns the balancer runs on a host of its own. */
enum place { NOWHERE, AT_WORKERS, AT_BALANCER };

static bool usable(const struct config_draft *d, enum config_id id)
{
	return !d->wrong[id];
}

static int64_t last_port(const struct config *c)
{
	return c->workers_base_port + c->workers_max - 1;
}

static bool ports_are_usable(const struct config_draft *d)
{
	return usable(d, ID_workers_base_port) && usable(d, ID_workers_max);
}

static void check_ports(const struct config_draft *d)
{
	if (ports_are_usable(d) && last_port(&d->values) > PORT_MAX)
		draft_complain(d, d->errors, ID_workers_base_port, ID_workers_max,
			"is out of range; allowed: at most %" PRId64
			", so that every slot has a port",
			PORT_MAX - d->values.workers_max + 1);
}

static const char *listener_text(const struct config *c, enum config_id id)
{
	switch (id) {
	case ID_admin_address:
		return c->admin_address;
	case ID_balancer_listen:
		return c->balancer_listen;
	default:
		return c->balancer_stats;
	}
}

/* The address of one of the listeners; the type has checked that it is one. */
static struct address listener_address(const struct config_draft *d, enum config_id id)
{
	struct address a = {0};

	if (address_parse(&a, listener_text(&d->values, id), false) < 0)
		a.storage.ss_family = AF_UNSPEC;
	return a;
}

static enum place place_of(const struct config_draft *d, enum config_id id)
{
	const struct config *c = &d->values;
	const bool alone = c->balancer_kind == BALANCER_NONE;

	if (id == ID_balancer_stats && alone)
		return NOWHERE;
	if (id == ID_admin_address || alone || c->balancer_discovery == DISCOVERY_STATIC)
		return AT_WORKERS;
	return AT_BALANCER;
}

static void check_against_workers(const struct config_draft *d, enum config_id id)
{
	const struct config *c = &d->values;
	const struct address a = listener_address(d, id);
	const int64_t port = address_port(&a);
	struct address workers;

	if (c->balancer_kind != BALANCER_HAPROXY || place_of(d, id) != AT_WORKERS)
		return;
	if (!ports_are_usable(d) || port < c->workers_base_port || port > last_port(c))
		return;
	if (!usable(d, ID_workers_address) ||
		address_from_host(&workers, c->workers_address, 1) < 0)
		return;
	if (address_hosts_overlap(&a, &workers))
		draft_complain(d, d->errors, id, ID_workers_base_port,
			"is a worker's; allowed: a port outside %" PRId64 " to %" PRId64,
			c->workers_base_port, last_port(c));
}

static void check_pair(const struct config_draft *d, enum config_id id, enum config_id other)
{
	const enum place place = place_of(d, id);

	if (!usable(d, id) || !usable(d, other) || place == NOWHERE || place_of(d, other) != place)
		return;
	const struct address a = listener_address(d, id);
	const struct address b = listener_address(d, other);
	if (address_port(&a) == address_port(&b) && address_hosts_overlap(&a, &b))
		draft_complain(d, d->errors, id, other, "is taken; allowed: another port or host");
}

static void check_lab(const struct config_draft *d)
{
	const struct config *c = &d->values;
	const bool alone = c->balancer_kind == BALANCER_NONE;
	const enum config_id id = alone ? ID_balancer_listen : ID_workers_address;
	struct address a;

	if (!c->lab_enabled || c->lab_force || !usable(d, ID_lab_enabled) ||
		!usable(d, ID_lab_force))
		return;
	if (!usable(d, id) || !usable(d, ID_balancer_kind))
		return;
	if (alone)
		a = listener_address(d, id);
	else if (address_from_host(&a, c->workers_address, 1) < 0)
		return;
	if (!address_is_loopback(&a)) {
		draft_complain(d, d->errors, ID_lab_enabled, id,
			"is not allowed; allowed: with a loopback address only, or with lab.force");
		return;
	}
	if (alone || !usable(d, ID_balancer_listen))
		return;
	a = listener_address(d, ID_balancer_listen);
	if (!address_is_loopback(&a))
		draft_complain(d, d->warnings, ID_lab_enabled, ID_balancer_listen,
			"lets everybody who reaches the balancer block a worker");
}

void draft_check_listeners(const struct config_draft *d)
{
	static const enum config_id listeners[] = {
		ID_admin_address, ID_balancer_listen, ID_balancer_stats};
	const size_t n = sizeof listeners / sizeof *listeners;

	check_ports(d);
	check_lab(d);
	/* Which of them there are, and where, hangs on these two. */
	if (!usable(d, ID_balancer_kind) || !usable(d, ID_balancer_discovery))
		return;
	for (size_t i = 0; i < n; i++) {
		if (usable(d, listeners[i]))
			check_against_workers(d, listeners[i]);
		for (size_t j = 0; j < i; j++)
			check_pair(d, listeners[i], listeners[j]);
	}
}
