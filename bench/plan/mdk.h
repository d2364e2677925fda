/*
 * M/D/k exactly: k servers, one queue, Poisson arrivals, service always 1. Also what round robin
 * over k workers does with deterministic service, as the k-th request before is always the next to
 * end.
 */
#ifndef QUERN_BENCH_PLAN_MDK_H
#define QUERN_BENCH_PLAN_MDK_H

#include <stddef.h>

#define MDK_SERVERS_MOST 512
#define MDK_UTILIZATION_MOST 0.9999

struct mdk {
	unsigned servers;
	double lambda;	  /* arrivals in a service time */
	double mean_wait; /* E[W] */
	size_t count;	  /* of `waiting` */
	double *waiting;  /* waiting[m]: probability that at most m requests wait; owned */
};

/*
 * 0 < rho <= MDK_UTILIZATION_MOST, 1 <= servers <= MDK_SERVERS_MOST. 0, -EINVAL (outside of these),
 * -ENOMEM. The caller frees with mdk_done().
 */
int mdk_init(struct mdk *ret, unsigned servers, double rho) __attribute__((warn_unused_result));
void mdk_done(struct mdk *m);

/* P(W <= x), x >= 0. */
double mdk_wait_below(const struct mdk *m, double x);

/* The wait that a share p of requests does not exceed, 0 < p < 1. */
double mdk_wait_quantile(const struct mdk *m, double p);

/* E[W] alone, without the distribution; NAN outside of the bounds above. */
double mdk_mean_wait(unsigned servers, double rho);

#endif
