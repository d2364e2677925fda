#include "server/backend/link_pool.h"

/* How long nothing may come until it counts as silence, where those who ask do not have the patience to find out. */
#define SILENT_US 250000u

void link_pool_init(struct link_pool *s)
{
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->busy);
}

/* --- one more, one less */

bool link_pool_may_add(const struct link_pool *s, uint64_t now_us)
{
	if (s->silent)
		return TAILQ_EMPTY(&s->busy) && now_us >= s->trial_us;
	return s->number < BACKEND_LINKS;
}

void link_pool_add(struct link_pool *s, struct backend_link *l, uint64_t now_us)
{
	TAILQ_INSERT_HEAD(&s->idle, l, links);
	s->number++;
	s->trial_us = now_us + LINK_POOL_TRIAL_US;
}

void link_pool_drop(struct link_pool *s, struct backend_link *l)
{
	TAILQ_REMOVE(&s->idle, l, links);
	s->number--;
	link_free(l);
}

void link_pool_drop_ear(struct link_pool *s)
{
	if (!s->ear)
		return;
	s->number--;
	link_free(s->ear);
	s->ear = NULL;
}

void link_pool_close_all(struct link_pool *s)
{
	struct backend_link *l;

	while ((l = TAILQ_FIRST(&s->idle)))
		link_pool_drop(s, l);
	link_pool_drop_ear(s);
}

/* --- calls on them */

void link_pool_assign(struct link_pool *s, struct backend_link *l, struct backend_call *call)
{
	TAILQ_REMOVE(&s->idle, l, links);
	TAILQ_INSERT_TAIL(&s->busy, l, links);
	l->call = call;
	call->link = l;
}

struct backend_call *link_pool_release(struct link_pool *s, struct backend_link *l)
{
	struct backend_call *call = l->call;

	if (!call)
		return NULL;
	TAILQ_REMOVE(&s->busy, l, links);
	TAILQ_INSERT_HEAD(&s->idle, l, links);
	l->call = NULL;
	call->link = NULL;
	return call;
}

/* --- silence */

static void make_ear(struct link_pool *s, struct backend_link *l)
{
	TAILQ_REMOVE(&s->idle, l, links);
	s->ear = l;
}

void link_pool_give_up(struct link_pool *s, struct backend_link *l, bool late, uint64_t now_us)
{
	const bool unheard = l->was_open && !l->heard;

	(void)link_pool_release(s, l);
	if (unheard && !s->ear)
		make_ear(s, l);
	else
		link_pool_drop(s, l);
	if (s->silent || !unheard || (!late && now_us < s->ear->sent_us + SILENT_US))
		return;
	s->silent = true;
	s->trial_us = 0;
}

void link_pool_note_life(struct link_pool *s)
{
	s->silent = false;
	link_pool_drop_ear(s);
}
