#include "server/stats/sample.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Counters of a slot at one tick, seat by seat: each worker is judged by what its own seat has
 * counted, while the sums below are those of the slot. A seat's counters carry on from worker to
 * worker and never go back, so neither do the sums, whichever seat is the current one.
 */
struct moment {
	uint64_t at_us;
	struct seat_moment {
		pid_t pid;
		uint64_t cpu_us, idle_us, requests;
		uint64_t pool_us, pool_cpu_us; /* of its threads */
		uint64_t threads;
	} seat[STATS_SEATS];
};

struct history {
	struct moment last;
	bool has_rates;
	double requests_per_s, busy, cpu;
	struct window window;
};

struct sampler {
	const struct stats_region *region;
	struct history **history; /* one per slot; NULL until the slot is used */
	struct sample_window now; /* room for sampler_tick_at() */
};

static bool seat_used(const struct stats_seat *s)
{
	return atomic_load_explicit(&s->state, memory_order_relaxed) != SLOT_UNUSED ||
	       atomic_load_explicit(&s->pid, memory_order_relaxed) != 0 ||
	       stats_get(&s->spawned_us) != 0 || stats_get(&s->jobs) != 0 ||
	       stats_get(&s->accepted) != 0;
}

static bool slot_used(const struct stats_slot *s)
{
	for (size_t i = 0; i < STATS_SEATS; i++)
		if (seat_used(&s->seat[i]))
			return true;
	return stats_get(&s->restarts) != 0;
}

/*
 * The worker moves a finished wait from idle_since_us to idle_us in two stores. Reading again until
 * nothing has moved leaves a window of nanoseconds in which a wait is missed or counted twice; the
 * next tick makes up for it.
 */
static uint64_t idle_until(const struct stats_seat *s, uint64_t now_us)
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
 * last: the same seat at the last tick, or NULL. While the master reaps a worker its CPU time is
 * for a moment in neither place; a sum that went back would be read as a restarted counter.
 */
static struct seat_moment read_seat(
	const struct stats_seat *s, const struct seat_moment *last, uint64_t now_us)
{
	struct seat_moment m = {
		.pid = atomic_load_explicit(&s->pid, memory_order_relaxed),
		.cpu_us = stats_get(&s->dead_cpu_us),
		.idle_us = idle_until(s, now_us),
		.requests = stats_seat_requests(s),
		.pool_us = stats_get(&s->pool_us),
		.pool_cpu_us = stats_get(&s->pool_cpu_us),
		.threads = stats_get(&s->pool_threads),
	};

	if (m.pid > 0)
		m.cpu_us += clock_cpu_of_us(m.pid);
	if (last && m.cpu_us < last->cpu_us)
		m.cpu_us = last->cpu_us;
	if (last && m.idle_us < last->idle_us)
		m.idle_us = last->idle_us;
	return m;
}

/* h: the slot's history, or NULL. */
static struct moment read_moment(
	const struct stats_slot *s, const struct history *h, uint64_t now_us)
{
	struct moment m = {.at_us = now_us};

	for (size_t i = 0; i < STATS_SEATS; i++)
		m.seat[i] = read_seat(&s->seat[i], h ? &h->last.seat[i] : NULL, now_us);
	return m;
}

/* What the seats have counted together. */
static struct seat_moment sum_of(const struct moment *m)
{
	struct seat_moment sum = {0};

	for (size_t i = 0; i < STATS_SEATS; i++) {
		sum.cpu_us += m->seat[i].cpu_us;
		sum.idle_us += m->seat[i].idle_us;
		sum.pool_us += m->seat[i].pool_us;
		sum.requests += m->seat[i].requests;
	}
	return sum;
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

/* The share of its threads' time that they were in jobs. */
static double pool_busy_of(
	const struct seat_moment *now, const struct seat_moment *last, double wall)
{
	return share((double)since(now->pool_us, last->pool_us), (double)now->threads * wall);
}

/* Of a worker, by its seat now and at the last tick, `wall` microseconds ago. */
static double busy_of(
	const struct seat_moment *now, const struct seat_moment *last, double wall, uint64_t age_us)
{
	double on_cpu, not_idle, loop;

	if (now->pid <= 0)
		return 0;
	/* A worker that is younger than the last tick is judged by its own life. */
	if (now->pid != last->pid && age_us > 0 && (double)age_us < wall)
		wall = (double)age_us;
	/* That of the loop alone. The threads' is told ten times a second, so it may be more than there was. */
	on_cpu = share((double)since(since(now->cpu_us, last->cpu_us),
			       since(now->pool_cpu_us, last->pool_cpu_us)),
		wall);
	not_idle = 1 - share((double)since(now->idle_us, last->idle_us), wall);
	loop = on_cpu > not_idle ? on_cpu : not_idle;
	const double pool = pool_busy_of(now, last, wall);
	return loop > pool ? loop : pool;
}

static void update_rates(struct history *h, const struct stats_slot *s, const struct moment *m)
{
	uint32_t current = atomic_load_explicit(&s->current, memory_order_relaxed);
	struct seat_moment now = sum_of(m), last = sum_of(&h->last);
	double wall = (double)since(m->at_us, h->last.at_us);

	if (wall <= 0)
		return;
	h->requests_per_s = (double)since(now.requests, last.requests) * 1e6 / wall;
	h->cpu = (double)since(now.cpu_us, last.cpu_us) / wall;
	h->busy = busy_of(&m->seat[current], &h->last.seat[current], wall,
		since(m->at_us, stats_get(&s->seat[current].spawned_us)));
	h->has_rates = true;
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
			update_rates(s->history[i], slot, &m);
		s->history[i]->last = m;
		window_tick(&s->history[i]->window, slot, &s->now);
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
		window_begin(&s->history[i]->window, slot);
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
		if (s->history[i])
			window_done(&s->history[i]->window);
		free(s->history[i]);
	}
	free(s->history);
	free(s);
}

