#include "bench/measure/calibrate.h"

#include "bench/measure/measure.h"

#include <errno.h>
#include <stdlib.h>

#define TIMEOUT_US 30000000u
#define UTILIZATION 0.5
#define TRICKLE_RPS 20.0
#define LEAST_REQUESTS 100.0
#define SECONDS_MOST 10.0

struct sums {
	double asked_us, told_us;
	uint64_t asked, told, requests, errors;
	unsigned first_error; /* its status */
};

static void on_sample(void *own, const struct sample *s)
{
	struct sums *sums = own;

	sums->requests++;
	if (sample_is_error(s) && sums->errors++ == 0)
		sums->first_error = s->status;
	if (s->asked_us >= 0) {
		sums->asked++;
		sums->asked_us += s->asked_us;
	}
	if (s->service_us >= 0) {
		sums->told++;
		sums->told_us += s->service_us;
	}
}

/* Busy time of all workers between two looks. */
static double busy_us(const struct watch_look *a, const struct watch_look *b)
{
	const double wall_us = (double)(b->at_us - a->at_us);
	struct watch_shares shares;

	watch_between(a, b, &shares);
	return shares.busy_mean * shares.workers * wall_us;
}

static void conclude(const struct sums *sums, double busy, struct calibration *ret)
{
	const double n = (double)sums->requests;

	ret->requests = sums->requests;
	ret->busy_us = busy / n;
	/* Known for all requests, or it says nothing about the mean. */
	ret->asked_us = sums->asked == sums->requests ? sums->asked_us / n : -1;
	ret->told_us = sums->told == sums->requests ? sums->told_us / n : -1;
	const double work = ret->asked_us >= 0	? ret->asked_us
			    : ret->told_us >= 0 ? ret->told_us
						: ret->busy_us;
	ret->service_us = work;
	ret->overhead_us = ret->busy_us > work ? ret->busy_us - work : 0;
}

static int load(const struct calibrate_options *o, double rate_rps, double seconds,
	struct sums *sums, struct buffer *error)
{
	struct arrival arrival = {.kind = ARRIVAL_POISSON};
	struct load_options options = {.target = o->target,
		.mix = o->mix,
		.arrival = &arrival,
		.rate_rps = rate_rps,
		.seed = o->seed,
		.duration_us = (uint64_t)(seconds * 1e6),
		.timeout_us = TIMEOUT_US,
		.connections = measure_connections(),
		.sink = on_sample,
		.own = sums,
		.stop = o->stop};
	struct load_totals totals;
	char status[8];
	const int result = measure_load(&options, &totals, error);

	if (result < 0)
		return result;
	if (totals.interrupted) {
		buffer_puts(error, "interrupted");
		return -EINTR;
	}
	if (sums->requests == 0) {
		buffer_printf(error, "no request was due while calibrating for %g s at %g/s",
			seconds, rate_rps);
		return -EIO;
	}
	if (sums->errors == 0)
		return 0;
	buffer_printf(error,
		"while calibrating, %llu of %llu requests failed, the first with \"%s\"",
		(unsigned long long)sums->errors, (unsigned long long)sums->requests,
		sample_status_name(sums->first_error, status));
	return -EIO;
}

static int load_watched(const struct calibrate_options *o, double rate_rps, double seconds,
	struct calibration *ret, struct buffer *error)
{
	struct watch_look *look = calloc(2, sizeof *look);
	struct sums sums = {.requests = 0};

	if (!look) {
		buffer_puts(error, "no memory is left");
		return -ENOMEM;
	}
	int result = watch_look(o->watch, &look[0], error);
	if (result == 0)
		result = load(o, rate_rps, seconds, &sums, error);
	if (result == 0)
		result = watch_look(o->watch, &look[1], error);
	if (result == 0)
		conclude(&sums, busy_us(&look[0], &look[1]), ret);
	free(look);
	/* No rate follows from that: it would be infinite. */
	if (result == 0 && ret->service_us + ret->overhead_us <= 0) {
		buffer_printf(error,
			"while calibrating, %llu requests were answered and the workers were not "
			"busy at all: is it they that are watched?",
			(unsigned long long)sums.requests);
		result = -EIO;
	}
	return result;
}

int calibrate(const struct calibrate_options *o, struct calibration *ret, struct buffer *error)
{
	double mean_us = o->mean_us;

	if (mean_us <= 0) {
		const int result = load_watched(o, TRICKLE_RPS, 1, ret, error);

		if (result < 0)
			return result;
		mean_us = ret->busy_us > ret->service_us ? ret->busy_us : ret->service_us;
	}
	const double rate_rps = UTILIZATION * o->workers / (mean_us / 1e6);
	double seconds = LEAST_REQUESTS / rate_rps;
	seconds = seconds > o->seconds ? seconds : o->seconds;
	return load_watched(
		o, rate_rps, seconds < SECONDS_MOST ? seconds : SECONDS_MOST, ret, error);
}
