#include "server/stats/sample.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HISTOGRAMS 4u

/*
 * What one second added to the histograms of a slot. A worker fills a few hundred of the 5,000
 * buckets in a second, so only those are kept: ten dense copies of each slot would cost 430 kB,
 * these a tenth of it.
 */
struct second {
	uint64_t sum_us[HISTOGRAMS];
	size_t used, cap;
	struct cell {
		uint32_t index; /* histogram * HISTOGRAM_BUCKETS + bucket */
		uint32_t count;
	} * cell;
};

/* Counters of a slot at one tick. */
struct moment {
	uint64_t at_us;
	pid_t pid;
	uint64_t cpu_us, idle_us, requests;
};

struct history {
	struct moment last;
	bool has_rates;
	double requests_per_s, busy, cpu;

	struct sample_window base; /* the histograms at the last tick */
	struct second ring[SAMPLE_WINDOW_S];
	unsigned next; /* the oldest of the ring, which the next tick replaces */
};

struct sampler {
	const struct stats_region *region;
	struct history **history; /* one per slot; NULL until the slot is used */
	struct sample_window now; /* room for sampler_tick_at() */
};

static bool slot_used(const struct stats_slot *s)
{
	return atomic_load_explicit(&s->state, memory_order_relaxed) != SLOT_UNUSED ||
	       atomic_load_explicit(&s->pid, memory_order_relaxed) != 0 ||
	       stats_get(&s->spawned_us) != 0 || stats_get(&s->jobs) != 0 ||
	       stats_get(&s->accepted) != 0 || stats_get(&s->restarts) != 0;
}

static void read_window(struct sample_window *ret, const struct stats_slot *s)
{
	histogram_read(&s->queue_time, &ret->queue);
	histogram_read(&s->service_time, &ret->service);
	histogram_read(&s->response_time, &ret->response);
	histogram_read(&s->loop_lag, &ret->lag);
}

static const struct histogram_copy *histogram_of(const struct sample_window *w, size_t i)
{
	const struct histogram_copy *all[HISTOGRAMS] = {
		&w->queue, &w->service, &w->response, &w->lag};

	return all[i];
}

static struct histogram_copy *histogram_to(struct sample_window *w, size_t i)
{
	struct histogram_copy *all[HISTOGRAMS] = {&w->queue, &w->service, &w->response, &w->lag};

	return all[i];
}

/*
 * The worker moves a finished wait from idle_since_us to idle_us in two stores. Reading again until
 * nothing has moved leaves a window of nanoseconds in which a wait is missed or counted twice; the
 * next tick makes up for it.
 */
static uint64_t idle_until(const struct stats_slot *s, uint64_t now_us)
{
	uint64_t idle_us, since_us;
	int tries = 0;

	do {
		idle_us = stats_get(&s->idle_us);
		atomic_thread_fence(memory_order_acquire);
		since_us = stats_get(&s->idle_since_us);
		atomic_thread_fence(memory_order_acquire);
	} while (stats_get(&s->idle_us) != idle_us && ++tries < 4);
	return idle_us + (since_us && since_us < now_us ? now_us - since_us : 0);
}

/*
 * h: the slot's history, or NULL. While the master reaps a worker its CPU time is for a moment in
 * neither place; a sum that went back would be read as a restarted counter.
 */
static struct moment read_moment(
	const struct stats_slot *s, const struct history *h, uint64_t now_us)
{
	struct moment m = {
		.at_us = now_us,
		.pid = atomic_load_explicit(&s->pid, memory_order_relaxed),
		.cpu_us = stats_get(&s->dead_cpu_us),
		.idle_us = idle_until(s, now_us),
		.requests = stats_slot_requests(s),
	};

	if (m.pid > 0)
		m.cpu_us += clock_cpu_of_us(m.pid);
	if (h && m.cpu_us < h->last.cpu_us)
		m.cpu_us = h->last.cpu_us;
	if (h && m.idle_us < h->last.idle_us)
		m.idle_us = h->last.idle_us;
	return m;
}

static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

