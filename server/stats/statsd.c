#include "server/stats/statsd.h"

#include "lib/clock.h"
#include "server/stats/fleet.h"
#include "server/stats/statsd_counts.h"

#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * How an interval's payloads are spread. A receiver with the usual socket buffer (208 KiB) holds about 90 of them, so it
 * may be busy with something else for at least 50 ms before it loses one at the highest pace.
 */
#define PACE_US 5000
#define PACE_MOST 8.0 /* payloads a turn */
#define PACE_LEAST 0.5
#define PACE_FIRST 2.0
#define PACE_SHARE 0.8 /* of the interval */

#define SCOPE_BYTES (STATSD_PREFIX_BYTES + 32u)

struct statsd {
	struct stats_region *region;
	const struct sampler *sampler;
	struct statsd_options options;
	char prefix[STATSD_PREFIX_BYTES];
	int fd; /* -1: not connected; tried again with every interval */
	struct event *interval, *pace;

	struct statsd_counts **past; /* by slot; NULL: the slot was not used yet */
	struct statsd_counts fleet, delta;
	struct slot_view sum; /* of the fleet's gauges */
	uint32_t living;

	bool running;  /* an interval's figures are being sent */
	uint32_t slot; /* the next one of it; region->slots: the fleet; one more: all is written */
	struct statsd_payloads payloads;
	uint64_t written;     /* payloads of this interval */
	double pace_payloads; /* that are sent a turn */
	uint64_t begun_us;
	double credit;	/* of payloads, which may be sent now */
	int error;	/* of this interval: the last one, or 0 */
	int told_error; /* what on_state() was told last */
};

/* --- the socket */

static void note_error(struct statsd *s, int error)
{
	s->error = error;
	if (!s->told_error) {
		s->told_error = error;
		s->options.on_state(error, s->options.arg);
	}
}

static void count_lost(struct statsd *s, uint64_t payloads)
{
	stats_add(&s->region->statsd_lost, payloads);
}

static void drop(struct statsd *s, uint64_t payloads)
{
	stats_add(&s->region->statsd_payloads, payloads);
	count_lost(s, payloads);
}

static void count_failed_lines(struct statsd *s)
{
	if (s->payloads.failed == 0)
		return;
	/* Lines that there was no memory for would have been a payload at least. */
	drop(s, 1);
	s->payloads.failed = 0;
	note_error(s, -ENOMEM);
}

static int connect_socket(struct statsd *s)
{
	const struct sockaddr *to = (const void *)&s->options.to.storage;
	int fd = socket(to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, to, s->options.to.len) != 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	s->fd = fd;
	return 0;
}

/*
 * Whether nobody listens is known by a message that comes back after the payload has left: the system hands it over with the
 * next call. So an error of that kind tells of an earlier payload.
 */
static void take_late_error(struct statsd *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (s->fd < 0 || getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || !error)
		return;
	count_lost(s, 1);
	note_error(s, -error);
}

