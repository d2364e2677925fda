#include "bench/plan/verify.h"

#include "bench/fleet/fleet.h"
#include "bench/measure/calibrate.h"
#include "bench/measure/measure.h"
#include "bench/measure/measure_void.h"
#include "bench/measure/split.h"
#include "bench/measure/spread.h"
#include "bench/plan/service_quantile.h"
#include "bench/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALIBRATE_S 4.0
#define WARMUP_LEAST_S 2.0
#define WARMUP_MOST_S 30.0
#define PREDICT_REQUESTS 20000000
#define SLEEP_MOST_US 1e7 /* of /lab/sleep */
#define RARE 1e-6	  /* requests that may ask for more all the same */
#define HIST_COUNTS 1e12  /* of a written histogram, all together */

struct run {
	const struct verify_options *o;
	struct fleet *fleet;
	struct target target;
	struct mix *mix;
	struct watch watch;
	struct calibration calibration;
	struct measure measure;
	bool measured;
	char hist[32]; /* a file; "": none */
};

static void note(const struct run *r, const char *doing)
{
	if (r->o->note)
		r->o->note(r->o->own, doing);
}

int verify_check(const struct policy *p, const struct service *s, struct buffer *error)
{
	char name[POLICY_TEXT_BYTES];

	if (p->kind == POLICY_RANDOM_OF && p->parameter > 2) {
		buffer_printf(error, "a fleet of quernd's has no policy %s",
			policy_format(p, name, sizeof name));
		return -EINVAL;
	}
	if (service_share_below(s, SLEEP_MOST_US) >= 1 - RARE)
		return 0;
	buffer_puts(error, "emulated work takes at most 10s a request; this service takes longer");
	return -EINVAL;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static int write_ranges(FILE *to, const struct service *s)
{
	for (size_t i = 0; i < s->ranges; i++) {
		const double count = round(s->range[i].weight * HIST_COUNTS);

		if (count > 0)
			(void)fprintf(to, "%.6f %.6f %.0f\n", s->range[i].low_us,
				s->range[i].high_us, count);
	}
	return fflush(to) != 0 ? -errno : ferror(to) ? -EIO : 0;
}

/* A service that was measured is in no file yet, from which a mix could read it. */
static int write_hist(struct run *r, struct buffer *error)
{
	(void)snprintf(r->hist, sizeof r->hist, "/tmp/quern-plan-XXXXXX");
	const int fd = mkstemp(r->hist);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file) {
		const int why = errno;

		if (fd >= 0)
			(void)close(fd);
		else
			r->hist[0] = '\0';
		buffer_printf(error, "cannot write in /tmp: %s", strerror(why));
		return -why;
	}
	int failed = write_ranges(file, r->o->service);
	if (fclose(file) != 0 && failed == 0)
		failed = -errno;
	if (failed < 0)
		buffer_printf(error, "cannot write %s: %s", r->hist, strerror(-failed));
	return failed;
}

static int make_mix(struct run *r, struct buffer *error)
{
	struct buffer text;
	int failed = 0;

	if (r->o->service->kind == SERVICE_HIST)
		failed = write_hist(r, error);
	if (failed < 0)
		return failed;
	buffer_init(&text);
	buffer_printf(&text, "1 GET /lab/sleep?us={us:%s%s}\n", *r->hist ? "hist:" : "",
		*r->hist ? r->hist : r->o->service->spec);
	failed = text.failed ? -ENOMEM
			     : mix_parse(&r->mix, "the emulated work", text.data, text.len, error);
	buffer_done(&text);
	return failed;
}

static int bring_up(struct run *r, struct buffer *error)
{
	const struct fleet_options options = {
		.policy = r->o->policy, .workers = r->o->workers, .stop = r->o->stop};

	note(r, "starting the fleet");
	int failed = make_mix(r, error);
	if (failed == 0)
		failed = fleet_start(&r->fleet, &options, error);
	if (failed == 0)
		failed = target_parse(&r->target, fleet_url(r->fleet), error);
	if (failed == 0)
		fleet_watch(r->fleet, &r->watch);
	return failed;
}

/* --- measuring -------------------------------------------------------------------------------- */

