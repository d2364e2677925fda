/*
 * The simulator against every figure that is exactly known. For each: 20 runs with fixed seeds, each long enough for a
 * 95 % interval of at most 1 % to either side; the exact value has to lie in at least 16 of the 20 intervals (of 20 true
 * ones that happens with a probability of 99.7 %; an error of half a percent would show). How long a run has to be, a
 * pilot with another seed tells. Takes about an hour on one core, most of it for 0.95.
 *
 *   prove_theory [TEXT]   only figures whose name contains TEXT
 *
 * Exits with 1 if a figure fails. Times are in units of 1 ms, which is the mean service time except with power users.
 */
#include "bench/sim/sim.h"
#include "lib/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 20
#define HITS_WANTED 16
#define PILOTS 3
#define PILOT_SEED 1000 /* and the next ones */
#define PILOT_REQUESTS UINT64_C(2000000)
#define HALF_WIDTH_MOST 0.01
/* Aimed at; half-widths of single runs are by a third larger at times. Where one is too wide, all runs are made longer. */
#define HALF_WIDTH 0.0072
#define TRIES 3
#define UNIT_US 1000.0
#define TICKS_MOST 65536 /* each is about 65,536 requests */
#define TICK_LEAST 60000

enum statistic { P99, MEAN, WAIT, DELAYED };

struct figure {
	const char *name;
	struct policy policy;
	unsigned workers;
	double utilization;
	const char *service, *arrivals;
	enum statistic statistic;
	double exact;
};

#define EXP "exp:1ms"
#define POWER_USERS "points:1ms@99,100ms@1"

/*
 * Exact values, to more digits where a table rounds: M/M/1 ln(100)/(1 - rho); M/M/k by Erlang C (Erlang 1917); M/G/1 by
 * Pollaczek and Khinchine; M/D/2 by Crommelin (1932); round robin and D/M/1 ln(100)/(1 - sigma), where
 * sigma = (k rho / (k rho + 1 - sigma))^k for E_k/M/1 and exp(-(1 - sigma)/rho) for D/M/1 (Kleinrock, Queueing Systems I, 6.3);
 * the shorter of two random queues, sum of rho^(2^i - 2) (Vvedenskaya, Dobrushin, Karpelevich 1996; Mitzenmacher 1996),
 * holds for infinitely many workers: at 0.9, 100 are 1.7 % above it and 1,000 are 0.2 %, as 1/k, so that 10,000 stand for them.
 */
static const struct figure figures[] = {
	{"M/M/1 p99 at 0.5", {POLICY_RR, 0}, 1, 0.5, EXP, "poisson", P99, 9.210340},
	{"M/M/1 p99 at 0.8", {POLICY_RR, 0}, 1, 0.8, EXP, "poisson", P99, 23.025851},
	{"M/M/4 C at 0.8", {POLICY_CENTRAL_OF, 1}, 4, 0.8, EXP, "poisson", DELAYED, 0.596432},
	{"M/M/4 E[W] at 0.8", {POLICY_CENTRAL_OF, 1}, 4, 0.8, EXP, "poisson", WAIT, 0.745541},
	{"M/M/4 p99 at 0.8", {POLICY_CENTRAL_OF, 1}, 4, 0.8, EXP, "poisson", P99, 6.893204},
	{"M/M/2 C at 0.9", {POLICY_CENTRAL_OF, 1}, 2, 0.9, EXP, "poisson", DELAYED, 0.852632},
	{"M/M/2 E[W] at 0.9", {POLICY_CENTRAL_OF, 1}, 2, 0.9, EXP, "poisson", WAIT, 4.263158},
	{"M/M/2 p99 at 0.9", {POLICY_CENTRAL_OF, 1}, 2, 0.9, EXP, "poisson", P99, 23.344430},
	{"M/G/1 E[W] at 0.5", {POLICY_RR, 0}, 1, 0.5, POWER_USERS, "poisson", WAIT, 25.374372},
	{"M/G/1 E[W] at 0.8", {POLICY_RR, 0}, 1, 0.8, POWER_USERS, "poisson", WAIT, 101.497487},
	{"M/D/2 E[W] at 0.9", {POLICY_CENTRAL_OF, 1}, 2, 0.9, "det:1ms", "poisson", WAIT, 2.14692},
	{"D/M/1 p99 at 0.8", {POLICY_RR, 0}, 1, 0.8, EXP, "constant", P99, 12.400484},
	{"round robin k=4 p99 at 0.8", {POLICY_RR, 0}, 4, 0.8, EXP, "poisson", P99, 15.046858},
	{"random(2) mean at 0.5", {POLICY_RANDOM_OF, 2}, 10000, 0.5, EXP, "poisson", MEAN,
		1.265686},
	{"random(2) mean at 0.9", {POLICY_RANDOM_OF, 2}, 10000, 0.9, EXP, "poisson", MEAN,
		2.614057},
	{"random k=8 p99 at 0.5", {POLICY_RANDOM_OF, 1}, 8, 0.5, EXP, "poisson", P99, 9.210340},
	{"random k=8 p99 at 0.8", {POLICY_RANDOM_OF, 1}, 8, 0.8, EXP, "poisson", P99, 23.025851},
	{"random k=8 p99 at 0.9", {POLICY_RANDOM_OF, 1}, 8, 0.9, EXP, "poisson", P99, 46.051702},
	{"random k=8 p99 at 0.95", {POLICY_RANDOM_OF, 1}, 8, 0.95, EXP, "poisson", P99, 92.103404},
	{"round robin k=8 p99 at 0.5", {POLICY_RR, 0}, 8, 0.5, EXP, "poisson", P99, 6.181864},
	{"round robin k=8 p99 at 0.8", {POLICY_RR, 0}, 8, 0.8, EXP, "poisson", P99, 13.722159},
	{"round robin k=8 p99 at 0.9", {POLICY_RR, 0}, 8, 0.9, EXP, "poisson", P99, 26.621167},
	{"round robin k=8 p99 at 0.95", {POLICY_RR, 0}, 8, 0.95, EXP, "poisson", P99, 52.501667},
	{"central k=8 p99 at 0.5", {POLICY_CENTRAL_OF, 1}, 8, 0.5, EXP, "poisson", P99, 4.624660},
	{"central k=8 p99 at 0.8", {POLICY_CENTRAL_OF, 1}, 8, 0.8, EXP, "poisson", P99, 5.152182},
	{"central k=8 p99 at 0.9", {POLICY_CENTRAL_OF, 1}, 8, 0.9, EXP, "poisson", P99, 7.087347},
	{"central k=8 p99 at 0.95", {POLICY_CENTRAL_OF, 1}, 8, 0.95, EXP, "poisson", P99,
		12.366049},
};

