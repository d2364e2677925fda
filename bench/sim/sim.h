/*
 * Discrete-event simulation of k workers, each serving its own queue first come first served, under
 * the policies of bench/model/policy.h; what each of them does is told in bench/sim/dispatch.h.
 * Times in us.
 */
#ifndef QUERN_BENCH_SIM_SIM_H
#define QUERN_BENCH_SIM_SIM_H

#include "bench/model/arrival.h"
#include "bench/model/policy.h"
#include "bench/model/service.h"
#include "bench/stat/batches.h"

#include <signal.h>

#define SIM_WORKERS_MOST 100000
/*
 * Service times are drawn in order of arrival from this stream of the seed, arrivals by
 * arrival_start() with the seed: so a run can be made again, and replayed.
 */
#define SIM_SERVICE_STREAM 1
#define SIM_WARMUP_MOST UINT64_C(1000000000) /* that is chosen */

struct sim_result {
	struct batches response; /* owned */
	struct quantiles wait;	 /* response - service; owned */
	double utilization;	 /* busy time / (workers * time) as simulated */
	double simulated_us;
	uint64_t measured, warmup;
	bool interrupted; /* by *stop */
};

struct sim_options {
	struct policy policy;
	unsigned workers;
	struct arrival *arrival; /* started by sim_run() */
	double rate_rps;	 /* 0: as recorded; only for a trace */
	const struct service *service;
	uint64_t requests; /* that are measured; fewer where a trace ends before */
	uint64_t warmup;   /* requests before them; UINT64_MAX: sim_warmup() */
	uint64_t seed;
	const volatile sig_atomic_t *stop; /* NULL: none */

	/*
	 * After about every 65,536 requests; true ends the run now (narrow enough). NULL: not
	 * called.
	 */
	bool (*tick)(void *own, const struct sim_result *so_far);
	void *own;
};

/*
 * How many requests to leave out, because the fleet begins empty. A queue near saturation forgets
 * its beginning with a relaxation time of 2 (c_a^2 + c_s^2) / (1 - rho)^2 service times (reflected
 * Brownian motion, Abate and Whitt 1987; for M/M/1 that is 4 / (1 - rho)^2), where the queues of a
 * fleet that pools its workers (leastconn, central, shared) work together and forget k times as
 * fast. Left out are five of them, and ten times the time 1 + c_s^2 that a busy worker takes to
 * become free; at least 1000 and at most SIM_WARMUP_MOST requests, and of a trace at most a tenth.
 */
uint64_t sim_warmup(const struct policy *p, unsigned workers, double utilization,
	const struct arrival *a, const struct service *s);

/*
 * 0, -EINVAL (utilization of 1 and more, 0 workers...) with a sentence in error, -ENOMEM. Free with
 * sim_result_done(). The same options give the same result.
 */
int sim_run(const struct sim_options *o, struct sim_result *ret, struct buffer *error)
	__attribute__((warn_unused_result));
void sim_result_done(struct sim_result *r);

/*
 * The exact recursion of a policy over given arrivals (ascending) and service times: response_us[i]
 * becomes what request i would have taken in a perfect fleet. worker, if not NULL, says which
 * worker request i went to (each then is Lindley's recursion, W' = max(0, W + S - A), and the
 * policy is ignored). Random draws of random(d) come from `seed`, the same as those of sim_run().
 * 0, -EINVAL (workers, a worker's number, arrivals that decrease or are below 0, service times
 * below 0, anything not finite), -ENOMEM; response_us is undefined then.
 */
int sim_replay(const struct policy *p, unsigned workers, size_t n, const double *arrival_us,
	const double *service_us, const int *worker, uint64_t seed, double *response_us)
	__attribute__((warn_unused_result));

#endif
