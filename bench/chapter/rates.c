#include "bench/chapter/rates.h"

#include "bench/chapter/cpus.h"
#include "bench/chapter/stage_load.h"
#include "bench/measure/calibrate.h"
#include "bench/measure/measure.h"

#include <errno.h>
#include <math.h>

#define TIMEOUT_US UINT64_C(600000000)
#define FIRST_RPS 2000.0
#define RPS_MOST 400000.0
#define SEARCH_S 0.7
#define WARM_S 0.5
#define CAPACITY_S 3.0
#define FULL_FACTOR 3
#define ENOUGH 1.5 /* so much more than it can do is offered, and waits for a connection */
#define BUSY_S 3.0
#define CORRECTIONS 3
#define CLOSE 0.02 /* of the busy share wanted */

/* --- capacity -------------------------------------------------------------------------------------------------- */

struct closed_loop {
	double from_us, to_us;
	uint64_t answers, errors;
	const volatile sig_atomic_t *stop;
	volatile sig_atomic_t over; /* ends the load, and whatever still waits */
};

static void count(void *own, const struct sample *s)
{
	struct closed_loop *c = own;

	if (s->done_us < c->from_us || s->done_us >= c->to_us || s->status == SAMPLE_UNFINISHED)
		return;
	c->answers++;
	c->errors += (uint64_t)sample_is_error(s);
}

static bool end_in_time(void *own, double elapsed_us)
{
	struct closed_loop *c = own;

	if (elapsed_us >= c->to_us || (c->stop && *c->stop))
		c->over = 1;
	return false;
}

/*
 * An open loop that offers more than the server can do, over so many connections: each is in use all the time, and the
 * next request goes out as soon as one is free. *ret: answers a second between warming up and the end.
 */
static int offer(const struct rates_options *o, const struct target *target, double rate_rps,
	double seconds, double *ret, struct buffer *error)
{
	const struct chapter_load *l = &o->stage->load;
	struct closed_loop c = {
		.from_us = WARM_S * 1e6, .to_us = (WARM_S + seconds) * 1e6, .stop = o->stop};
	struct arrival arrival = {.kind = ARRIVAL_CONSTANT};
	struct load_options options = {.target = target,
		.mix = l->mix,
		.arrival = &arrival,
		.rate_rps = rate_rps,
		.seed = l->seed,
		.duration_us = (uint64_t)((WARM_S + seconds + 1) * 1e6),
		.timeout_us = TIMEOUT_US,
		.connections = l->capacity_connections,
		.sink = count,
		.tick = end_in_time,
		.own = &c,
		.stop = &c.over};
	struct load_totals totals;
	const int result = measure_load(&options, &totals, error);

	if (result < 0)
		return result;
	if (o->stop && *o->stop) {
		buffer_puts(error, "interrupted");
		return -EINTR;
	}
	if (c.answers == 0 || (double)c.errors > l->errors_most * (double)c.answers) {
		buffer_printf(error, "at full speed %llu of %llu requests failed",
			(unsigned long long)c.errors, (unsigned long long)c.answers);
		return -EIO;
	}
	*ret = (double)c.answers / seconds;
	return 0;
}

static int find_capacity(const struct rates_options *o, const struct target *target, double *ret,
	struct buffer *error)
{
	double offered = FIRST_RPS, found = 0;

	for (;;) {
		const int result = offer(o, target, offered, SEARCH_S, &found, error);

		if (result < 0)
			return result;
		if (offered >= ENOUGH * found || offered >= RPS_MOST)
			break;
		offered = fmin(4 * offered, RPS_MOST);
	}
	return offer(o, target, fmin(2 * ENOUGH * found, RPS_MOST),
		o->full ? FULL_FACTOR * CAPACITY_S : CAPACITY_S, ret, error);
}

int rates_capacity(const struct rates_options *o, double *ret_rps, struct buffer *error)
{
	struct target target;
	struct cpus_place before;
	int result = target_parse(&target, stand_url(o->stand), error);

	if (result < 0)
		return result;
	result = cpus_move(o->rest_cpus, &before, error);
	if (result == 0) {
		result = find_capacity(o, &target, ret_rps, error);
		cpus_return(&before);
	}
	target_done(&target);
	return result;
}

/* --- busy ------------------------------------------------------------------------------------------------------ */

/* At about half of what the server can do. */
static int first_guess(
	const struct rates_options *o, double busy, double *ret_rps, struct buffer *error)
{
	struct watch watch;
	struct target target;
	struct calibration c;
	struct cpus_place before;
	int result = target_parse(&target, stand_url(o->stand), error);

	if (result < 0)
		return result;
	stand_watch(o->stand, &watch);
	const struct calibrate_options options = {.target = &target,
		.mix = o->stage->load.mix,
		.watch = &watch,
		.workers = o->stage->server.workers,
		.seconds = 1,
		.seed = o->stage->load.seed,
		.stop = o->stop};
	result = cpus_move(o->rest_cpus, &before, error);
	if (result == 0) {
		result = calibrate(&options, &c, error);
		cpus_return(&before);
	}
	target_done(&target);
	if (result == 0 && c.busy_us <= 0)
		result = -EIO;
	if (result == 0)
		*ret_rps = busy * o->stage->server.workers / (c.busy_us / 1e6);
	return result;
}

static int busy_at(
	const struct rates_options *o, double rate_rps, double *ret, struct buffer *error)
{
	const struct stage_load_options options = {.stage = o->stage,
		.stand = o->stand,
		.rate_rps = rate_rps,
		.seconds = o->full ? FULL_FACTOR * BUSY_S : BUSY_S,
		.warmup_s = WARM_S,
		.seed = o->stage->load.seed,
		.rest_cpus = o->rest_cpus,
		.stop = o->stop};
	struct stage_load m;
	int result = stage_load_run(&options, &m, error);

	if (result < 0)
		return result;
	/* By the very mean of those that came: the number of arrivals is subject to chance. */
	*ret = m.looked && m.totals.intended_rps > 0
		       ? m.shares.busy_mean * rate_rps / m.totals.intended_rps
		       : 0;
	if (*ret <= 0) {
		buffer_puts(error, "how busy the server was could not be seen");
		result = -EIO;
	}
	stage_load_done(&m);
	return result;
}

/* In a full server the busy share no longer tells by how much the rate is too high. */
static double corrected(double rate_rps, double wanted, double seen)
{
	return seen > 0.97 ? rate_rps * wanted * 0.9 : rate_rps * wanted / seen;
}

int rates_busy(const struct rates_options *o, double busy, double *ret_rps, double *ret_seen,
	struct buffer *error)
{
	double rate_rps = 0, seen = 0;
	int result = first_guess(o, busy, &rate_rps, error);

	for (int i = 0; i < CORRECTIONS && result == 0; i++) {
		result = busy_at(o, rate_rps, &seen, error);
		if (result < 0)
			break;
		*ret_rps = rate_rps;
		*ret_seen = seen;
		if (fabs(seen - busy) <= CLOSE * busy)
			break;
		rate_rps = corrected(rate_rps, busy, seen);
	}
	return result;
}
