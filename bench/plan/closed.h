/*
 * Closed forms. Times are in units of the mean service time. Every function gives NAN where rho >=
 * 1 or arguments are outside the formula (M/D/k: bench/plan/mdk.h has its bounds).
 */
#ifndef QUERN_BENCH_PLAN_CLOSED_H
#define QUERN_BENCH_PLAN_CLOSED_H

#include "bench/model/policy.h"
#include "bench/model/service.h"

/* Probability that all n servers are busy: losses (B), waits (C); a = offered erlangs. */
double closed_erlang_b(unsigned n, double a);
double closed_erlang_c(unsigned n, double a);

/* M/M/k, mean service 1: E[W], and the quantile p of T. */
double closed_mmk_wait(unsigned k, double rho);
double closed_mmk_quantile(unsigned k, double rho, double p);

/* M/G/1 (Pollaczek, Khinchine), mean service 1: E[W]. */
double closed_mg1_wait(double rho, double scv);

/* M/D/k (Crommelin), service 1: E[W], and the quantile p of T. */
double closed_mdk_wait(unsigned k, double rho);
double closed_mdk_quantile(unsigned k, double rho, double p);

/*
 * Round robin, Poisson arrivals, exponential service: E_k/M/1 at each worker. sigma; T is
 * exponential with rate 1 - sigma.
 */
double closed_round_robin_sigma(unsigned k, double rho);

/* Join the shorter of d random queues, k to infinity, exponential service: E[T]. */
double closed_shorter_of(unsigned d, double rho);

/* Approximations: Kingman's E[W] for G/G/1, Lee and Longton's for M/G/k. */
double closed_kingman(double rho, double ca2, double cs2);
double closed_lee_longton(unsigned k, double rho, double scv);

/*
 * What is exactly known of a fleet; NAN for each figure that is not. All of it is known for
 * exponential service under roundrobin, random and central, and for service that is always the same
 * (scv 0, shifted or not) there; of others, under random and on one worker, the mean.
 */
struct closed_response {
	double mean_us, p50_us, p90_us, p95_us, p99_us, p999_us;
	char formula[24]; /* e.g. "M/M/4", "E_4/M/1"; "" when nothing is known */
};

/* Poisson arrivals at rate_rps. */
void closed_response(const struct policy *p, unsigned workers, double rate_rps,
	const struct service *s, struct closed_response *ret);

#endif
