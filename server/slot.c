#include "server/slot.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* Workers need a few milliseconds until they are ready; looking for that is cheap. */
#define LOOK_US 1000u
#define LOOK_SELDOM_US 20000u
#define LOOK_OFTEN_FOR_US 200000u

void slot_init(struct slot *s, uint32_t number)
{
	*s = (struct slot){.number = number};
	for (unsigned i = 0; i < STATS_SEATS; i++)
		s->seat[i] =
			(struct child){.slot = (int)number, .seat = i, .deadline_us = UINT64_MAX};
}

struct child *slot_current(struct slot *s)
{
	return &s->seat[s->current];
}

struct child *slot_other(struct slot *s)
{
	return &s->seat[1 - s->current];
}

struct child *slot_find(struct slot *s, pid_t pid)
{
	for (unsigned i = 0; i < STATS_SEATS; i++)
		if (s->seat[i].pid == pid)
			return &s->seat[i];
	return NULL;
}

bool slot_is_empty(const struct slot *s)
{
	return s->seat[0].pid == 0 && s->seat[1].pid == 0;
}

bool slot_is_settled(const struct slot *s, const struct legacy *l)
{
	const struct child *c = &s->seat[s->current];

	return child_is_ready(c, l) && c->leave == CHILD_STAYS && s->seat[1 - s->current].pid == 0;
}

void slot_forgive(struct slot *s)
{
	s->failures = 0;
	s->restart = (struct restart){.spawned_us = s->restart.spawned_us};
}

/* --- births */

static void make_current(struct slot *s, struct legacy *l, unsigned seat)
{
	s->current = seat;
	s->replacing = false;
	atomic_store(&l->stats->slot[s->number].current, seat);
}

static bool spawn(
	struct slot *s, struct child *c, struct legacy *l, uint64_t generation, uint64_t now_us)
{
	c->generation = generation;
	c->birth = s->births;
	s->restart.spawned_us = now_us;
	if (child_spawn(c, l) != 0) {
		restart_after_fork(&s->restart, now_us);
		stats_set(&l->stats->slot[s->number].start_us, s->restart.start_us);
		return false;
	}
	if (s->births++ > 0)
		stats_add(&l->stats->slot[s->number].restarts, 1);
	return true;
}

void slot_start(struct slot *s, struct legacy *l, uint64_t generation, uint64_t now_us)
{
	struct child *c = slot_current(s);

	if (!s->wanted || s->replacing || (c->pid > 0 && c->leave == CHILD_STAYS) ||
		s->restart.start_us > now_us)
		return;
	/* One that was told to leave and is wanted again meanwhile finishes in its seat. */
	if (c->pid > 0)
		c = slot_other(s);
	if (c->pid > 0)
		return;
	make_current(s, l, c->seat);
	s->recycle = RECYCLE_NO;
	(void)spawn(s, c, l, generation, now_us);
}

void slot_replace(struct slot *s, struct legacy *l, uint64_t generation, uint64_t now_us)
{
	struct child *c = slot_other(s);

	if (s->replacing || c->pid > 0 || s->restart.start_us > now_us)
		return;
	s->replacing = spawn(s, c, l, generation, now_us);
}

void slot_switch(struct slot *s, struct legacy *l, uint64_t now_us)
{
	struct child *old = slot_current(s), *new = slot_other(s);

	if (!s->replacing || !child_is_ready(new, l))
		return;
	if (s->recycle != RECYCLE_NO)
		stats_add(&l->stats->slot[s->number].recycled, 1);
	s->recycle = RECYCLE_NO;
	s->failures = 0;
	make_current(s, l, new->seat);
	child_tell(old, CHILD_HANDS_OVER, now_us + legacy_drain_us(l));
}

/* --- leaving */