static double share(double part, double whole)
{
	double x = whole > 0 ? part / whole : 0;

	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static void update_rates(struct history *h, const struct moment *m, uint64_t spawned_us)
{
	double wall = (double)since(m->at_us, h->last.at_us);
	double idle = (double)since(m->idle_us, h->last.idle_us);
	double cpu = (double)since(m->cpu_us, h->last.cpu_us);

	if (wall <= 0)
		return;
	h->requests_per_s = (double)since(m->requests, h->last.requests) * 1e6 / wall;
	h->cpu = cpu / wall;
	h->busy = 0;
	if (m->pid > 0) {
		/* A worker that is younger than the last tick is judged by its own life. */
		if (m->pid != h->last.pid && since(m->at_us, spawned_us) > 0 &&
			(double)since(m->at_us, spawned_us) < wall)
			wall = (double)since(m->at_us, spawned_us);
		h->busy = share(cpu, wall);
		if (1 - share(idle, wall) > h->busy)
			h->busy = 1 - share(idle, wall);
	}
	h->has_rates = true;
}

static bool second_push(struct second *sec, size_t index, uint64_t count)
{
	if (sec->used == sec->cap) {
		size_t cap = sec->cap ? sec->cap * 2 : 64;
		struct cell *grown = realloc(sec->cell, cap * sizeof(*grown));

		if (!grown)
			return false;
		sec->cell = grown;
		sec->cap = cap;
	}
	sec->cell[sec->used++] = (struct cell){
		.index = (uint32_t)index,
		.count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count,
	};
	return true;
}

/*
 * Where memory runs out the rest of that second is lost, not the ticks to come: base is always
 * brought up to date.
 */
static void update_windows(struct history *h, const struct sample_window *now)
{
	struct second *sec = &h->ring[h->next];
	bool room = true;

	h->next = (h->next + 1) % SAMPLE_WINDOW_S;
	sec->used = 0;
	for (size_t i = 0; i < HISTOGRAMS; i++) {
		const struct histogram_copy *new = histogram_of(now, i);
		const struct histogram_copy *old = histogram_of(&h->base, i);

		sec->sum_us[i] = since(new->sum_us, old->sum_us);
		for (size_t b = 0; b < HISTOGRAM_BUCKETS && room; b++)
			if (new->bucket[b] > old->bucket[b])
				room = second_push(sec, i * HISTOGRAM_BUCKETS + b,
					new->bucket[b] - old->bucket[b]);
	}
	h->base = *now;
}

void sampler_tick_at(struct sampler *s, uint64_t now_us)
{
	for (uint32_t i = 0; i < s->region->slots; i++) {
		const struct stats_slot *slot = &s->region->slot[i];
		struct moment m;

		if (!s->history[i]) {
			if (!slot_used(slot))
				continue;
			s->history[i] = calloc(1, sizeof(*s->history[i]));
			if (!s->history[i])
				continue;
		}
		m = read_moment(slot, s->history[i], now_us);
		if (s->history[i]->last.at_us)
			update_rates(s->history[i], &m, stats_get(&slot->spawned_us));
		s->history[i]->last = m;
		read_window(&s->now, slot);
		update_windows(s->history[i], &s->now);
	}
}

void sampler_tick(struct sampler *s)
{
	sampler_tick_at(s, clock_us());
}

static int take_past(struct sampler *s)
{
	uint64_t now_us = clock_us();

	for (uint32_t i = 0; i < s->region->slots; i++) {
		const struct stats_slot *slot = &s->region->slot[i];

		if (!slot_used(slot))
			continue;
		s->history[i] = calloc(1, sizeof(*s->history[i]));
		if (!s->history[i])
			return -ENOMEM;
		s->history[i]->last = read_moment(slot, NULL, now_us);
		read_window(&s->history[i]->base, slot);
	}
	return 0;
}

int sampler_new(struct sampler **ret, const struct stats_region *r)
{
	struct sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->region = r;
	s->history = calloc(r->slots, sizeof(struct history *));
	if (!s->history || take_past(s) < 0) {
		sampler_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->history && i < s->region->slots; i++) {
		for (unsigned n = 0; s->history[i] && n < SAMPLE_WINDOW_S; n++)
			free(s->history[i]->ring[n].cell);
		free(s->history[i]);
	}
	free(s->history);
	free(s);
}

const struct stats_region *sampler_region(const struct sampler *s)
{
	return s->region;
}

static uint64_t lag_now(const struct stats_slot *s, uint64_t now_us)
{
	uint64_t lag_us = stats_get(&s->lag_us), due_us = stats_get(&s->lag_due_us);
	uint64_t late_us = due_us ? since(now_us, due_us) : 0;

	return late_us > lag_us ? late_us : lag_us;
}

bool sampler_view(const struct sampler *s, uint32_t slot, struct slot_view *ret)
{
	const struct stats_slot *from = &s->region->slot[slot];
	const struct history *h = s->history[slot];
	uint64_t now_us = clock_us();
	struct moment m;

	if (!h && !slot_used(from))
		return false;
	m = read_moment(from, h, now_us);
	*ret = (struct slot_view){
		.slot = slot,
		.pid = m.pid,
		.state = (enum slot_state)atomic_load_explicit(&from->state, memory_order_relaxed),
		.cpu_us = m.cpu_us,
		.idle_us = m.idle_us,
		.requests = m.requests,
		.restarts = stats_get(&from->restarts),
	};
	if (m.pid > 0) {
		ret->spawned_us = stats_get(&from->spawned_us);
		ret->age_us = since(now_us, ret->spawned_us);
		ret->lag_us = lag_now(from, now_us);
		ret->connections = stats_get(&from->connections);
		ret->active = stats_get(&from->active);
		ret->queue = stats_get(&from->queue);
	}
	if (h && h->has_rates) {
		ret->requests_per_s = h->requests_per_s;
		ret->cpu = h->cpu;
		ret->busy = m.pid > 0 ? h->busy : 0;
	}
	return true;
}

static void add_second(struct sample_window *sum, const struct second *sec)
{
	for (size_t i = 0; i < HISTOGRAMS; i++)
		histogram_to(sum, i)->sum_us += sec->sum_us[i];
	for (size_t n = 0; n < sec->used; n++) {
		struct histogram_copy *to =
			histogram_to(sum, sec->cell[n].index / HISTOGRAM_BUCKETS);

		to->bucket[sec->cell[n].index % HISTOGRAM_BUCKETS] += sec->cell[n].count;
		to->count += sec->cell[n].count;
	}
}

void sampler_window_add(const struct sampler *s, uint32_t slot, struct sample_window *sum)
{
	const struct stats_slot *from = &s->region->slot[slot];
	const struct history *h = s->history[slot];
	const struct histogram *live[HISTOGRAMS] = {
		&from->queue_time, &from->service_time, &from->response_time, &from->loop_lag};
	struct histogram_copy now;

	if (!h && !slot_used(from))
		return;
	for (size_t i = 0; i < HISTOGRAMS; i++) {
		histogram_read(live[i], &now);
		if (h)
			histogram_subtract(&now, histogram_of(&h->base, i));
		histogram_add(histogram_to(sum, i), &now);
	}
	for (unsigned n = 0; h && n < SAMPLE_WINDOW_S; n++)
		add_second(sum, &h->ring[n]);
}
