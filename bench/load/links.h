/*
 * Doubly linked lists through their members: a member is in at most one list by each of its links.
 */
#ifndef QUERN_BENCH_LOAD_LINKS_H
#define QUERN_BENCH_LOAD_LINKS_H

#include <stdbool.h>
#include <stddef.h>

/* A list's head, or a member's place in it. The head's next is the first member. */
struct links {
	struct links *next, *prev;
};

static inline void links_init(struct links *head)
{
	head->next = head->prev = head;
}

static inline bool links_empty(const struct links *head)
{
	return head->next == head;
}

static inline void links_insert_after(struct links *place, struct links *l)
{
	l->prev = place;
	l->next = place->next;
	l->next->prev = l;
	place->next = l;
}

static inline void links_prepend(struct links *head, struct links *l)
{
	links_insert_after(head, l);
}

static inline void links_append(struct links *head, struct links *l)
{
	links_insert_after(head->prev, l);
}

/* Out of whatever list it is in. */
static inline void links_remove(struct links *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	links_init(l);
}

/* The member whose links l are, as a struct TYPE with them in MEMBER. */
#define links_member(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

/* The first and the last member; NULL of an empty list. */
#define links_first(head, type, member)                                                            \
	(links_empty(head) ? NULL : links_member((head)->next, type, member))
#define links_last(head, type, member)                                                             \
	(links_empty(head) ? NULL : links_member((head)->prev, type, member))

#endif