static int find_overhead(struct run *r, struct buffer *error)
{
	const struct calibrate_options options = {.target = &r->target,
		.mix = r->mix,
		.watch = &r->watch,
		.workers = r->o->workers,
		.mean_us = r->o->service->mean_us,
		.seconds = CALIBRATE_S,
		.seed = r->o->seed + 1,
		.stop = r->o->stop};

	note(r, "calibrating");
	return calibrate(&options, &r->calibration, error);
}

static double warmup_seconds(const struct verify_options *o)
{
	const struct arrival poisson = {.kind = ARRIVAL_POISSON};
	const double requests = (double)sim_warmup(
		&o->policy, o->workers, o->planned->utilization, &poisson, o->service);

	return fmin(fmax(requests / o->rate_rps, WARMUP_LEAST_S), WARMUP_MOST_S);
}

static void show(void *own, const struct measure_live *live)
{
	const struct run *r = own;
	char text[96];

	if (live->elapsed_s < 0)
		(void)snprintf(text, sizeof text, "emulated fleet: warm-up");
	else
		(void)snprintf(text, sizeof text, "emulated fleet: p99 %.3g ms, %.0f s left",
			live->p99_us / 1000, fmax(r->o->duration_s - live->elapsed_s, 0));
	note(r, text);
}

static int measure(struct run *r, struct buffer *error)
{
	const struct measure_options options = {.target = &r->target,
		.mix = r->mix,
		.rate_rps = r->o->rate_rps,
		.seed = r->o->seed,
		.watch = &r->watch,
		.warmup_s = warmup_seconds(r->o),
		.least_s = r->o->duration_s,
		.most_s = r->o->duration_s,
		.stop = r->o->stop,
		.show = show,
		.own = r};
	const int failed = measure_run(&options, &r->measure, error);

	r->measured = failed == 0;
	return failed;
}

/* --- comparing -------------------------------------------------------------------------------- */

static const double quantile_of[VERIFY_FIGURES] = {0, 0.5, 0.95, 0.99};
_Static_assert((int)VERIFY_FIGURES == (int)SPREAD_FIGURES, "mean, p50, p95, p99 in both");

/* A perfect fleet with this very run's arrivals and work; NAN where nothing was measured. */
static int replay(const struct run *r, double us[VERIFY_FIGURES], struct buffer *error)
{
	static const enum split_figure figure[VERIFY_FIGURES] = {
		SPLIT_MEAN, SPLIT_P50, SPLIT_P95, SPLIT_P99};
	const struct split_options options = {.sample = r->measure.sample,
		.samples = r->measure.samples,
		.from_us = r->measure.warmup_us,
		.policy = r->o->policy,
		.workers = r->o->workers,
		.fixed_us = r->calibration.overhead_us,
		.seed = r->o->seed};
	struct split split;
	const int failed = split_make(&split, &options);

	for (size_t i = 0; i < VERIFY_FIGURES; i++)
		us[i] = failed == 0 ? split.us[figure[i]][SPLIT_REPLAY] : NAN;
	if (failed == 0)
		split_done(&split);
	if (failed == 0 || failed == -ENODATA)
		return 0;
	buffer_printf(error, "cannot replay the run: %s", strerror(-failed));
	return failed;
}

/* Batch means alone would be too narrow near saturation: bench/measure/spread.h. */
static int scatter(const struct run *r, struct spread *ret, struct buffer *error)
{
	const struct spread_options options = {.policy = r->o->policy,
		.workers = r->o->workers,
		.rate_rps = r->o->rate_rps,
		.service = r->o->service,
		.requests = r->measure.recorder.latency.all.count,
		.warmup = (uint64_t)(r->o->rate_rps * warmup_seconds(r->o)),
		.seed = r->o->seed,
		.stop = r->o->stop};

	note(r, "simulating how far such runs scatter");
	return options.requests > 0 ? spread_make(&options, ret, error) : -ENODATA;
}

