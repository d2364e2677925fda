#include "bench/sim/heap.h"

#include <errno.h>
#include <stdlib.h>

int heap_init(struct heap *h, size_t capacity)
{
	*h = (struct heap){.entry = malloc(capacity * sizeof *h->entry)};
	return h->entry ? 0 : -ENOMEM;
}

void heap_done(struct heap *h)
{
	free(h->entry);
	*h = (struct heap){0};
}

static bool is_before(struct heap_entry a, struct heap_entry b)
{
	return a.at_us < b.at_us || (a.at_us <= b.at_us && a.worker < b.worker);
}

void heap_push(struct heap *h, struct heap_entry e)
{
	size_t at = h->count++;

	while (at > 0) {
		const size_t parent = (at - 1) / 2;
		if (!is_before(e, h->entry[parent]))
			break;
		h->entry[at] = h->entry[parent];
		at = parent;
	}
	h->entry[at] = e;
}

void heap_replace(struct heap *h, struct heap_entry e)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && is_before(h->entry[child + 1], h->entry[child]))
			child++;
		if (!is_before(h->entry[child], e))
			break;
		h->entry[at] = h->entry[child];
		at = child;
	}
	h->entry[at] = e;
}

void heap_pop(struct heap *h)
{
	const struct heap_entry last = h->entry[--h->count];

	if (h->count > 0)
		heap_replace(h, last);
}
