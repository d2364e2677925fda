/*
 * The slots as a whole: how many are wanted, with which generation of the configuration, and the steps that bring what
 * is there towards that. Asking for something else in the middle is fine: every step looks at what is wanted now.
 */
#ifndef QUERN_SERVER_FLEET_H
#define QUERN_SERVER_FLEET_H

#include "server/slot.h"
#include "server/watchdog.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* So many successors of one slot that die before they are ready show that the new configuration does not work. */
#define FLEET_TRIES 3

struct fleet {
	struct legacy *legacy; /* borrowed */
	struct slot *slot;     /* workers.max of them */
	uint32_t slots;
	uint32_t wanted;
	uint64_t generation;	  /* wanted */
	uint64_t last_generation; /* the highest there ever was */
	bool serving;		  /* the dead are followed by others */
	struct watchdog watchdog;
	/* Until then workers of an old master may still hold sockets of slots that we have left and want again. */
	uint64_t patient_until_us;
	uint64_t open_us;    /* when to try again to open them */
	uint64_t recycle_us; /* when to look for workers that have served or grown enough */
};

/* 0 or -ENOMEM; fleet_done() takes either. */
int fleet_init(struct fleet *f, struct legacy *l) __attribute__((warn_unused_result));
void fleet_done(struct fleet *f);

/* The old master that we have taken over from may need until then for its last worker to end. */
void fleet_be_patient(struct fleet *f, uint64_t until_us);

/*
 * From now on `wanted` workers: sockets of further slots are opened at once. 0, or -errno (logged) when one cannot be had;
 * then nothing has changed.
 */
int fleet_scale(struct fleet *f, uint32_t wanted) __attribute__((warn_unused_result));

/* Every worker is replaced by one of a new generation, one after the other. */
void fleet_roll(struct fleet *f);

/* Back to a generation that was wanted before: those that are of another one are replaced. */
void fleet_roll_back(struct fleet *f, uint64_t generation);

/* Slots that are parked, or whose successors keep dying, are tried at once: things have changed. */
void fleet_forgive(struct fleet *f);

/* Takes changed options that concern the fleet itself: the watchdog's. */
void fleet_take(struct fleet *f, uint64_t now_us);

/* Does what is due. */
void fleet_step(struct fleet *f, uint64_t now_us);

/* When fleet_step() has something to do next; signals aside. */
uint64_t fleet_due_us(const struct fleet *f, uint64_t now_us);

/* A child has died; false: it was none of the fleet's. */
bool fleet_bury(struct fleet *f, pid_t pid, int wait_status, const struct rusage *usage);

/*
 * No births any more. Slots below `handed_over` leave their work to another master's workers on the same sockets, the others
 * retire; all at most for drain_us.
 */
void fleet_leave(struct fleet *f, uint32_t handed_over, uint64_t drain_us, uint64_t now_us);

void fleet_signal(const struct fleet *f, int number);
bool fleet_is_empty(const struct fleet *f);

/* How many slots are as they should be: wanted and settled, or not wanted and empty. All: f->slots. */
uint32_t fleet_settled(const struct fleet *f);

/* How many of the wanted slots are settled, whatever their generation; or (current) with the current generation only. */
uint32_t fleet_ready(const struct fleet *f, bool current);

/* Whether a slot that is not wanted still has a worker that retires. */
bool fleet_is_shrinking(const struct fleet *f);

/* Whether every wanted slot is parked. */
bool fleet_is_lost(const struct fleet *f);

/* The wanted slot whose successors keep dying (FLEET_TRIES), or that is parked; UINT32_MAX: none. */
uint32_t fleet_failing(const struct fleet *f);

#endif
