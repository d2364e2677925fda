#include "server/backend/calls.h"

void calls_init(struct calls *c)
{
	TAILQ_INIT(&c->under_way);
	TAILQ_INIT(&c->waiting);
	c->number = c->number_waiting = 0;
}

/* All have the same time, so this looks further than one step back only after that has been changed. */
void calls_enter(struct calls *c, struct backend_call *call, uint64_t timeout_us)
{
	struct backend_call *before = TAILQ_LAST(&c->under_way, call_list);

	call->deadline_us = call->sent_us + timeout_us;
	while (before && before->deadline_us > call->deadline_us)
		before = TAILQ_PREV(before, call_list, under_way);
	if (before)
		TAILQ_INSERT_AFTER(&c->under_way, before, call, under_way);
	else
		TAILQ_INSERT_HEAD(&c->under_way, call, under_way);
	call->place = BACKEND_AT_WORK;
	c->number++;
}

void calls_leave(struct calls *c, struct backend_call *call)
{
	if (call->place == BACKEND_WAITING)
		calls_wait_no_more(c, call);
	TAILQ_REMOVE(&c->under_way, call, under_way);
	call->place = BACKEND_NOWHERE;
	c->number--;
}

void calls_wait(struct calls *c, struct backend_call *call)
{
	TAILQ_INSERT_TAIL(&c->waiting, call, waiting);
	call->place = BACKEND_WAITING;
	c->number_waiting++;
}

void calls_wait_no_more(struct calls *c, struct backend_call *call)
{
	TAILQ_REMOVE(&c->waiting, call, waiting);
	call->place = BACKEND_AT_WORK;
	c->number_waiting--;
}
