#include "bench/sim/dispatch.h"

#include <errno.h>

#define RANDOM_STREAM 2	    /* SIM_SERVICE_STREAM is another one of the same seed */
#define ACCEPTS_PER_TURN 16 /* as in server/http/server.c */

int dispatch_init(struct dispatch *d, const struct policy *p, uint32_t workers, uint64_t seed,
	dispatch_sink sink, void *own)
{
	*d = (struct dispatch){.kind = p->kind,
		.draws = p->parameter,
		.workers = workers,
		.room = UINT32_MAX,
		.sink = sink,
		.own = own};
	if (p->kind == POLICY_CENTRAL_OF) {
		d->room = p->parameter;
		d->grab = 1;
	} else if (p->kind == POLICY_SHARED) {
		d->room = 1;
		d->grab = ACCEPTS_PER_TURN;
	}
	random_init(&d->random, seed, RANDOM_STREAM);
	if (stations_init(&d->stations, workers) != 0 || levels_init(&d->levels, workers) != 0 ||
		heap_init(&d->heap, workers) != 0 || backlog_init(&d->backlog) != 0)
		return -ENOMEM;
	return 0;
}

void dispatch_done(struct dispatch *d)
{
	stations_done(&d->stations);
	levels_done(&d->levels);
	heap_done(&d->heap);
	backlog_done(&d->backlog);
}

static void flush(struct dispatch *d)
{
	if (d->outcomes > 0)
		d->sink(d->own, d->wait_us, d->service_us, d->outcomes);
	d->outcomes = 0;
}

static void tell(struct dispatch *d, double wait_us, double service_us)
{
	d->wait_us[d->outcomes] = wait_us;
	d->service_us[d->outcomes] = service_us;
	if (++d->outcomes == DISPATCH_BLOCK)
		flush(d);
}

/* Lindley's recursion, without a record of who is there. */
static void serve_alone(struct dispatch *d, uint32_t w, double arrival_us, double service_us)
{
	double *free_at_us = &d->stations.station[w].free_at_us;
	const double begins_us = *free_at_us > arrival_us ? *free_at_us : arrival_us;

	*free_at_us = begins_us + service_us;
	tell(d, begins_us - arrival_us, service_us);
}

static void offer_in_turn(
	struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		serve_alone(d, d->next, arrival_us[i], service_us[i]);
		if (++d->next == d->workers)
			d->next = 0;
	}
}

static void offer_to_any(
	struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
{
	for (size_t i = 0; i < n; i++)
		serve_alone(d, (uint32_t)random_below(&d->random, d->workers), arrival_us[i],
			service_us[i]);
}

/* Worker w is given a request that has come at arrival_us. */
static void give(struct dispatch *d, uint32_t w, double now_us, struct backlog_request r)
{
	const double begins_us = stations_give(&d->stations, w, now_us, r.service_us);

	if (begins_us < 0)
		d->no_memory = true;
	else
		tell(d, begins_us - r.arrival_us, r.service_us);
}

/* The last drawn of those with fewest requests. */
static uint32_t draw(struct dispatch *d, double now_us)
{
	uint32_t best = (uint32_t)random_below(&d->random, d->workers);
	uint32_t least = stations_count_at(&d->stations, best, now_us);

	for (unsigned i = 1; i < d->draws; i++) {
		const uint32_t w = (uint32_t)random_below(&d->random, d->workers);
		const uint32_t count = stations_count_at(&d->stations, w, now_us);

		if (count > least)
			continue;
		best = w;
		least = count;
	}
	return best;
}

static void offer_to_drawn(
	struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
{
	for (size_t i = 0; i < n && !d->no_memory; i++)
		give(d, draw(d, arrival_us[i]), arrival_us[i],
			(struct backlog_request){arrival_us[i], service_us[i]});
}

static void settle_level(struct dispatch *d, uint32_t w)
{
	if (levels_move(&d->levels, w, d->stations.station[w].count) != 0)
		d->no_memory = true;
}

/* The earliest job of all ends; its worker is given some of those that wait. */
static void finish_one(struct dispatch *d)
{
	const struct heap_entry now = d->heap.entry[0];
	const uint32_t w = now.worker;

	stations_leave(&d->stations, w);
	for (uint32_t i = 0; i < d->grab && d->backlog.count > 0; i++)
		give(d, w, now.at_us, backlog_take(&d->backlog));
	if (d->stations.station[w].count > 0)
		heap_replace(&d->heap, (struct heap_entry){stations_next_us(&d->stations, w), w});
	else
		heap_pop(&d->heap);
	settle_level(d, w);
}

static void offer_to_least(
	struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
{
	for (size_t i = 0; i < n && !d->no_memory; i++) {
		const struct backlog_request r = {arrival_us[i], service_us[i]};

		while (d->heap.count > 0 && d->heap.entry[0].at_us <= r.arrival_us && !d->no_memory)
			finish_one(d);
		if (d->levels.lowest >= d->room) {
			if (backlog_put(&d->backlog, r) != 0)
				d->no_memory = true;
			continue;
		}
		const uint32_t w = levels_first(&d->levels);
		give(d, w, r.arrival_us, r);
		if (d->no_memory)
			break;
		if (d->stations.station[w].count == 1)
			heap_push(&d->heap,
				(struct heap_entry){stations_next_us(&d->stations, w), w});
		settle_level(d, w);
	}
}

int dispatch_offer(struct dispatch *d, const double *arrival_us, const double *service_us, size_t n)
{
	if (d->kind == POLICY_RR)
		offer_in_turn(d, arrival_us, service_us, n);
	else if (d->kind == POLICY_RANDOM_OF && d->draws == 1)
		offer_to_any(d, arrival_us, service_us, n);
	else if (d->kind == POLICY_RANDOM_OF)
		offer_to_drawn(d, arrival_us, service_us, n);
	else
		offer_to_least(d, arrival_us, service_us, n);
	flush(d);
	return d->no_memory ? -ENOMEM : 0;
}

int dispatch_finish(struct dispatch *d)
{
	while (d->backlog.count > 0 && !d->no_memory)
		finish_one(d);
	flush(d);
	return d->no_memory ? -ENOMEM : 0;
}
