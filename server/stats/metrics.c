#include "server/stats/metrics.h"

#include "lib/clock.h"
#include "server/stats/counters.h"
#include "server/stats/fleet.h"
#include "server/stats/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A used slot, read once for the whole page. */
struct row {
	struct slot_view view;
	uint64_t memory_bytes;
	const struct stats_slot *slot;
};

struct page {
	const struct stats_region *region;
	struct buffer *out;
	struct row *row;
	size_t rows;
};

/*
 * Upper bounds: 0.125 ms, doubled up to 65.536 s. 125 * 2^n is the low end of a bucket of struct
 * histogram for every n, so the counts below it are exact.
 */
#define BOUNDS 20
#define LOWEST_BOUND_US 125u

static void head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Microseconds as seconds, exactly, without zeros at the end. */
static void put_seconds(struct buffer *out, uint64_t us)
{
	uint64_t rest = us % 1000000;
	int digits = 6;

	buffer_put_u64(out, us / 1000000);
	if (!rest)
		return;
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	buffer_printf(out, ".%0*" PRIu64, digits, rest);
}

static void one_u64(
	struct buffer *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buffer_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void one_seconds(struct buffer *out, const char *name, const char *help, uint64_t us)
{
	head(out, name, "gauge", help);
	buffer_printf(out, "%s ", name);
	put_seconds(out, us);
	buffer_putc(out, '\n');
}

static void put_fleet(const struct page *p)
{
	const struct stats_region *r = p->region;
	enum fleet_state state = fleet_state_of(r);
	uint64_t now_us = clock_us();

	head(p->out, "quern_build_info", "gauge", "Version of quernd; always 1.");
	buffer_printf(p->out, "quern_build_info{version=\"%s\"} 1\n", QUERN_VERSION);
	one_seconds(p->out, "quern_start_time_seconds", "When the master started, since the epoch.",
		r->started_wall_us);
	one_seconds(p->out, "quern_uptime_seconds", "Time since the master started.",
		now_us > r->started_us ? now_us - r->started_us : 0);
	head(p->out, "quern_fleet_state", "gauge", "1 for the state that the fleet is in.");
	for (int i = 0; i < FLEET_STATES; i++)
		buffer_printf(p->out, "quern_fleet_state{state=\"%s\"} %d\n",
			fleet_state_name((enum fleet_state)i), i == (int)state);
	one_u64(p->out, "quern_workers_wanted", "gauge", "Workers that there ought to be.",
		atomic_load_explicit(&r->wanted, memory_order_relaxed));
	one_u64(p->out, "quern_workers_ready", "gauge", "Workers that take work.",
		fleet_count(r, SLOT_READY));
	one_u64(p->out, "quern_workers_max", "gauge", "Slots for workers: workers.max.", r->slots);
	one_u64(p->out, "quern_admin_restarts_total", "counter",
		"Admin processes started after the first one.", stats_get(&r->admin_restarts));
	one_u64(p->out, "quern_master_log_lines_lost_total", "counter",
		"Log lines that the master could not write.", stats_get(&r->log_lost));
	one_u64(p->out, "quern_statsd_payloads_total", "counter",
		"Payloads with figures for metrics.statsd.", stats_get(&r->statsd_payloads));
	one_u64(p->out, "quern_statsd_lost_total", "counter",
		"Of them, those that were not sent or that nobody listened for.",
		stats_get(&r->statsd_lost));
	head(p->out, "quern_memory_bytes", "gauge",
		"Memory (PSS) of the processes beside the workers.");
	buffer_printf(p->out,
		"quern_memory_bytes{process=\"master\"} %" PRIu64
		"\nquern_memory_bytes{process=\"admin\"} %" PRIu64 "\n",
		memory_of_bytes(r->master_pid), memory_of_bytes(getpid()));
}

/* Of the last change that has ended, as far as it is kept. */
static bool last_has_failed(const struct stats_changes *all)
{
	struct change c;

	for (uint64_t n = change_count(all); n > 0 && change_read(all, n, &c); n--)
		if (c.state != CHANGE_RUNNING)
			return c.state == CHANGE_FAILED;
	return false;
}

static void put_changes(const struct page *p)
{
	const struct stats_changes *all = &p->region->changes;

	one_u64(p->out, "quern_changes_total", "counter",
		"Reloads, scalings and upgrades begun since the master started.",
		change_count(all));
	one_u64(p->out, "quern_change_failed", "gauge",
		"1 if the last of them that has ended has failed.", last_has_failed(all));
}

static void put_states(const struct page *p)
{
	head(p->out, "quern_worker_state", "gauge", "1 for the state that the slot is in.");
	for (size_t i = 0; i < p->rows; i++)
		for (int state = SLOT_UNUSED; state <= SLOT_PARKED; state++)
			buffer_printf(p->out, "quern_worker_state{slot=\"%u\",state=\"%s\"} %d\n",
				(unsigned)p->row[i].view.slot,
				slot_state_name((enum slot_state)state),
				state == (int)p->row[i].view.state);
}

/* What one number per slot is made of. */
enum form { NUMBER, SECONDS, RATIO };
struct per_slot {
	const char *name, *type, *help;
	enum form form;
	size_t offset; /* in struct row: of a uint64_t, for RATIO of a double */
};

#define VIEW(field) offsetof(struct row, view.field)

static const struct per_slot per_slot[] = {
	{"quern_worker_restarts_total", "counter", "Workers started in the slot after its first.",
		NUMBER, VIEW(restarts)},
	{"quern_worker_hung_total", "counter",
		"Workers of the slot that hung and were killed by the watchdog.", NUMBER,
		VIEW(hung)},
	{"quern_worker_recycled_total", "counter",
		"Workers of the slot that were replaced because of their age or size.", NUMBER,
		VIEW(recycled)},
	{"quern_worker_parked_total", "counter",
		"Times that the slot was left alone after quick deaths in a row.", NUMBER,
		VIEW(parked)},
	{"quern_worker_age_seconds", "gauge", "Age of the living worker; 0 where there is none.",
		SECONDS, VIEW(age_us)},
	{"quern_worker_memory_bytes", "gauge", "Memory (PSS) of the slot's living workers.", NUMBER,
		offsetof(struct row, memory_bytes)},
	{"quern_worker_cpu_seconds_total", "counter",
		"CPU time of all workers that the slot has had.", SECONDS, VIEW(cpu_us)},
	{"quern_worker_idle_seconds_total", "counter",
		"Time that the slot's workers have waited with nothing to do.", SECONDS,
		VIEW(idle_us)},
	{"quern_worker_pool_seconds_total", "counter",
		"Time that the slot's workers' threads were in jobs.", SECONDS, VIEW(pool_us)},
	{"quern_worker_busy_ratio", "gauge",
		"Share of the last second in which the worker was not waiting for work.", RATIO,
		VIEW(busy)},
	{"quern_worker_connections", "gauge", "Open connections.", NUMBER, VIEW(connections)},
	{"quern_worker_active_requests", "gauge", "Requests begun and not yet answered.", NUMBER,
		VIEW(active)},
	{"quern_worker_queued_requests", "gauge", "Requests that wait for their turn.", NUMBER,
		VIEW(queue)},
	{"quern_worker_pool_queued_jobs", "gauge", "Jobs that wait for a thread.", NUMBER,
		VIEW(pool_queue)},
	{"quern_worker_pool_active_jobs", "gauge", "Jobs in a thread.", NUMBER, VIEW(pool_active)},
	{"quern_worker_backend_waits", "gauge", "Requests that wait for the lab's backend.", NUMBER,
		VIEW(calls)},
	{"quern_worker_loop_lag_seconds", "gauge", "How late the worker's loop is now.", SECONDS,
		VIEW(lag_us)},
};

static void put_value(struct buffer *out, const struct per_slot *m, const struct row *row)
{
	const void *at = (const char *)row + m->offset;

	switch (m->form) {
	case NUMBER:
		buffer_printf(out, "%" PRIu64, *(const uint64_t *)at);
		break;
	case SECONDS:
		put_seconds(out, *(const uint64_t *)at);
		break;
	case RATIO:
		buffer_printf(out, "%.6f", *(const double *)at);
		break;
	}
}

static void put_per_slot(const struct page *p)
{
	for (size_t m = 0; m < sizeof(per_slot) / sizeof(per_slot[0]); m++) {
		head(p->out, per_slot[m].name, per_slot[m].type, per_slot[m].help);
		for (size_t i = 0; i < p->rows; i++) {
			buffer_printf(p->out, "%s{slot=\"%u\"} ", per_slot[m].name,
				(unsigned)p->row[i].view.slot);
			put_value(p->out, &per_slot[m], &p->row[i]);
			buffer_putc(p->out, '\n');
		}
	}
}

static void put_counters(const struct page *p)
{
	for (size_t c = 0; c < COUNTERS; c++) {
		if (counters[c].help)
			head(p->out, counters[c].metric, "counter", counters[c].help);
		for (size_t i = 0; i < p->rows; i++)
			buffer_printf(p->out, "%s{slot=\"%u\"%s%s} %" PRIu64 "\n",
				counters[c].metric, (unsigned)p->row[i].view.slot,
				counters[c].label ? "," : "",
				counters[c].label ? counters[c].label : "",
				counter_get(p->row[i].slot, &counters[c]));
	}
}

/*
 * Six routes with 13 statuses each are 78 series a slot, of which hardly ten ever count. So a pair
 * appears with its first answer and stays; the answers that every worker gives are there from the
 * start, at 0.
 */
static bool from_the_start(enum stats_route route, int status)
{
	return status == 200 &&
	       (route == ROUTE_ROOT || route == ROUTE_QR || route == ROUTE_HEALTHZ);
}

static void put_request(
	struct buffer *out, uint32_t slot, const char *route, int status, uint64_t count)
{
	buffer_printf(out,
		"quern_requests_total{slot=\"%" PRIu32 "\",route=\"%s\",status=\"%d\"} %" PRIu64
		"\n",
		slot, route, status, count);
}

static void put_requests(const struct page *p)
{
	head(p->out, "quern_requests_total", "counter", "Requests answered, by route and status.");
	for (size_t i = 0; i < p->rows; i++) {
		for (int route = 0; route < ROUTE_COUNT; route++) {
			const char *name = stats_route_name((enum stats_route)route);

			for (int n = 0; n < STATS_STATUSES; n++) {
				uint64_t count = counter_answers(
					p->row[i].slot, (enum stats_route)route, (size_t)n);

				if (!count &&
					!from_the_start((enum stats_route)route, stats_status[n]))
					continue;
				put_request(
					p->out, p->row[i].view.slot, name, stats_status[n], count);
			}
		}
	}
}

static void put_histogram(
	struct buffer *out, const char *name, unsigned slot, const struct histogram_copy *h)
{
	for (unsigned i = 0; i < BOUNDS; i++) {
		uint64_t bound_us = (uint64_t)LOWEST_BOUND_US << i;

		buffer_printf(out, "%s_bucket{slot=\"%u\",le=\"", name, slot);
		put_seconds(out, bound_us);
		buffer_printf(out, "\"} %" PRIu64 "\n", histogram_count_below(h, bound_us));
	}
	buffer_printf(out, "%s_bucket{slot=\"%u\",le=\"+Inf\"} %" PRIu64 "\n%s_sum{slot=\"%u\"} ",
		name, slot, h->count, name, slot);
	put_seconds(out, h->sum_us);
	buffer_printf(out, "\n%s_count{slot=\"%u\"} %" PRIu64 "\n", name, slot, h->count);
}

static void put_histograms(const struct page *p)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} all[] = {
		{"quern_queue_seconds", "From a request's arrival to the start of its work.",
			offsetof(struct stats_seat, queue_time)},
		{"quern_service_seconds", "The work of a request itself.",
			offsetof(struct stats_seat, service_time)},
		{"quern_response_seconds", "From a request's arrival to its answer being written.",
			offsetof(struct stats_seat, response_time)},
		{"quern_loop_lag_seconds", "How late the timer of the worker's loop fired.",
			offsetof(struct stats_seat, loop_lag)},
	};
	struct histogram_copy h;

	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		head(p->out, all[n].name, "histogram", all[n].help);
		for (size_t i = 0; i < p->rows; i++) {
			counter_histogram(p->row[i].slot, all[n].offset, &h);
			put_histogram(p->out, all[n].name, (unsigned)p->row[i].view.slot, &h);
		}
	}
}

int metrics_write(const struct sampler *s, struct buffer *out)
{
	struct page p = {.region = sampler_region(s), .out = out};
	size_t before = out->len;

	p.row = calloc(p.region->slots ? p.region->slots : 1, sizeof(*p.row));
	if (!p.row)
		return -ENOMEM;
	for (uint32_t i = 0; i < p.region->slots; i++) {
		struct row *row = &p.row[p.rows];

		if (!sampler_view(s, i, &row->view))
			continue;
		row->memory_bytes = memory_of_slot_bytes(&p.region->slot[i]);
		row->slot = &p.region->slot[i];
		p.rows++;
	}
	put_fleet(&p);
	put_changes(&p);
	put_states(&p);
	put_per_slot(&p);
	put_counters(&p);
	put_requests(&p);
	put_histograms(&p);
	free(p.row);
	if (!out->failed)
		return 0;
	out->len = before;
	return -ENOMEM;
}
