#include "bench/timeline/wait.h"

#include <errno.h>
#include <stdlib.h>

/* Below this share of the wait, no single request is to blame for it, but those of its route together. */
#define BLAMED_SHARE 0.5
/* What nothing of the trace is to blame for is told from this share on. */
#define IDLE_SHARE 0.1

/* --- gaps ------------------------------------------------------------------------------------- */

/*
 * A request stops at its start, at each of its pieces and at its end; *at counts these stops. Between two of them lies a gap,
 * unless the pieces before, which may overlap (two calls of the backend), cover it.
 */
bool timeline_next_gap(
	const struct timeline_events *e, size_t q, size_t *at, struct timeline_gap *ret)
{
	const struct timeline_request *r = &e->request[q];
	const struct timeline_piece *p = &e->piece[r->first];
	int64_t covered_us = r->from_us;
	const size_t stops = r->pieces + 2;

	if (!r->whole)
		return false;
	for (size_t stop = 0; stop < stops; stop++) {
		/* Its start, its pieces, its end. */
		const bool is_piece = stop > 0 && stop <= r->pieces;
		const int64_t until_us = stop == 0  ? r->start_us
					 : is_piece ? p[stop - 1].from_us
						    : r->to_us;

		if (stop >= *at && until_us > covered_us) {
			const struct timeline_piece *next = is_piece ? &p[stop - 1] : p;
			/* Where the first piece is a thread's, the request starts with it. */
			const bool threads = r->pieces > 0 && stop <= r->pieces &&
					     next->from_us == until_us &&
					     next->kind == TIMELINE_THREAD;

			*at = stop + 1;
			*ret = (struct timeline_gap){.from_us = covered_us,
				.to_us = until_us,
				.threads = threads,
				.lane = threads ? next->lane : 0};
			return true;
		}
		if (until_us > covered_us)
			covered_us = until_us;
		if (is_piece && p[stop - 1].to_us > covered_us)
			covered_us = p[stop - 1].to_us;
	}
	return false;
}

int64_t timeline_waited_us(const struct timeline_events *e, size_t q)
{
	struct timeline_gap gap;
	size_t at = 0;
	int64_t sum_us = 0;

	while (timeline_next_gap(e, q, &at, &gap))
		sum_us += gap.to_us - gap.from_us;
	return sum_us;
}

size_t timeline_worst(const struct timeline_events *e, size_t worker)
{
	size_t worst = e->requests;
	int64_t most_us = -1;

	for (size_t q = 0; q < e->requests; q++) {
		if (!e->request[q].whole || (worker != SIZE_MAX && e->request[q].worker != worker))
			continue;
		const int64_t waited_us = timeline_waited_us(e, q);
		if (waited_us > most_us) {
			most_us = waited_us;
			worst = q;
		}
	}
	return worst;
}

/* --- blame ------------------------------------------------------------------------------------ */

static int64_t overlap_us(const struct timeline_piece *p, const struct timeline_gap *gap)
{
	const int64_t from_us = p->from_us > gap->from_us ? p->from_us : gap->from_us;
	const int64_t to_us = p->to_us < gap->to_us ? p->to_us : gap->to_us;

	return to_us > from_us ? to_us - from_us : 0;
}

static bool is_waited_for(const struct timeline_piece *p, const struct timeline_gap *gap)
{
	return p->kind == TIMELINE_RUN ||
	       (gap->threads && p->kind == TIMELINE_THREAD && p->lane == gap->lane);
}

static void blame_gap(struct timeline_blame *b, const struct timeline_events *e, size_t q,
	const struct timeline_gap *gap)
{
	b->waited_us += gap->to_us - gap->from_us;
	for (size_t i = 0; i < e->pieces; i++) {
		const struct timeline_piece *p = &e->piece[i];

		if (p->request == q || e->request[p->request].worker != e->request[q].worker ||
			!is_waited_for(p, gap))
			continue;
		const int64_t us = overlap_us(p, gap);
		if (us == 0)
			continue;
		b->of_us[p->request] += us;
		if (p->from_us < b->from_us)
			b->from_us = p->from_us;
	}
}

int timeline_blame(struct timeline_blame *ret, const struct timeline_events *e, size_t q)
{
	struct timeline_gap gap;
	size_t at = 0;

	*ret = (struct timeline_blame){.most = e->requests, .from_us = e->request[q].from_us};
	ret->of_us = calloc(e->requests + 1, sizeof(*ret->of_us));
	if (!ret->of_us)
		return -ENOMEM;
	while (timeline_next_gap(e, q, &at, &gap))
		blame_gap(ret, e, q, &gap);
	for (size_t i = 0; i < e->requests; i++) {
		if (ret->of_us[i] == 0)
			continue;
		ret->others++;
		if (ret->most == e->requests || ret->of_us[i] > ret->of_us[ret->most])
			ret->most = i;
	}
	return 0;
}

void timeline_blame_done(struct timeline_blame *b)
{
	free(b->of_us);
	b->of_us = NULL;
}

/* --- in words --------------------------------------------------------------------------------- */

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static void say_one(
	const struct timeline_events *e, const struct timeline_blame *b, struct buffer *out)
{
	const struct timeline_request *most = &e->request[b->most];

	buffer_printf(out, ": %.1f ms of it for request %llu (%s)", ms(b->of_us[b->most]),
		(unsigned long long)most->job, e->route[most->route]);
}

/* Where the wait is shared among many: the route that had most of it. */
static void say_route(
	const struct timeline_events *e, const struct timeline_blame *b, struct buffer *out)
{
	size_t most = 0, most_count = 0;
	int64_t most_us = 0;

	for (size_t route = 0; route < e->routes; route++) {
		int64_t us = 0;
		size_t count = 0;

		for (size_t i = 0; i < e->requests; i++) {
			if (e->request[i].route == route && b->of_us[i] > 0) {
				us += b->of_us[i];
				count++;
			}
		}
		if (us > most_us) {
			most_us = us;
			most = route;
			most_count = count;
		}
	}
	buffer_printf(out, ": %.1f ms of it for %zu requests (%s), the longest of them %.1f ms",
		ms(most_us), most_count, e->route[most], ms(b->of_us[b->most]));
}

/* The loop, or the thread, did not run what was there to run: the process had no CPU, or did what is not traced. */
static void say_idle(
	const struct timeline_events *e, const struct timeline_blame *b, struct buffer *out)
{
	int64_t idle_us = b->waited_us;

	for (size_t i = 0; i < e->requests; i++)
		idle_us -= b->of_us[i];
	if (idle_us > 0 && (double)idle_us >= IDLE_SHARE * (double)b->waited_us)
		buffer_printf(out, "%s %.1f ms while nothing ran", b->others > 0 ? "," : ":",
			ms(idle_us));
}

void timeline_say(const struct timeline_events *e, size_t q, const struct timeline_blame *b,
	struct buffer *out)
{
	buffer_printf(out, "request %llu waited %.1f ms", (unsigned long long)e->request[q].job,
		ms(b->waited_us));
	const int64_t most_us = b->others > 0 ? b->of_us[b->most] : 0;

	if (b->others == 1 || (double)most_us >= BLAMED_SHARE * (double)b->waited_us)
		say_one(e, b, out);
	else if (b->others > 0)
		say_route(e, b, out);
	say_idle(e, b, out);
}
