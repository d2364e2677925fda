#include "server/stats/trace_json.h"

#include "lib/clock.h"
#include "server/stats/trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* Lanes of a process; thread n is LANE_THREADS + n. */
enum { LANE_LOOP = 1, LANE_WAITING, LANE_BACKEND, LANE_THREADS = 10 };

/* Entries of workers that are gone: above every pid that Linux gives. */
#define GONE_PID UINT64_C(10000000)

/* A ring on its way out. */
struct page {
	struct buffer *out;
	const struct stats_region *region;
	uint64_t since_us;
	uint32_t slot;
	unsigned seat;
	uint64_t pid, spawned_us; /* of the seat's worker; pid 0: none lives there */
	bool comma;
	/* What names were given to already. */
	bool is_named[2];    /* the process: the living one, those before */
	unsigned threads[2]; /* threads below this number */
	uint64_t loop_us;    /* when the loop's last box ended */
};

/* "name":value, values being numbers that this program made, and names without anything to escape. */
static void put_number(struct buffer *out, const char *name, uint64_t value)
{
	buffer_puts(out, name);
	buffer_put_u64(out, value);
}

static void begin_event(struct page *p, const char *begin, uint64_t pid, uint64_t tid)
{
	if (p->comma)
		buffer_puts(p->out, ",\n");
	p->comma = true;
	buffer_puts(p->out, begin);
	put_number(p->out, ",\"pid\":", pid);
	put_number(p->out, ",\"tid\":", tid);
}

static void put_name(struct page *p, enum stats_route route)
{
	buffer_puts(p->out, ",\"name\":\"");
	buffer_puts(p->out, stats_route_name(route < ROUTE_COUNT ? route : ROUTE_NONE));
	buffer_putc(p->out, '"');
}

/* --- names of processes and lanes ------------------------------------------------------------- */

static void name_process(struct page *p, uint64_t pid, bool gone)
{
	begin_event(p, "{\"ph\":\"M\"", pid, 0);
	put_number(p->out, ",\"name\":\"process_name\",\"args\":{\"name\":\"worker ", p->slot);
	buffer_puts(p->out, gone ? ", before\"}}" : "\"}}");
	begin_event(p, "{\"ph\":\"M\"", pid, 0);
	put_number(p->out, ",\"name\":\"process_sort_index\",\"args\":{\"sort_index\":", p->slot);
	buffer_puts(p->out, "}}");
}

static void name_lane(struct page *p, uint64_t pid, uint64_t lane, const char *name)
{
	begin_event(p, "{\"ph\":\"M\"", pid, lane);
	buffer_puts(p->out, ",\"name\":\"thread_name\",\"args\":{\"name\":\"");
	buffer_puts(p->out, name);
	if (lane >= LANE_THREADS)
		buffer_put_u64(p->out, lane - LANE_THREADS);
	buffer_puts(p->out, "\"}}");
}

/* Whose process an entry is of, which gets its names with the first one. */
static uint64_t process_of(struct page *p, const struct trace_entry *e)
{
	const bool gone = p->pid == 0 || e->end_us < p->spawned_us;
	const uint64_t pid = gone ? GONE_PID + (uint64_t)p->slot * STATS_SEATS + p->seat : p->pid;

	if (!p->is_named[gone]) {
		p->is_named[gone] = true;
		name_process(p, pid, gone);
		name_lane(p, pid, LANE_LOOP, "loop");
		name_lane(p, pid, LANE_WAITING, "waiting");
		name_lane(p, pid, LANE_BACKEND, "backend");
	}
	while (e->kind == TRACE_THREAD && p->threads[gone] <= e->lane)
		name_lane(p, pid, LANE_THREADS + p->threads[gone]++, "thread ");
	return pid;
}

/* --- events ----------------------------------------------------------------------------------- */

static uint64_t length_us(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? to_us - from_us : 0;
}

static void put_args(struct page *p, const struct trace_entry *e)
{
	put_number(p->out, ",\"args\":{\"job\":", e->job);
	if (e->kind == TRACE_JOB) {
		put_number(p->out, ",\"status\":", (uint64_t)e->status);
		put_number(p->out, ",\"wait_us\":", length_us(e->from_us, e->start_us));
		put_number(p->out, ",\"pieces\":", e->pieces);
	}
	buffer_puts(p->out, "}}");
}

/* A box: it ran. */
static void put_run(struct page *p, const struct trace_entry *e, uint64_t pid, uint64_t lane)
{
	begin_event(p, "{\"ph\":\"X\"", pid, lane);
	put_number(p->out, ",\"ts\":", e->start_us);
	put_number(p->out, ",\"dur\":", length_us(e->start_us, e->end_us));
	put_name(p, e->route);
	put_args(p, e);
}

/* One end of something that others may overlap, or an instant in it. */
struct mark {
	const char *begin; /* {"ph":..,"cat":.. */
	uint64_t pid, lane, id, at_us;
	enum stats_route route;
};

static void put_mark(struct page *p, const struct mark *m)
{
	begin_event(p, m->begin, m->pid, m->lane);
	put_number(p->out, ",\"id\":", m->id);
	put_number(p->out, ",\"ts\":", m->at_us);
	put_name(p, m->route);
}

