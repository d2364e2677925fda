#include "bench/sim/levels.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define LEVELS 64 /* to begin with */

static int grow(struct levels *l, size_t least)
{
	size_t count = l->level_count ? l->level_count : LEVELS;

	while (count < least)
		count *= 2;
	struct level *level = realloc(l->level, count * sizeof *level);
	if (!level)
		return -ENOMEM;
	for (size_t i = l->level_count; i < count; i++)
		level[i] = (struct level){NONE, NONE};
	l->level = level;
	l->level_count = count;
	return 0;
}

static void append(struct levels *l, uint32_t w, uint32_t to)
{
	struct level *level = &l->level[to];

	l->of_worker[w] = (struct level_link){.previous = level->last, .next = NONE, .level = to};
	if (level->last == NONE)
		level->first = w;
	else
		l->of_worker[level->last].next = w;
	level->last = w;
}

static void take_out(struct levels *l, uint32_t w)
{
	const struct level_link link = l->of_worker[w];
	struct level *level = &l->level[link.level];

	if (link.previous == NONE)
		level->first = link.next;
	else
		l->of_worker[link.previous].next = link.next;
	if (link.next == NONE)
		level->last = link.previous;
	else
		l->of_worker[link.next].previous = link.previous;
}

int levels_init(struct levels *l, uint32_t workers)
{
	*l = (struct levels){0};
	l->of_worker = calloc(workers, sizeof *l->of_worker);
	if (!l->of_worker || grow(l, LEVELS) != 0) {
		levels_done(l);
		return -ENOMEM;
	}
	for (uint32_t w = 0; w < workers; w++)
		append(l, w, 0);
	return 0;
}

void levels_done(struct levels *l)
{
	free(l->of_worker);
	free(l->level);
	*l = (struct levels){0};
}

int levels_move(struct levels *l, uint32_t w, uint32_t level)
{
	if (level >= l->level_count && grow(l, (size_t)level + 1) != 0)
		return -ENOMEM;
	take_out(l, w);
	append(l, w, level);
	if (level < l->lowest)
		l->lowest = level;
	/* Some level has a worker, so this ends. */
	while (l->level[l->lowest].first == NONE)
		l->lowest++;
	return 0;
}