void slot_leave(struct slot *s, struct legacy *l, enum child_leave leave, uint64_t drain_us,
	uint64_t now_us)
{
	slot_switch(s, l, now_us);
	/* A successor that is not ready yet has nothing to finish. */
	if (s->replacing) {
		s->replacing = false;
		slot_other(s)->leave = leave;
		child_signal(slot_other(s), SIGKILL);
	}
	for (unsigned i = 0; i < STATS_SEATS; i++)
		child_tell(&s->seat[i], leave, now_us + drain_us);
}

/* --- deaths */

static void describe_next(const struct slot *s, uint64_t now_us, char *text, size_t n)
{
	uint64_t wait_us = s->restart.start_us > now_us ? s->restart.start_us - now_us : 0;

	if (s->restart.parked)
		(void)snprintf(text, n,
			"; the slot is parked after %u quick deaths, next try in %llu s",
			s->restart.quick, (unsigned long long)(wait_us / 1000000u));
	else if (wait_us == 0)
		(void)snprintf(text, n, "; next one at once");
	else
		(void)snprintf(
			text, n, "; next one in %llu ms", (unsigned long long)(wait_us / 1000u));
}

/* The worker that served, or was to serve, has died. */
static enum slot_state lose_current(struct slot *s, const struct child *c, struct legacy *l,
	int wait_status, uint64_t now_us, char *next, size_t n)
{
	struct stats_slot *stats = &l->stats->slot[s->number];
	bool quick = restart_was_quick(wait_status, stats_get(&child_seat(c, l)->ready_us), now_us);

	if (s->replacing) {
		make_current(s, l, 1 - s->current);
		s->recycle = RECYCLE_NO;
		(void)snprintf(next, n, "; the next one is starting");
		return SLOT_UNUSED;
	}
	restart_schedule(&s->restart, quick, now_us);
	describe_next(s, now_us, next, n);
	stats_set(&stats->start_us, s->restart.start_us);
	if (s->restart.parked)
		stats_add(&stats->parked, 1);
	return s->restart.parked ? SLOT_PARKED : SLOT_WAITING;
}

/* The successor has died: the worker that it was to replace serves on. */
static void lose_successor(struct slot *s, bool was_ready, uint64_t now_us, char *next, size_t n)
{
	s->replacing = false;
	s->failures += was_ready ? 0u : 1u;
	restart_schedule(&s->restart, !was_ready, now_us);
	(void)snprintf(next, n, "%s; the one that it was to replace serves on",
		was_ready ? "" : " before it was ready");
}

void slot_bury(struct slot *s, struct child *c, struct legacy *l, int wait_status,
	const struct rusage *usage, bool serving)
{
	uint64_t now_us = clock_us();
	enum slot_state state = SLOT_UNUSED;
	char next[96] = "";

	if (c->silent_us)
		stats_add(&l->stats->slot[s->number].hung, 1);
	if (serving && s->wanted && c == slot_current(s))
		state = lose_current(s, c, l, wait_status, now_us, next, sizeof(next));
	else if (serving && s->replacing && c == slot_other(s))
		lose_successor(s, child_is_ready(c, l), now_us, next, sizeof(next));
	child_bury(c, l, wait_status, usage, state, next);
}

/* --- time */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A worker that is starting says nothing when it is ready, but in shared memory. */
static uint64_t look_us(const struct child *c, const struct legacy *l, uint64_t now_us)
{
	if (c->pid == 0 || child_is_ready(c, l))
		return UINT64_MAX;
	return now_us + (now_us - c->spawned_us < LOOK_OFTEN_FOR_US ? LOOK_US : LOOK_SELDOM_US);
}

uint64_t slot_due_us(const struct slot *s, const struct legacy *l, uint64_t now_us)
{
	uint64_t due_us = UINT64_MAX;

	for (unsigned i = 0; i < STATS_SEATS; i++) {
		due_us = earlier(due_us, look_us(&s->seat[i], l, now_us));
		if (s->seat[i].pid > 0)
			due_us = earlier(due_us, s->seat[i].deadline_us);
	}
	if (s->wanted && s->seat[s->current].pid == 0 && !s->replacing)
		due_us = earlier(due_us, s->restart.start_us);
	return due_us;
}