const struct stats_region *sampler_region(const struct sampler *s)
{
	return s->region;
}

static uint64_t lag_now(const struct stats_seat *s, uint64_t now_us)
{
	uint64_t lag_us = stats_get(&s->lag_us), due_us = stats_get(&s->lag_due_us);
	uint64_t late_us = due_us ? since(now_us, due_us) : 0;

	return late_us > lag_us ? late_us : lag_us;
}

/* The older of two workers in a slot is the one that leaves. */
_Static_assert(STATS_SEATS == 2, "a worker has one neighbour");
static pid_t predecessor(const struct stats_slot *s, uint32_t current)
{
	const struct stats_seat *a = &s->seat[current], *b = &s->seat[1 - current];

	return stats_get(&b->spawned_us) < stats_get(&a->spawned_us)
		       ? atomic_load_explicit(&b->pid, memory_order_relaxed)
		       : 0;
}

static void view_worker(
	struct slot_view *v, const struct stats_slot *slot, uint32_t current, uint64_t now_us)
{
	const struct stats_seat *s = &slot->seat[current];

	v->state = (enum slot_state)atomic_load_explicit(&s->state, memory_order_relaxed);
	v->draining_pid = predecessor(slot, current);
	if (v->pid > 0) {
		v->spawned_us = stats_get(&s->spawned_us);
		v->age_us = since(now_us, v->spawned_us);
		v->lag_us = lag_now(s, now_us);
	}
	if (v->state == SLOT_WAITING || v->state == SLOT_PARKED)
		v->next_start_us = since(stats_get(&slot->start_us), now_us);
}

static void view_counts(struct slot_view *v, const struct stats_slot *s, const struct moment *m)
{
	struct seat_moment sum = sum_of(m);

	v->cpu_us = sum.cpu_us;
	v->idle_us = sum.idle_us;
	v->pool_us = sum.pool_us;
	v->requests = sum.requests;
	v->restarts = stats_get(&s->restarts);
	v->hung = stats_get(&s->hung);
	v->recycled = stats_get(&s->recycled);
	v->parked = stats_get(&s->parked);
	for (size_t i = 0; i < STATS_SEATS; i++) {
		if (m->seat[i].pid <= 0)
			continue;
		v->connections += stats_get(&s->seat[i].connections);
		v->active += stats_get(&s->seat[i].active);
		v->queue += stats_get(&s->seat[i].queue);
		v->pool_queue += stats_get(&s->seat[i].pool_queue);
		v->pool_active += stats_get(&s->seat[i].pool_active);
		v->calls += stats_get(&s->seat[i].calls);
	}
}

bool sampler_view(const struct sampler *s, uint32_t slot, struct slot_view *ret)
{
	const struct stats_slot *from = &s->region->slot[slot];
	const struct history *h = s->history[slot];
	uint32_t current = atomic_load_explicit(&from->current, memory_order_relaxed);
	uint64_t now_us = clock_us();
	struct moment m;

	if (!h && !slot_used(from))
		return false;
	m = read_moment(from, h, now_us);
	*ret = (struct slot_view){.slot = slot, .pid = m.seat[current].pid};
	view_worker(ret, from, current, now_us);
	view_counts(ret, from, &m);
	if (h && h->has_rates) {
		ret->requests_per_s = h->requests_per_s;
		ret->cpu = h->cpu;
		ret->busy = ret->pid > 0 ? h->busy : 0;
	}
	return true;
}

void sampler_window_add(const struct sampler *s, uint32_t slot, struct sample_window *sum)
{
	const struct stats_slot *from = &s->region->slot[slot];

	if (s->history[slot])
		window_add(&s->history[slot]->window, from, sum);
	else if (slot_used(from))
		window_add(NULL, from, sum);
}
