/*
 * The connections of one worker to Redis, and what they tell of it: whether connecting fails (backoff.h), and whether it is
 * silent. For server/backend/ only. Times are CLOCK_MONOTONIC, us.
 *
 * A Redis that is frozen accepts nothing, but its kernel does, until its queue is full; and then connecting takes seconds, even
 * after it has come back. So one connection whose call was given up stays open, as the ear: while nothing comes there or
 * anywhere else Redis is silent, and then connections are tried one at a time, and no more than one in LINK_POOL_TRIAL_US.
 */
#ifndef QUERN_SERVER_BACKEND_LINK_POOL_H
#define QUERN_SERVER_BACKEND_LINK_POOL_H

#include "server/backend/backoff.h"
#include "server/backend/link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define LINK_POOL_TRIAL_US 1000000u

TAILQ_HEAD(link_list, backend_link);

struct link_pool {
	struct link_list idle, busy; /* idle: the one that was used last is first */
	unsigned number;	     /* idle, busy and the ear */
	struct backoff backoff;
	bool silent;
	/* On no list, with no call. NULL: nothing was given up, or something has come since. */
	struct backend_link *ear;
	uint64_t trial_us; /* while it is silent: when the next one may be tried */
};

void link_pool_init(struct link_pool *s);
void link_pool_close_all(struct link_pool *s);

/* Whether one more may be made now. */
bool link_pool_may_add(const struct link_pool *s, uint64_t now_us);

/* Takes a new one, idle. */
void link_pool_add(struct link_pool *s, struct backend_link *l, uint64_t now_us);

/* Puts the call on an idle one, without sending it. */
void link_pool_assign(struct link_pool *s, struct backend_link *l, struct backend_call *call);

/* The call of a busy one, which is idle then. NULL: it had none. */
struct backend_call *link_pool_release(struct link_pool *s, struct backend_link *l);

/* Closes and frees an idle one. */
void link_pool_drop(struct link_pool *s, struct backend_link *l);

/*
 * Nobody wants the answer any more on that busy one; late: it was given enough time for it. It is closed, as what may still come
 * would be the answer to this; or it becomes the ear.
 */
void link_pool_give_up(struct link_pool *s, struct backend_link *l, bool late, uint64_t now_us);

/* Something has come from Redis, be it an end. The ear is closed. */
void link_pool_note_life(struct link_pool *s);

/* The ear has ended by itself, which says nothing of Redis. */
void link_pool_drop_ear(struct link_pool *s);

#endif
