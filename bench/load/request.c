#include "bench/load/request.h"

#include <stdlib.h>

void requests_init(struct requests *q)
{
	links_init(&q->prepared);
	links_init(&q->live);
	links_init(&q->waiting);
	links_init(&q->ended);
	links_init(&q->spare);
	q->prepared_count = q->waiting_count = 0;
}

static void free_all(struct links *head)
{
	struct links *next;

	for (struct links *l = head->next; l != head; l = next) {
		struct request *r = links_member(l, struct request, links);

		next = l->next;
		buffer_done(&r->text);
		free(r);
	}
}

void requests_done(struct requests *q)
{
	free_all(&q->prepared);
	free_all(&q->live);
	free_all(&q->ended);
	free_all(&q->spare);
	requests_init(q);
}

struct request *requests_new(struct requests *q)
{
	struct request *r = links_first(&q->spare, struct request, links);
	struct buffer text = {0};

	if (r) {
		links_remove(&r->links);
		text = r->text;
		buffer_reset(&text);
	} else {
		r = malloc(sizeof(*r));
		if (!r)
			return NULL;
	}
	*r = (struct request){.text = text};
	links_init(&r->links);
	links_init(&r->waiting_links);
	return r;
}

void requests_spare(struct requests *q, struct request *r)
{
	links_remove(&r->links);
	links_prepend(&q->spare, &r->links);
}

void requests_wait(struct requests *q, struct request *r)
{
	links_append(&q->waiting, &r->waiting_links);
	r->waiting = true;
	q->waiting_count++;
}

void requests_wait_first(struct requests *q, struct request *r)
{
	links_prepend(&q->waiting, &r->waiting_links);
	r->waiting = true;
	q->waiting_count++;
}

void requests_wait_no_more(struct requests *q, struct request *r)
{
	if (!r->waiting)
		return;
	links_remove(&r->waiting_links);
	r->waiting = false;
	q->waiting_count--;
}
