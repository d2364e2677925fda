#include "server/backend/links.h"

/* How long nothing may come until it counts as silence, where those who ask do not have the patience to find out. */
#define SILENT_US 250000u

void links_init(struct links *s)
{
	TAILQ_INIT(&s->idle);
	TAILQ_INIT(&s->busy);
}

/* --- one more, one less */

bool links_may_add(const struct links *s, uint64_t now_us)
{
	if (s->silent)
		return TAILQ_EMPTY(&s->busy) && now_us >= s->trial_us;
	return s->number < BACKEND_LINKS;
}

void links_add(struct links *s, struct backend_link *l, uint64_t now_us)
{
	TAILQ_INSERT_HEAD(&s->idle, l, links);
	s->number++;
	s->trial_us = now_us + LINKS_TRIAL_US;
}

void links_drop(struct links *s, struct backend_link *l)
{
	TAILQ_REMOVE(&s->idle, l, links);
	s->number--;
	link_free(l);
}

static void drop_ear(struct links *s)
{
	if (!s->ear)
		return;
	s->number--;
	link_free(s->ear);
	s->ear = NULL;
}

void links_close_all(struct links *s)
{
	struct backend_link *l;

	while ((l = TAILQ_FIRST(&s->idle)))
		links_drop(s, l);
	drop_ear(s);
}

/* --- calls on them */

void links_assign(struct links *s, struct backend_link *l, struct backend_call *call)
{
	TAILQ_REMOVE(&s->idle, l, links);
	TAILQ_INSERT_TAIL(&s->busy, l, links);
	l->call = call;
	call->link = l;
}

struct backend_call *links_release(struct links *s, struct backend_link *l)
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

static void make_ear(struct links *s, struct backend_link *l)
{
	TAILQ_REMOVE(&s->idle, l, links);
	s->ear = l;
}

void links_give_up(struct links *s, struct backend_link *l, bool late, uint64_t now_us)
{
	const bool unheard = l->was_open && !l->heard;

	(void)links_release(s, l);
	if (unheard && !s->ear)
		make_ear(s, l);
	else
		links_drop(s, l);
	if (s->silent || !unheard || (!late && now_us < s->ear->sent_us + SILENT_US))
		return;
	s->silent = true;
	s->trial_us = 0;
}

void links_note_life(struct links *s)
{
	s->silent = false;
	drop_ear(s);
}
