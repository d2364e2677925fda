#include "server/fleet.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>

/* Between two tries to open a socket that an old master's worker may still hold, and that should be free. */
#define OPEN_SOON_US 20000u
#define OPEN_AGAIN_US 10000000u
/* Somebody else may have told a worker to leave; that shows in its state only. */
#define LOOK_US 200000u
#define RECYCLE_ROUND_US 200000u

int fleet_init(struct fleet *f, struct legacy *l)
{
	uint64_t now_us = clock_us();

	*f = (struct fleet){.legacy = l,
		.slots = l->stats->slots,
		.generation = 1,
		.last_generation = 1,
		.serving = true,
		.recycle_us = now_us + RECYCLE_ROUND_US};
	f->slot = calloc(f->slots, sizeof(*f->slot));
	if (!f->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < f->slots; i++)
		slot_init(&f->slot[i], i);
	fleet_take(f, now_us);
	return 0;
}

void fleet_done(struct fleet *f)
{
	free(f->slot);
	*f = (struct fleet){0};
}

/* --- what is wanted */

void fleet_be_patient(struct fleet *f, uint64_t until_us)
{
	f->patient_until_us = until_us;
	f->legacy->sockets.patient = true;
}

/* 0, or the error that shall be one: an old worker's socket is waited for, by open_missing(). */
static int open_socket(struct fleet *f, uint32_t slot)
{
	int error = sockets_open_slot(&f->legacy->sockets, f->legacy->config, slot);

	return error == -EADDRINUSE && f->legacy->sockets.patient ? 0 : error;
}

int fleet_scale(struct fleet *f, uint32_t wanted)
{
	for (uint32_t i = 0; i < wanted; i++) {
		int error = open_socket(f, i);

		if (error) {
			/* Those that were opened for nothing. */
			while (i-- > f->wanted)
				if (slot_is_empty(&f->slot[i]))
					sockets_close_slot(&f->legacy->sockets, i);
			return error;
		}
	}
	f->open_us = 0;
	f->wanted = wanted;
	for (uint32_t i = 0; i < f->slots; i++)
		f->slot[i].wanted = i < wanted;
	/* Fewer slots depend on each of them, so one that is parked is tried at once. */
	fleet_forgive(f);
	atomic_store(&f->legacy->stats->wanted, wanted);
	return 0;
}

void fleet_roll(struct fleet *f)
{
	fleet_roll_back(f, ++f->last_generation);
}

void fleet_roll_back(struct fleet *f, uint64_t generation)
{
	f->generation = generation;
	for (uint32_t i = 0; i < f->slots; i++)
		slot_forgive(&f->slot[i]);
}

void fleet_forgive(struct fleet *f)
{
	for (uint32_t i = 0; i < f->wanted; i++)
		if (f->slot[i].restart.parked || f->slot[i].failures > 0)
			slot_forgive(&f->slot[i]);
}

void fleet_take(struct fleet *f, uint64_t now_us)
{
	watchdog_set(
		&f->watchdog, (uint64_t)f->legacy->config->workers_watchdog_ms * 1000u, now_us);
}

/* --- steps */

static bool has_socket(const struct fleet *f, uint32_t slot)
{
	return f->legacy->sockets.worker[slot] >= 0;
}

static void open_missing(struct fleet *f, uint64_t now_us)
{
	if (f->legacy->sockets.patient && now_us >= f->patient_until_us)
		f->legacy->sockets.patient = false;
	if (now_us < f->open_us)
		return;
	f->open_us = UINT64_MAX;
	for (uint32_t i = 0; i < f->wanted; i++) {
		if (has_socket(f, i) || (open_socket(f, i) == 0 && has_socket(f, i)))
			continue;
		f->open_us = now_us + (f->legacy->sockets.patient ? OPEN_SOON_US : OPEN_AGAIN_US);
	}
}

static void retire_unwanted(struct fleet *f, struct slot *s, uint64_t now_us)
{
	struct stats_seat *seat = child_seat(slot_current(s), f->legacy);

	if (!slot_is_empty(s)) {
		slot_leave(s, f->legacy, CHILD_RETIRES, legacy_drain_us(f->legacy), now_us);
		return;
	}
	sockets_close_slot(&f->legacy->sockets, s->number);
	/* A later worker of the slot begins with a clean record. */
	slot_forgive(s);
	s->recycle = RECYCLE_NO;
	if (atomic_load(&seat->state) != SLOT_UNUSED)
		atomic_store(&seat->state, SLOT_UNUSED);
}