/* A request that has no one box on the loop: its whole life, with what was asked and answered. */
static void put_request(struct page *p, const struct trace_entry *e, struct mark m)
{
	m.lane = LANE_WAITING;
	m.begin = "{\"ph\":\"b\",\"cat\":\"request\"";
	m.at_us = e->from_us;
	put_mark(p, &m);
	put_args(p, e);
	m.begin = "{\"ph\":\"e\",\"cat\":\"request\"";
	m.at_us = e->from_us + length_us(e->from_us, e->end_us);
	put_mark(p, &m);
	buffer_putc(p->out, '}');
}

static void put_wait(struct page *p, const struct trace_entry *e, struct mark m)
{
	m.lane = LANE_WAITING;
	m.begin = "{\"ph\":\"b\",\"cat\":\"wait\"";
	m.at_us = e->from_us;
	put_mark(p, &m);
	put_number(p->out, ",\"args\":{\"job\":", e->job);
	buffer_puts(p->out, "}}");
	m.begin = "{\"ph\":\"e\",\"cat\":\"wait\"";
	m.at_us = e->start_us;
	put_mark(p, &m);
	buffer_putc(p->out, '}');
}

static void put_call(struct page *p, const struct trace_entry *e, struct mark m)
{
	m.lane = LANE_BACKEND;
	m.begin = "{\"ph\":\"b\",\"cat\":\"backend\"";
	m.at_us = e->start_us;
	put_mark(p, &m);
	put_args(p, e);
	if (e->from_us >= e->start_us && e->from_us <= e->end_us) {
		m.begin = "{\"ph\":\"n\",\"cat\":\"backend\"";
		m.at_us = e->from_us;
		put_mark(p, &m);
		buffer_puts(p->out, ",\"args\":{\"answer\":\"arrived\"}}");
	}
	m.begin = "{\"ph\":\"e\",\"cat\":\"backend\"";
	m.at_us = e->start_us + length_us(e->start_us, e->end_us);
	put_mark(p, &m);
	buffer_putc(p->out, '}');
}

/* Jobs whose client left, or that waited for a thread in vain, need not have run at all. What began before the loop was
 * free cannot have been on it. */
static bool is_one_piece(const struct page *p, const struct trace_entry *e)
{
	return e->pieces == 0 && e->status != 0 && e->start_us >= p->loop_us;
}

static void put_loop(struct page *p, const struct trace_entry *e, uint64_t pid)
{
	put_run(p, e, pid, LANE_LOOP);
	p->loop_us = e->end_us > e->start_us ? e->end_us : e->start_us;
}

/* Entry number i of the ring, and so an id of its own in the whole file. */
static void put_entry(struct page *p, uint64_t i, const struct trace_entry *e)
{
	const uint64_t pid = process_of(p, e);
	const uint64_t rings = (uint64_t)p->region->slots * STATS_SEATS;
	const struct mark m = {
		.pid = pid,
		.id = i * rings + (uint64_t)p->slot * STATS_SEATS + p->seat,
		.route = e->route,
	};

	switch (e->kind) {
	case TRACE_JOB:
		if (e->start_us > e->from_us)
			put_wait(p, e, m);
		if (is_one_piece(p, e))
			put_loop(p, e, pid);
		else
			put_request(p, e, m);
		break;
	case TRACE_SLICE:
		put_loop(p, e, pid);
		break;
	case TRACE_THREAD:
		put_run(p, e, pid, LANE_THREADS + e->lane);
		break;
	case TRACE_CALL:
		put_call(p, e, m);
		break;
	}
}

static void put_ring(struct page *p)
{
	const struct trace_ring *ring = trace_ring_read(p->region, p->slot, p->seat);
	const struct stats_seat *seat = &p->region->slot[p->slot].seat[p->seat];
	const uint64_t end = trace_written(ring);
	struct trace_entry e;

	p->pid = (uint64_t)atomic_load_explicit(&seat->pid, memory_order_relaxed);
	p->spawned_us = stats_get(&seat->spawned_us);
	for (uint64_t i = end > TRACE_ENTRIES ? end - TRACE_ENTRIES : 0; i < end; i++)
		if (trace_get(ring, i, &e) && e.end_us >= p->since_us)
			put_entry(p, i, &e);
}

int trace_json_write(
	const struct stats_region *r, const struct trace_json_wish *wish, struct buffer *out)
{
	const size_t before = out->len;
	struct page p = {.out = out, .region = r, .since_us = wish->since_us};

	buffer_puts(out,
		"{\"displayTimeUnit\":\"ms\",\"otherData\":{\"program\":\"quernd " QUERN_VERSION
		"\"");
	put_number(out, ",\"now_us\":", clock_us());
	put_number(out, ",\"now_wall_us\":", clock_wall_us());
	buffer_puts(out, "},\"traceEvents\":[\n");
	for (p.slot = 0; p.slot < r->slots; p.slot++) {
		if (wish->worker != TRACE_JSON_ALL && (uint64_t)wish->worker != p.slot)
			continue;
		for (p.seat = 0; p.seat < STATS_SEATS; p.seat++) {
			p.is_named[0] = p.is_named[1] = false;
			p.threads[0] = p.threads[1] = 0;
			p.loop_us = 0;
			put_ring(&p);
		}
	}
	buffer_puts(out, "\n]}\n");
	if (!out->failed)
		return 0;
	out->len = before;
	return -ENOMEM;
}
