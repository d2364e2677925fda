/* The calls that are under way: in the order of their deadlines, and those of them that wait for a connection in the order of
 * their coming. For server/backend/ only. */
#ifndef QUERN_SERVER_BACKEND_CALLS_H
#define QUERN_SERVER_BACKEND_CALLS_H

#include "server/backend/backend.h"

#include <stdint.h>
#include <sys/queue.h>

TAILQ_HEAD(call_list, backend_call);

struct calls {
	struct call_list under_way; /* all, waiting or not */
	struct call_list waiting;
	unsigned number, number_waiting;
};

void calls_init(struct calls *c);

/* One begins, at call->sent_us, with that long to go. */
void calls_enter(struct calls *c, struct backend_call *call, uint64_t timeout_us);

/* One is over, waiting or not; its owner may free it then, or begin another with it. */
void calls_leave(struct calls *c, struct backend_call *call);

/* It begins to wait behind all others, and does not wait any more. */
void calls_wait(struct calls *c, struct backend_call *call);
void calls_wait_no_more(struct calls *c, struct backend_call *call);

#endif