struct estimate {
	double value;
	struct interval interval;
};

/* Shares of requests that had to wait, of each tick's requests. */
struct delays {
	uint64_t count, none;
	double share[TICKS_MOST];
	size_t ticks;
};

static bool note_delays(void *own, const struct sim_result *so_far)
{
	struct delays *d = own;
	/* A wait of 0 lies below the first bucket. Waits of less than 1 ns do so as well: one in a million. */
	const uint64_t count = so_far->wait.count - d->count;
	const uint64_t none = so_far->wait.out_of_range - d->none;

	/* The first ticks are shorter by the warm-up, and all differ by those that still wait. */
	if (count >= TICK_LEAST && d->ticks < TICKS_MOST)
		d->share[d->ticks++] = 1 - (double)none / (double)count;
	d->count = so_far->wait.count;
	d->none = so_far->wait.out_of_range;
	return false;
}

static struct estimate estimate_of(
	const struct figure *f, const struct sim_result *r, const struct delays *d, double mean_us)
{
	const double off_us = f->statistic == WAIT ? mean_us : 0;
	const double p = f->statistic == P99 ? 0.99 : 0;
	struct estimate e;

	if (f->statistic == DELAYED) {
		e.value = 1 - (double)r->wait.out_of_range / (double)r->wait.count;
		e.interval = interval_of_batches(d->share, d->ticks, e.value);
		return e;
	}
	e.value = (p > 0 ? quantiles_at(&r->response.all, p) : quantiles_mean(&r->response.all)) -
		  off_us;
	e.interval = batches_interval(&r->response, p);
	e.value /= UNIT_US;
	e.interval.low = (e.interval.low - off_us) / UNIT_US;
	e.interval.high = (e.interval.high - off_us) / UNIT_US;
	return e;
}

struct fleet_model {
	struct arrival arrival;
	struct service service;
	struct delays *delays;
};

static int run_once(const struct figure *f, struct fleet_model *m, uint64_t requests, uint64_t seed,
	struct estimate *ret)
{
	struct sim_result result;
	struct buffer error;
	const struct sim_options options = {.policy = f->policy,
		.workers = f->workers,
		.arrival = &m->arrival,
		.rate_rps = f->utilization * f->workers * 1e6 / m->service.mean_us,
		.service = &m->service,
		.requests = requests,
		.warmup = UINT64_MAX,
		.seed = seed,
		.tick = f->statistic == DELAYED ? note_delays : NULL,
		.own = m->delays};

