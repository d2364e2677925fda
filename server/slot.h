/*
 * A slot of the fleet: the workers in its two seats, one of which is current. Whatever an operator or a fault does to it,
 * the slot moves by a few rules:
 *
 *   - A wanted slot without a current worker gets one, when its restart is due.
 *   - A replacement starts in the free seat beside the current worker. When it is ready it becomes the current one, and the
 *     other hands over; if it dies before, the old one serves on.
 *   - A slot that is not wanted has its worker retire, and then no socket.
 */
#ifndef QUERN_SERVER_SLOT_H
#define QUERN_SERVER_SLOT_H

#include "server/child.h"
#include "server/recycle.h"
#include "server/restart.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

struct slot {
	uint32_t number;
	bool wanted;
	bool replacing; /* a successor is starting in the other seat */
	unsigned current;
	unsigned failures; /* successors in a row that died before they were ready */
	uint64_t births;
	enum recycle_reason
		recycle; /* why the current worker shall be replaced although it is well */
	struct restart restart;
	struct child seat[STATS_SEATS];
};

void slot_init(struct slot *s, uint32_t number);

struct child *slot_current(struct slot *s);
struct child *slot_other(struct slot *s);

/* The seat of that pid (not 0), or NULL. */
struct child *slot_find(struct slot *s, pid_t pid);

/* No process in either seat. */
bool slot_is_empty(const struct slot *s);

/* The current worker is ready, stays, and nobody else is there. */
bool slot_is_settled(const struct slot *s, const struct legacy *l);

/* Forgets quick deaths and failed successors: what comes next is another thing, and is tried at once. */
void slot_forgive(struct slot *s);

/* Starts what is due: the current worker of a wanted slot. */
void slot_start(struct slot *s, struct legacy *l, uint64_t generation, uint64_t now_us);

/* Starts a successor for the current worker, if there is a free seat for it. */
void slot_replace(struct slot *s, struct legacy *l, uint64_t generation, uint64_t now_us);

/* Has the successor take over if it is ready. */
void slot_switch(struct slot *s, struct legacy *l, uint64_t now_us);

/* Its workers retire (RETIRES) or leave the slot to another master's (HANDS_OVER), until now_us + drain_us. */
void slot_leave(struct slot *s, struct legacy *l, enum child_leave leave, uint64_t drain_us,
	uint64_t now_us);

/* One of its workers has died; c is slot_find()'s. `serving`: a wanted slot goes on with another one. */
void slot_bury(struct slot *s, struct child *c, struct legacy *l, int wait_status,
	const struct rusage *usage, bool serving);

/* When the master has to look at the slot again: a restart, a deadline, a successor that may have become ready. */
uint64_t slot_due_us(const struct slot *s, const struct legacy *l, uint64_t now_us);

#endif
