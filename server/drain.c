#include "server/drain.h"

#include "config/health.h"

/* The next check comes within this after the last one was answered. */
#define PERIOD_US (HEALTH_CHECK_MS * UINT64_C(1000) * (100 + HEALTH_CHECK_SPREAD) / 100)
/* For the check to connect, to be read by a loop that has other work, and for its answer to arrive. */
#define MARGIN_US UINT64_C(100000)
/* A 404 given only now, because the loop was blocked, is still on its way. */
#define SETTLE_US UINT64_C(20000)
/*
 * HAProxy answers a request that it has sent on a connection just closed by sending it again elsewhere, so closing a
 * quiet one is safe at any time. To wait a little spares most of these second journeys.
 */
#define QUIET_US UINT64_C(300000)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void drain_note_check(struct drain *d, uint64_t now_us)
{
	d->checked_us = now_us;
	d->refused += drain_refuses_checks(d) ? 1u : 0u;
}

void drain_begin(
	struct drain *d, enum drain_kind kind, bool balanced, uint64_t limit_us, uint64_t now_us)
{
	if (d->kind != DRAIN_NONE)
		return;
	d->kind = kind;
	d->balanced = balanced;
	d->limit_us = limit_us;
	d->began_us = now_us;
}

bool drain_refuses_checks(const struct drain *d)
{
	return d->kind == DRAIN_RETIRE;
}

/* Somebody asks for our health, and so will learn from a 404. */
static bool is_checked(const struct drain *d)
{
	return d->balanced && d->checked_us != 0 &&
	       d->checked_us + PERIOD_US + MARGIN_US >= d->began_us;
}

uint64_t drain_door_us(const struct drain *d)
{
	uint64_t heard_us = d->began_us + PERIOD_US + MARGIN_US;

	if (d->kind == DRAIN_NONE)
		return UINT64_MAX;
	if (d->kind == DRAIN_HAND_OVER || !is_checked(d))
		return d->began_us;
	if (d->refused > 0 && d->checked_us + SETTLE_US > heard_us)
		heard_us = d->checked_us + SETTLE_US;
	return least(heard_us, d->began_us + d->limit_us / 2);
}

bool drain_closes_door(const struct drain *d, uint64_t now_us)
{
	return d->kind != DRAIN_NONE && drain_door_us(d) <= now_us;
}

uint64_t drain_idle_us(const struct drain *d)
{
	uint64_t half_us = d->limit_us / 2;

	if (!d->balanced)
		return half_us;
	if (d->kind == DRAIN_HAND_OVER || !is_checked(d))
		return least(QUIET_US, half_us);
	return least(PERIOD_US + MARGIN_US, half_us);
}

uint64_t drain_client_us(const struct drain *d)
{
	return d->limit_us / 2;
}