static int predict_calibrated(
	const struct run *r, struct prediction *ret, bool *known, struct buffer *error)
{
	struct service service;
	int failed = service_copy(&service, r->o->service);

	if (failed < 0)
		return failed;
	service_shift(&service, r->calibration.overhead_us);
	const struct predict_options options = {.policy = r->o->policy,
		.workers = r->o->workers,
		.rate_rps = r->o->rate_rps,
		.service = &service,
		.requests_most = PREDICT_REQUESTS,
		.seed = r->o->seed,
		.stop = r->o->stop};
	*known = r->o->rate_rps * service.mean_us / 1e6 < r->o->workers;
	note(r, "predicting with the measured overhead");
	if (*known)
		failed = predict(&options, ret, error);
	service_done(&service);
	return failed;
}

static void compare(const struct run *r, const struct prediction *calibrated,
	const double replayed_us[VERIFY_FIGURES], const struct spread *spread,
	struct verify_result *ret)
{
	static const char *const name[VERIFY_FIGURES] = {"mean", "p50", "p95", "p99"};
	const struct batches *latency = &r->measure.recorder.latency;

	for (size_t i = 0; i < VERIFY_FIGURES; i++) {
		const double p = quantile_of[i];
		struct interval unused;

		ret->figure[i] = (struct verify_figure){.name = name[i],
			.planned_us = prediction_at(r->o->planned, p, &unused),
			.calibrated_us =
				ret->calibrated ? prediction_at(calibrated, p, &unused) : NAN,
			.replayed_us = replayed_us[i],
			.measured_us = spread_value(latency, (enum spread_figure)i),
			.measured = spread ? spread_interval(spread, (enum spread_figure)i, latency)
					   : batches_interval(latency, p)};
	}
}

static int conclude(const struct run *r, struct verify_result *ret, struct buffer *error)
{
	struct verify_result result = {.overhead_us = r->calibration.overhead_us,
		.planned_utilization = r->o->planned->utilization,
		.busy = r->measure.shares.busy_mean,
		.requests = r->measure.totals.intended,
		.errors = r->measure.recorder.errors,
		.seconds = r->measure.totals.elapsed_us / 1e6,
		.offered_rps = r->measure.totals.offered_rps,
		.achieved_rps = r->measure.totals.achieved_rps};
	const struct measure_void_options void_options = {.planned_us = r->o->duration_s * 1e6};
	struct prediction calibrated;
	double replayed_us[VERIFY_FIGURES];
	int failed = replay(r, replayed_us, error);

	if (failed < 0)
		return failed;
	failed = predict_calibrated(r, &calibrated, &result.calibrated, error);

	/* Interrupted once more: what was measured is shown all the same. */
	if (failed < 0 && failed != -EINTR)
		return failed;
	result.calibrated &= failed == 0;
	struct spread spread;
	const int unknown = scatter(r, &spread, error);
	if (unknown < 0 && unknown != -ENODATA && unknown != -EINTR)
		return unknown;
	result.calibrated_utilization = result.calibrated ? calibrated.utilization : NAN;
	compare(r, &calibrated, replayed_us, unknown ? NULL : &spread, &result);
	buffer_init(&result.void_reason);
	if (!measure_is_void(&r->measure, &void_options, &result.void_reason) &&
		(failed == -EINTR || unknown == -EINTR))
		buffer_puts(&result.void_reason,
			"interrupted before everything was predicted that belongs beside it");
	*ret = result;
	return 0;
}

static void take_down(struct run *r)
{
	if (r->measured)
		measure_done(&r->measure);
	target_done(&r->target);
	mix_free(r->mix);
	if (r->fleet)
		fleet_stop(r->fleet);
	if (*r->hist)
		(void)unlink(r->hist);
}

int verify_run(const struct verify_options *o, struct verify_result *ret, struct buffer *error)
{
	struct run *r = calloc(1, sizeof *r);

	if (!r) {
		buffer_puts(error, "out of memory");
		return -ENOMEM;
	}
	r->o = o;
	int failed = bring_up(r, error);
	if (failed == 0)
		failed = find_overhead(r, error);
	if (failed == 0)
		failed = measure(r, error);
	if (failed == 0)
		failed = fleet_check(r->fleet, error);
	if (failed == 0)
		failed = conclude(r, ret, error);
	take_down(r);
	free(r);
	return failed;
}

void verify_done(struct verify_result *r)
{
	buffer_done(&r->void_reason);
}
