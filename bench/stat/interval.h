/* 95 % confidence intervals. */
#ifndef QUERN_BENCH_STAT_INTERVAL_H
#define QUERN_BENCH_STAT_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval {
	bool known; /* false: too few samples for any interval */
	double low, high;
};

/* The 0.975 quantile of Student's t with df >= 1 degrees of freedom, within 1e-4 (relative). */
double interval_t975(size_t df);

/*
 * Of a quantile p of n independent samples: ranks low..high whose order statistics enclose it
 * with probability >= 95 % (binomial, two-sided, each tail at most 2.5 %). false where there are
 * none (p99: below n = 368). For n = 1,000 and p = 0.99: 983 and 997; for 50,000: 49456 and
 * 49544.
 */
bool interval_ranks(uint64_t n, double p, uint64_t *ret_low, uint64_t *ret_high);

/*
 * From n batches' values of one statistic, around `point` (that of all samples together): point
 * +- t * s / sqrt(n), where neighbouring batches' correlation r > 0 (lag 1) counts: n' = n (1 -
 * r)/(1 + r). Unknown below 8 batches.
 */
struct interval interval_of_batches(const double *value, size_t n, double point);

/* (high - low) / 2 / point; infinite where unknown or point is 0. */
double interval_relative(struct interval i, double point);

#endif