/* Its configuration is not the one in force, it has lived long enough, or somebody else told it to leave. */
static bool is_due_for_another(const struct fleet *f, struct slot *s)
{
	const struct child *c = slot_current(s);

	return c->generation != f->generation || s->recycle != RECYCLE_NO ||
	       atomic_load(&child_seat(c, f->legacy)->state) == SLOT_DRAINING;
}

/* One slot at a time, as all others serve: the one to be replaced next, or NULL. */
static struct slot *next_to_replace(const struct fleet *f)
{
	struct slot *next = NULL;

	for (uint32_t i = 0; i < f->wanted; i++) {
		struct slot *s = &f->slot[i];

		if (s->replacing)
			return NULL;
		if (!next && is_due_for_another(f, s) &&
			child_is_ready(slot_current(s), f->legacy) &&
			slot_current(s)->leave == CHILD_STAYS && slot_other(s)->pid == 0)
			next = s;
	}
	return next;
}

static void replace_next(struct fleet *f, uint64_t now_us)
{
	struct slot *next = next_to_replace(f);

	if (next)
		slot_replace(next, f->legacy, f->generation, now_us);
}

static void watch(struct fleet *f, uint64_t now_us)
{
	if (now_us < f->watchdog.due_us || !watchdog_round(&f->watchdog, now_us))
		return;
	for (uint32_t i = 0; i < f->slots; i++) {
		for (unsigned n = 0; n < STATS_SEATS; n++) {
			struct child *c = &f->slot[i].seat[n];
			const struct stats_seat *s = child_seat(c, f->legacy);

			if (c->pid > 0 && watchdog_is_hung(&f->watchdog, s, now_us))
				child_accuse(c, watchdog_silence_us(s, now_us),
					watchdog_blames_thread(s, now_us), now_us);
		}
	}
}

static void recycle(struct fleet *f, uint64_t now_us)
{
	const struct config *config = f->legacy->config;
	uint64_t rss_limit = (uint64_t)config->workers_max_rss_mb << 20;

	if (now_us < f->recycle_us)
		return;
	f->recycle_us = now_us + RECYCLE_ROUND_US;
	for (uint32_t i = 0; i < f->wanted; i++) {
		struct child *c = slot_current(&f->slot[i]);

		if (c->pid == 0 || c->leave != CHILD_STAYS || f->slot[i].recycle != RECYCLE_NO)
			continue;
		enum recycle_reason reason = recycle_check(child_requests(c, f->legacy),
			recycle_requests((uint64_t)config->workers_max_requests, i, c->birth),
			rss_limit ? recycle_rss_bytes(c->pid) : 0, rss_limit);
		if (reason == RECYCLE_NO)
			continue;
		f->slot[i].recycle = reason;
		log_info("worker %u (pid %d) is replaced: it has %s", i, (int)c->pid,
			reason == RECYCLE_REQUESTS ? "served workers.max_requests"
						   : "grown beyond workers.max_rss_mb");
	}
}

static bool any_is_ready(const struct fleet *f)
{
	for (uint32_t i = 0; i < f->wanted; i++)
		if (child_is_ready(&f->slot[i].seat[f->slot[i].current], f->legacy))
			return true;
	return false;
}

void fleet_step(struct fleet *f, uint64_t now_us)
{
	bool serves = any_is_ready(f);

	if (f->serving)
		open_missing(f, now_us);
	for (uint32_t i = 0; i < f->slots; i++) {
		struct slot *s = &f->slot[i];

		for (unsigned n = 0; n < STATS_SEATS; n++)
			child_enforce(&s->seat[n], now_us);
		if (!f->serving)
			continue;
		if (!s->wanted) {
			/* Not before somebody else can serve. */
			if (serves || slot_is_empty(s))
				retire_unwanted(f, s, now_us);
			continue;
		}
		if (!has_socket(f, i))
			continue;
		slot_switch(s, f->legacy, now_us);
		slot_start(s, f->legacy, f->generation, now_us);
	}
	watch(f, now_us);
	if (!f->serving)
		return;
	recycle(f, now_us);
	replace_next(f, now_us);
}