	buffer_init(&error);
	m->delays->count = m->delays->none = m->delays->ticks = 0;
	const int failed = sim_run(&options, &result, &error);
	if (failed == 0) {
		*ret = estimate_of(f, &result, m->delays, m->service.mean_us);
		sim_result_done(&result);
	}
	buffer_done(&error);
	return failed;
}

/* The mean half-width, relative to the value, of runs of so many requests; negative where they fail. */
static double pilot_width(const struct figure *f, struct fleet_model *m, uint64_t requests)
{
	double sum = 0;

	for (uint64_t i = 0; i < PILOTS; i++) {
		struct estimate e;

		if (run_once(f, m, requests, PILOT_SEED + i, &e) != 0)
			return -1;
		sum += interval_relative(e.interval, e.value);
	}
	return sum / PILOTS;
}

/* Requests for the wanted half-width, from shorter runs; 0 where they fail. */
static uint64_t pilot(const struct figure *f, struct fleet_model *m)
{
	uint64_t requests = PILOT_REQUESTS;

	for (;;) {
		const double width = pilot_width(f, m, requests);
		if (width < 0)
			return 0;
		const double needed = (double)requests * pow(width / HALF_WIDTH, 2);
		if (needed <= 5 * (double)requests)
			return (uint64_t)fmax(needed, (double)PILOT_REQUESTS);
		requests = (uint64_t)fmin(needed / 4, 10 * (double)requests);
	}
}

struct outcome {
	double mean, mean_width, widest;
	int hits;
};

static int run_all(
	const struct figure *f, struct fleet_model *m, uint64_t requests, struct outcome *ret)
{
	*ret = (struct outcome){0};
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct estimate e;
		const int failed = run_once(f, m, requests, seed, &e);

		if (failed)
			return failed;
		const double width = interval_relative(e.interval, e.value);
		ret->mean += e.value / SEEDS;
		ret->mean_width += width / SEEDS;
		ret->widest = fmax(ret->widest, width);
		ret->hits += e.interval.low <= f->exact && f->exact <= e.interval.high;
	}
	return 0;
}

static bool prove_with(const struct figure *f, struct fleet_model *m)
{
	const uint64_t began_us = clock_us();
	uint64_t requests = pilot(f, m);
	struct outcome o = {.widest = INFINITY};

	/* Only the width decides about longer runs, never what they gave. */
	for (int i = 0; i < TRIES && requests > 0 && o.widest > HALF_WIDTH_MOST; i++) {
		requests = i > 0 ? requests * 3 / 2 : requests;
		if (run_all(f, m, requests, &o) != 0)
			return false;
	}
	const bool proved = o.hits >= HITS_WANTED && o.widest <= HALF_WIDTH_MOST;
	(void)printf("%-28s %11.6g %11.6g %+7.2f %% %6.2f %% %6.2f %% %5d %9.1f %6.0f  %s\n",
		f->name, f->exact, o.mean, 100 * (o.mean / f->exact - 1), 100 * o.mean_width,
		100 * o.widest, o.hits, (double)requests / 1e6,
		(double)(clock_us() - began_us) / 1e6, proved ? "yes" : "NO");
	(void)fflush(stdout);
	return proved;
}

static bool prove(const struct figure *f, struct delays *delays)
{
	struct fleet_model m = {.delays = delays};
	struct buffer error;

	buffer_init(&error);
	const bool proved = arrival_parse(&m.arrival, f->arrivals, &error) == 0 &&
			    service_parse(&m.service, f->service, &error) == 0 && prove_with(f, &m);
	if (!proved)
		(void)fprintf(stderr, "prove_theory: %s: not proved\n", f->name);
	service_done(&m.service);
	arrival_done(&m.arrival);
	buffer_done(&error);
	return proved;
}

int main(int argc, char **argv)
{
	struct delays *delays = calloc(1, sizeof *delays);
	size_t proved = 0, tried = 0;

	if (!delays)
		return 1;
	(void)printf("%-28s %11s %11s %9s %8s %8s %5s %9s %6s  %s\n", "figure", "exact",
		"simulated", "error", "half-w.", "widest", "of 20", "million", "s", "holds");
	for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
		if (argc > 1 && !strstr(figures[i].name, argv[1]))
			continue;
		tried++;
		proved += prove(&figures[i], delays);
	}
	(void)printf(
		"\n%zu of %zu figures hold: in %d or more of %d runs of each the exact value lies "
		"in the 95 %% interval\n",
		proved, tried, HITS_WANTED, SEEDS);
	free(delays);
	return proved == tried && tried > 0 ? 0 : 1;
}