static void send_one(struct statsd *s, const struct statsd_payload *p)
{
	take_late_error(s);
	stats_add(&s->region->statsd_payloads, 1);
	if (s->fd < 0 || send(s->fd, p->data, p->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		count_lost(s, 1);
		note_error(s, s->fd < 0 ? s->error : -errno);
	}
}

/* --- what is sent */

static void add_to_sum(struct statsd *s, const struct slot_view *v)
{
	s->sum.busy += v->busy;
	s->sum.cpu += v->cpu;
	s->sum.connections += v->connections;
	s->sum.active += v->active;
	s->sum.queue += v->queue;
	if (v->lag_us > s->sum.lag_us)
		s->sum.lag_us = v->lag_us;
	s->living += v->pid > 0;
}

static void write_slot(struct statsd *s, uint32_t slot)
{
	struct slot_view v;
	char scope[SCOPE_BYTES];

	if (!sampler_view(s->sampler, slot, &v))
		return;
	if (!s->past[slot])
		s->past[slot] = calloc(1, sizeof(*s->past[slot]));
	if (!s->past[slot]) {
		s->payloads.failed++;
		return;
	}
	(void)snprintf(scope, sizeof(scope), "%s.worker.%u", s->prefix, (unsigned)slot);
	statsd_counts_step(&s->delta, s->past[slot], &s->region->slot[slot]);
	statsd_put_counts(&s->payloads, scope, &s->delta);
	statsd_put_gauges(&s->payloads, scope, &v);
	statsd_counts_add(&s->fleet, &s->delta);
	add_to_sum(s, &v);
}

static void write_fleet(struct statsd *s)
{
	const struct stats_region *r = s->region;
	struct statsd_payloads *p = &s->payloads;
	char scope[SCOPE_BYTES];

	(void)snprintf(scope, sizeof(scope), "%s.fleet", s->prefix);
	if (s->living)
		s->sum.busy /= s->living;
	statsd_put_counts(p, scope, &s->fleet);
	statsd_put_gauges(p, scope, &s->sum);
	statsd_put_gauge(p, scope, "workers_ready", fleet_count(r, SLOT_READY));
	statsd_put_gauge(
		p, scope, "workers_wanted", atomic_load_explicit(&r->wanted, memory_order_relaxed));
	statsd_put_gauge(p, scope, "workers_parked", fleet_count(r, SLOT_PARKED));
}

/* Writes what is next, when all that was written is sent. False: there is nothing left. */
static bool refill(struct statsd *s)
{
	struct statsd_payloads *p = &s->payloads;

	while (p->next == p->count && s->slot <= s->region->slots) {
		statsd_payloads_reset(p);
		if (s->slot < s->region->slots)
			write_slot(s, s->slot);
		else
			write_fleet(s);
		s->slot++;
		s->written += p->count;
		count_failed_lines(s);
	}
	return p->next < p->count;
}

/* --- when */

static struct timeval as_timeval(uint64_t us)
{
	return (struct timeval){
		.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
}

static double spread_us(const struct statsd *s)
{
	return (double)s->options.interval_us * PACE_SHARE;
}

/* So many a turn that the last interval's payloads would have been spread as wanted. */
static double pace_of(const struct statsd *s)
{
	double pace = (double)s->written / (spread_us(s) / PACE_US);

	return s->written ? fmax(fmin(pace, PACE_MOST), PACE_LEAST) : PACE_FIRST;
}

static void begin_interval(struct statsd *s)
{
	take_late_error(s);
	if (!s->error && s->told_error) {
		s->told_error = 0;
		s->options.on_state(0, s->options.arg);
	}
	s->error = 0;
	if (s->fd < 0) {
		int error = connect_socket(s);
		if (error)
			note_error(s, error);
	}
	s->pace_payloads = pace_of(s);
	s->credit = 1;
	s->begun_us = clock_us();
	s->written = 0;
	s->slot = 0;
	s->living = 0;
	s->sum = (struct slot_view){0};
	memset(&s->fleet, 0, sizeof(s->fleet));
	s->running = true;
}

/* False: the interval has ended. */
static bool send_some(struct statsd *s, uint64_t payloads)
{
	for (uint64_t n = 0; n < payloads && refill(s); n++)
		send_one(s, &s->payloads.at[s->payloads.next++]);
	s->running = s->payloads.next < s->payloads.count || s->slot <= s->region->slots;
	return s->running;
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct statsd *s = arg;
	uint64_t now = (uint64_t)s->credit;
	(void)fd;
	(void)what;

	/* There are more than the last time. */
	if ((double)(clock_us() - s->begun_us) > spread_us(s))
		s->pace_payloads = PACE_MOST;
	s->credit += s->pace_payloads - (double)now;
	if (!send_some(s, now))
		(void)event_del(s->pace);
}

static void on_interval(evutil_socket_t fd, short what, void *arg)
{
	struct statsd *s = arg;
	struct timeval pace = as_timeval(PACE_US);
	(void)fd;
	(void)what;

	if (s->running)
		return;
	begin_interval(s);
	/* Without a timer, which is out of memory, all is sent at once: better than an interval without end. */
	if (event_add(s->pace, &pace) != 0)
		(void)send_some(s, UINT64_MAX);
}

void statsd_set_interval(struct statsd *s, uint64_t interval_us)
{
	struct timeval interval = as_timeval(interval_us);

	if (interval_us == s->options.interval_us)
		return;
	/* A timer that is set already takes its new period without memory, so this does not fail. */
	if (event_add(s->interval, &interval) == 0)
		s->options.interval_us = interval_us;
}

/* There is no time for what is left of the interval. */
static void drop_rest(struct statsd *s)
{
	while (refill(s)) {
		drop(s, s->payloads.count - s->payloads.next);
		s->payloads.next = s->payloads.count;
	}
	s->running = false;
}

void statsd_finish(struct statsd *s, uint64_t limit_us)
{
	const struct timespec pause = {.tv_nsec = PACE_US * 1000L};
	uint64_t until_us = clock_us() + limit_us;

	for (int rest = s->running ? 1 : 0; rest >= 0; rest--) {
		if (!s->running)
			begin_interval(s);
		while (send_some(s, (uint64_t)PACE_MOST) && clock_us() < until_us)
			(void)nanosleep(&pause, NULL);
		drop_rest(s);
	}
	take_late_error(s);
	(void)event_del(s->pace);
	(void)event_del(s->interval);
}

/* --- life */

static int take_past(struct statsd *s)
{
	struct slot_view v;

	s->past = calloc(s->region->slots ? s->region->slots : 1, sizeof(struct statsd_counts *));
	if (!s->past)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->region->slots; i++) {
		if (s->options.from_zero || !sampler_view(s->sampler, i, &v))
			continue;
		s->past[i] = calloc(1, sizeof(*s->past[i]));
		if (!s->past[i])
			return -ENOMEM;
		statsd_counts_read(s->past[i], &s->region->slot[i]);
	}
	return 0;
}

static int begin(struct statsd *s, struct event_base *base)
{
	struct timeval interval = as_timeval(s->options.interval_us);
	int error = take_past(s);

	if (error)
		return error;
	s->interval = event_new(base, -1, EV_PERSIST, on_interval, s);
	s->pace = event_new(base, -1, EV_PERSIST, on_pace, s);
	if (!s->interval || !s->pace || event_add(s->interval, &interval) != 0)
		return -ENOMEM;
	return 0;
}

int statsd_new(struct statsd **ret, struct event_base *base, struct stats_region *r,
	const struct sampler *sampler, const struct statsd_options *options)
{
	struct statsd *s;
	int error;

	if (!statsd_prefix_is_legal(options->prefix))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->region = r;
	s->sampler = sampler;
	s->options = *options;
	s->fd = -1;
	memcpy(s->prefix, options->prefix, strlen(options->prefix) + 1);
	s->options.prefix = s->prefix;
	error = begin(s, base);
	if (error) {
		statsd_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

void statsd_free(struct statsd *s)
{
	if (!s)
		return;
	if (s->interval)
		event_free(s->interval);
	if (s->pace)
		event_free(s->pace);
	for (uint32_t i = 0; s->past && i < s->region->slots; i++)
		free(s->past[i]);
	free(s->past);
	statsd_payloads_done(&s->payloads);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