uint64_t fleet_due_us(const struct fleet *f, uint64_t now_us)
{
	uint64_t due_us = f->watchdog.due_us;

	if (f->serving && f->open_us < due_us)
		due_us = f->open_us;
	if (f->serving && now_us + LOOK_US < due_us)
		due_us = now_us + LOOK_US;
	bool recycles = f->legacy->config->workers_max_requests > 0 ||
			f->legacy->config->workers_max_rss_mb > 0;

	if (recycles && f->serving && f->recycle_us < due_us)
		due_us = f->recycle_us;
	/* A successor that failed is tried again after a while. */
	const struct slot *next = f->serving ? next_to_replace(f) : NULL;
	if (next && next->restart.start_us < due_us)
		due_us = next->restart.start_us;
	for (uint32_t i = 0; i < f->slots; i++) {
		/* Its socket comes first, see open_us. */
		if (f->slot[i].wanted && !has_socket(f, i) && slot_is_empty(&f->slot[i]))
			continue;
		uint64_t slot_us = slot_due_us(&f->slot[i], f->legacy, now_us);

		if (slot_us < due_us)
			due_us = slot_us;
	}
	return due_us;
}

/* --- deaths and departures */

bool fleet_bury(struct fleet *f, pid_t pid, int wait_status, const struct rusage *usage)
{
	for (uint32_t i = 0; i < f->slots; i++) {
		struct child *c = slot_find(&f->slot[i], pid);

		if (!c)
			continue;
		slot_bury(&f->slot[i], c, f->legacy, wait_status, usage, f->serving);
		return true;
	}
	return false;
}

void fleet_leave(struct fleet *f, uint32_t handed_over, uint64_t drain_us, uint64_t now_us)
{
	f->serving = false;
	for (uint32_t i = 0; i < f->slots; i++) {
		f->slot[i].wanted = false;
		slot_leave(&f->slot[i], f->legacy,
			i < handed_over ? CHILD_HANDS_OVER : CHILD_RETIRES, drain_us, now_us);
	}
}

void fleet_signal(const struct fleet *f, int number)
{
	for (uint32_t i = 0; i < f->slots; i++)
		for (unsigned n = 0; n < STATS_SEATS; n++)
			child_signal(&f->slot[i].seat[n], number);
}

bool fleet_is_empty(const struct fleet *f)
{
	for (uint32_t i = 0; i < f->slots; i++)
		if (!slot_is_empty(&f->slot[i]))
			return false;
	return true;
}

/* --- how it is */

uint32_t fleet_settled(const struct fleet *f)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->slots; i++)
		n += f->slot[i].wanted ? slot_is_settled(&f->slot[i], f->legacy)
				       : slot_is_empty(&f->slot[i]);
	return n;
}

uint32_t fleet_ready(const struct fleet *f, bool current)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->wanted; i++) {
		const struct slot *s = &f->slot[i];

		n += slot_is_settled(s, f->legacy) &&
		     (!current || s->seat[s->current].generation == f->generation);
	}
	return n;
}

bool fleet_is_shrinking(const struct fleet *f)
{
	for (uint32_t i = f->wanted; i < f->slots; i++)
		for (unsigned n = 0; n < STATS_SEATS; n++)
			if (f->slot[i].seat[n].pid > 0 && f->slot[i].seat[n].leave != CHILD_STAYS)
				return true;
	return false;
}

bool fleet_is_lost(const struct fleet *f)
{
	for (uint32_t i = 0; i < f->wanted; i++)
		if (!f->slot[i].restart.parked)
			return false;
	return f->wanted > 0 && fleet_is_empty(f);
}

uint32_t fleet_failing(const struct fleet *f)
{
	for (uint32_t i = 0; i < f->wanted; i++) {
		const struct slot *s = &f->slot[i];

		if (!has_socket(f, i) && !f->legacy->sockets.patient)
			return i;
		if (s->failures >= FLEET_TRIES || (s->restart.parked && slot_is_empty(s)))
			return i;
	}
	return UINT32_MAX;
}
