#include "bench/timeline/view.h"

#include <errno.h>
#include <stdlib.h>

/* On both sides of what is shown, as a share of it. */
#define MARGIN 0.04
#define SHORTEST_US 100

static size_t find_worker(const struct timeline_events *e, int64_t slot)
{
	/* Two may have lived in the slot: the one with more requests is shown. */
	size_t best = e->workers, most = 0;

	for (size_t w = 0; w < e->workers; w++) {
		size_t n = 0;

		for (size_t i = 0; i < e->requests; i++)
			n += e->request[i].worker == w;
		if (e->worker[w].slot == slot && n > most) {
			best = w;
			most = n;
		}
	}
	return best;
}

static bool is_shown(const struct timeline_view *v, size_t q)
{
	const struct timeline_request *r = &v->events->request[q];

	return r->worker == v->worker && r->from_us < v->to_us && r->to_us >= v->from_us;
}

/* --- the moment ------------------------------------------------------------------------------- */

static int64_t at_least(int64_t value, int64_t least)
{
	return value > least ? value : least;
}

/* From the start of what the worst one waited for to its end. */
static void choose_moment(struct timeline_view *v)
{
	const struct timeline_request *r = &v->events->request[v->worst];
	const int64_t from_us = v->blame.from_us < r->from_us ? v->blame.from_us : r->from_us;
	const int64_t span_us = at_least(r->to_us - from_us, SHORTEST_US);
	const int64_t margin_us = (int64_t)(MARGIN * (double)span_us);

	v->from_us = at_least(from_us - margin_us, 0);
	v->to_us = from_us + span_us + margin_us;
}

/* The worst of those that are shown; returns how long it waited, or -1: none is. */
static int64_t find_worst(struct timeline_view *v)
{
	const struct timeline_events *e = v->events;
	int64_t most_us = -1;

	for (size_t q = 0; q < e->requests; q++) {
		if (!is_shown(v, q) || !e->request[q].whole)
			continue;
		const int64_t waited_us = timeline_waited_us(e, q);
		if (waited_us > most_us) {
			most_us = waited_us;
			v->worst = q;
		}
	}
	return most_us;
}

static void find_worker_of_worst(struct timeline_view *v)
{
	int64_t most_us = -1;
	size_t worker = 0, worst = v->worst;

	for (v->worker = 0; v->worker < v->events->workers; v->worker++) {
		const int64_t waited_us = find_worst(v);
		if (waited_us > most_us) {
			most_us = waited_us;
			worker = v->worker;
			worst = v->worst;
		}
	}
	v->worker = worker;
	v->worst = worst;
}

static int choose_window(
	struct timeline_view *v, const struct timeline_wish *wish, struct buffer *why)
{
	v->from_us = (int64_t)(wish->from_ms * 1000);
	v->to_us = (int64_t)(wish->to_ms * 1000);
	if (v->worker == v->events->workers)
		find_worker_of_worst(v);
	else
		(void)find_worst(v);
	if (v->worst < v->events->requests)
		return timeline_blame(&v->blame, v->events, v->worst);
	buffer_printf(why, "no request of the trace is between %g and %g ms; it is %.1f ms long",
		wish->from_ms, wish->to_ms, (double)v->events->span_us / 1000);
	return -EINVAL;
}

static int choose_worst(struct timeline_view *v, struct buffer *why)
{
	const struct timeline_events *e = v->events;

	v->worst = timeline_worst(e, v->worker == e->workers ? SIZE_MAX : v->worker);
	if (v->worst == e->requests) {
		buffer_puts(why, "no request of the trace is whole");
		return -EINVAL;
	}
	v->worker = e->request[v->worst].worker;
	const int error = timeline_blame(&v->blame, e, v->worst);
	if (!error)
		choose_moment(v);
	return error;
}

/* --- rows ------------------------------------------------------------------------------------- */

struct candidate {
	size_t request;
	int64_t weight_us; /* how much of it there is to see */
	int64_t from_us;
};

static int by_weight(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->weight_us != y->weight_us)
		return x->weight_us > y->weight_us ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int by_arrival(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->from_us != y->from_us)
		return x->from_us < y->from_us ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int64_t weight_of(const struct timeline_view *v, size_t q)
{
	const struct timeline_request *r = &v->events->request[q];
	const int64_t from_us = at_least(r->from_us, v->from_us);

	if (q == v->worst || q == v->blame.most)
		return INT64_MAX;
	return (r->to_us < v->to_us ? r->to_us : v->to_us) - from_us;
}

static void take_rows(struct timeline_view *v, struct candidate *all, size_t n)
{
	qsort(all, n, sizeof(*all), by_weight);
	v->rows = n < TIMELINE_ROWS ? n : TIMELINE_ROWS;
	v->left_out = n - v->rows;
	for (size_t i = v->rows; i < n; i++)
		v->left_out_waited_us = at_least(
			timeline_waited_us(v->events, all[i].request), v->left_out_waited_us);
	qsort(all, v->rows, sizeof(*all), by_arrival);
	for (size_t i = 0; i < v->rows; i++)
		v->row[i] = all[i].request;
}

static int choose_rows(struct timeline_view *v)
{
	const struct timeline_events *e = v->events;
	struct candidate *all = calloc(e->requests + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t q = 0; q < e->requests; q++)
		if (is_shown(v, q))
			all[n++] = (struct candidate){.request = q,
				.weight_us = weight_of(v, q),
				.from_us = e->request[q].from_us};
	take_rows(v, all, n);
	free(all);
	return 0;
}

int timeline_view_make(struct timeline_view *ret, const struct timeline_events *e,
	const struct timeline_wish *wish, struct buffer *why)
{
	*ret = (struct timeline_view){.events = e, .worker = e->workers, .worst = e->requests};
	if (wish->worker != TIMELINE_ANY) {
		ret->worker = find_worker(e, wish->worker);
		if (ret->worker == e->workers) {
			buffer_printf(why, "the trace has no request of worker %lld",
				(long long)wish->worker);
			return -EINVAL;
		}
	}
	const int error = wish->window ? choose_window(ret, wish, why) : choose_worst(ret, why);
	return error ? error : choose_rows(ret);
}

void timeline_view_done(struct timeline_view *v)
{
	timeline_blame_done(&v->blame);
}
