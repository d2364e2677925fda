#include "server/stats/window.h"

#include "server/stats/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* In the order of histogram_of(). */
static const size_t offset[WINDOW_HISTOGRAMS] = {offsetof(struct stats_seat, queue_time),
	offsetof(struct stats_seat, service_time), offsetof(struct stats_seat, response_time),
	offsetof(struct stats_seat, loop_lag)};

static const struct histogram_copy *histogram_of(const struct sample_window *w, size_t i)
{
	const struct histogram_copy *all[WINDOW_HISTOGRAMS] = {
		&w->queue, &w->service, &w->response, &w->lag};

	return all[i];
}

static struct histogram_copy *histogram_to(struct sample_window *w, size_t i)
{
	struct histogram_copy *all[WINDOW_HISTOGRAMS] = {
		&w->queue, &w->service, &w->response, &w->lag};

	return all[i];
}

static void read_window(struct sample_window *ret, const struct stats_slot *s)
{
	for (size_t i = 0; i < WINDOW_HISTOGRAMS; i++)
		counter_histogram(s, offset[i], histogram_to(ret, i));
}

static bool second_push(struct window_second *sec, size_t index, uint64_t count)
{
	if (sec->used == sec->cap) {
		size_t cap = sec->cap ? sec->cap * 2 : 64;
		struct window_cell *grown = realloc(sec->cell, cap * sizeof(*grown));

		if (!grown)
			return false;
		sec->cell = grown;
		sec->cap = cap;
	}
	sec->cell[sec->used++] = (struct window_cell){
		.index = (uint32_t)index,
		.count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count,
	};
	return true;
}

void window_begin(struct window *w, const struct stats_slot *s)
{
	read_window(&w->base, s);
}

void window_done(struct window *w)
{
	for (unsigned n = 0; n < SAMPLE_WINDOW_S; n++)
		free(w->ring[n].cell);
	*w = (struct window){0};
}

/*
 * Where memory runs out the rest of that second is lost, not the ticks to come: base is always
 * brought up to date.
 */
void window_tick(struct window *w, const struct stats_slot *s, struct sample_window *room)
{
	struct window_second *sec = &w->ring[w->next];
	bool has_room = true;

	read_window(room, s);
	w->next = (w->next + 1) % SAMPLE_WINDOW_S;
	sec->used = 0;
	for (size_t i = 0; i < WINDOW_HISTOGRAMS; i++) {
		const struct histogram_copy *new = histogram_of(room, i);
		const struct histogram_copy *old = histogram_of(&w->base, i);

		sec->sum_us[i] = new->sum_us > old->sum_us ? new->sum_us - old->sum_us : 0;
		for (size_t b = 0; b < HISTOGRAM_BUCKETS && has_room; b++)
			if (new->bucket[b] > old->bucket[b])
				has_room = second_push(sec, i * HISTOGRAM_BUCKETS + b,
					new->bucket[b] - old->bucket[b]);
	}
	w->base = *room;
}

static void add_second(struct sample_window *sum, const struct window_second *sec)
{
	for (size_t i = 0; i < WINDOW_HISTOGRAMS; i++)
		histogram_to(sum, i)->sum_us += sec->sum_us[i];
	for (size_t n = 0; n < sec->used; n++) {
		struct histogram_copy *to =
			histogram_to(sum, sec->cell[n].index / HISTOGRAM_BUCKETS);

		to->bucket[sec->cell[n].index % HISTOGRAM_BUCKETS] += sec->cell[n].count;
		to->count += sec->cell[n].count;
	}
}

void window_add(const struct window *w, const struct stats_slot *s, struct sample_window *sum)
{
	struct histogram_copy now;

	for (size_t i = 0; i < WINDOW_HISTOGRAMS; i++) {
		counter_histogram(s, offset[i], &now);
		if (w)
			histogram_subtract(&now, histogram_of(&w->base, i));
		histogram_add(histogram_to(sum, i), &now);
	}
	for (unsigned n = 0; w && n < SAMPLE_WINDOW_S; n++)
		add_second(sum, &w->ring[n]);
}
