/*
 * A region as a master and two workers would have left it, for the tests of what is written from
 * it.
 */
#ifndef QUERN_TESTS_UNIT_STATS_FIXTURE_H
#define QUERN_TESTS_UNIT_STATS_FIXTURE_H

#include "lib/clock.h"
#include "server/stats/sample.h"

#include <unistd.h>

/*
 * Slot 0: this process as a ready worker with figures, and in its second seat our parent as the
 * predecessor, which drains; slot 2: a worker that died, waiting for half a minute; 1 and 3 never
 * used. A reload has failed, a scaling runs.
 */
static inline struct stats_region *fixture_region(void)
{
	struct stats_region *r = stats_region_new(4);
	struct stats_seat *s;
	uint64_t now_us = clock_us();
	struct change c;

	if (!r)
		return NULL;
	r->started_us = clock_us() - 90000000;
	r->started_wall_us = UINT64_C(1700000000250000);
	r->start_ticks = 123456;
	r->master_pid = getpid();
	atomic_store(&r->wanted, 2);
	stats_set(&r->admin_restarts, 3);

	s = &r->slot[0].seat[0];
	atomic_store(&s->pid, getpid());
	atomic_store(&s->state, SLOT_READY);
	stats_set(&s->spawned_us, clock_us() - 60000000);
	stats_set(&r->slot[0].restarts, 1);
	stats_set(&s->connections, 5);
	stats_set(&s->active, 4);
	stats_set(&s->queue, 3);
	stats_set(&s->lag_us, 1500);
	stats_set(&s->accepted, 101);
	stats_set(&s->accept_paused, 102);
	stats_set(&s->bytes_in, 103);
	stats_set(&s->bytes_out, 104);
	stats_set(&s->abandoned, 105);
	stats_set(&s->timeouts_client, 106);
	stats_set(&s->shed_full, 107);
	stats_set(&s->shed_late, 108);
	stats_set(&s->bad_start, 109);
	stats_set(&s->log_lost, 110);
	stats_set(&s->jobs, 111);
	stats_set(&s->slices, 112);
	stats_set(&s->offloaded, 113);
	stats_set(&s->loop_full, 114);
	stats_set(&s->calls_made, 115);
	stats_set(&s->calls_failed, 116);
	stats_set(&s->calls_late, 117);

	s = &r->slot[0].seat[1];
	atomic_store(&s->pid, getppid());
	atomic_store(&s->state, SLOT_DRAINING);
	stats_set(&s->spawned_us, clock_us() - 80000000);
	stats_set(&s->connections, 1);
	stats_set(&s->active, 2);
	stats_set(&s->bytes_in, 1000);
	stats_set(&s->jobs, 2000);
	stats_set(&r->slot[0].hung, 11);
	stats_set(&r->slot[0].recycled, 12);
	stats_set(&r->slot[0].parked, 13);

	s = &r->slot[2].seat[0];
	atomic_store(&s->state, SLOT_WAITING);
	stats_set(&s->spawned_us, clock_us() - 30000000);
	stats_set(&s->dead_cpu_us, 2500000);
	stats_set(&s->jobs, 9);
	stats_set(&r->slot[2].restarts, 4);
	stats_set(&r->slot[2].hung, 20);
	stats_set(&r->slot[2].start_us, clock_us() + 30000000);
	stats_set(&r->log_lost, 77);

	change_begin(&r->changes, &c, CHANGE_RELOAD, now_us - 10000000, "reading");
	change_end(&r->changes, &c, CHANGE_FAILED, now_us - 9000000,
		"q.json: no such option\nq.json: nor this one\n");
	change_begin(&r->changes, &c, CHANGE_SCALE, now_us - 1000000, "from 2 to 4 workers");
	c.target = 4;
	change_progress(&r->changes, &c, 3, 4);
	return r;
}

/* What slot 0 has done since the sampler was made: 100 requests of 1 to 100 ms. */
static inline void fixture_serve(struct stats_region *r)
{
	struct stats_seat *s = &r->slot[0].seat[0];

	for (uint64_t ms = 1; ms <= 100; ms++) {
		stats_count_answer(s, ms == 100 ? ROUTE_NONE : ROUTE_QR, ms == 100 ? 404 : 200);
		histogram_record(&s->queue_time, 100);
		histogram_record(&s->service_time, ms * 1000 - 100);
		histogram_record(&s->response_time, ms * 1000);
	}
	stats_count_answer(s, ROUTE_HEALTHZ, 200);
}

#endif
