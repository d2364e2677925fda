#include "bench/sim/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY 1024 /* to begin with */

int backlog_init(struct backlog *b)
{
	*b = (struct backlog){.ring = malloc(CAPACITY * sizeof *b->ring), .capacity = CAPACITY};
	return b->ring ? 0 : -ENOMEM;
}

void backlog_done(struct backlog *b)
{
	free(b->ring);
	*b = (struct backlog){0};
}

static int grow(struct backlog *b)
{
	struct backlog_request *ring = realloc(b->ring, 2 * b->capacity * sizeof *ring);

	if (!ring)
		return -ENOMEM;
	/* It was full: what had gone round to the front now follows what is at the end. */
	memcpy(ring + b->capacity, ring, b->first * sizeof *ring);
	b->ring = ring;
	b->capacity *= 2;
	return 0;
}

int backlog_put(struct backlog *b, struct backlog_request r)
{
	if (b->count == b->capacity && grow(b) != 0)
		return -ENOMEM;
	b->ring[(b->first + b->count++) & (b->capacity - 1)] = r;
	return 0;
}

struct backlog_request backlog_take(struct backlog *b)
{
	const struct backlog_request r = b->ring[b->first];

	b->first = (b->first + 1) & (b->capacity - 1);
	b->count--;
	return r;
}
