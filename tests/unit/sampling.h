/*
 * For tests of what is drawn at random: seeds are fixed, so that a test that passes once passes
 * always.
 */
#ifndef QUERN_TESTS_SAMPLING_H
#define QUERN_TESTS_SAMPLING_H

#include <math.h>
#include <stdlib.h>

/*
 * Of 1,000 correct samples one exceeds this (Kolmogorov's limit distribution): beyond is a fault,
 * not chance.
 */
#define SAMPLING_KS_MOST 1.95

/* Likewise in standard errors of a mean, for tests that look at some ten means each. */
#define SAMPLING_ERRORS_MOST 4.0

static inline int sampling_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void sampling_sort(double *x, size_t n)
{
	qsort(x, n, sizeof(*x), sampling_compare);
}

/*
 * Kolmogorov-Smirnov: the largest distance between the samples' distribution and the function,
 * times sqrt(n). Sorts x.
 */
static inline double sampling_ks(double *x, size_t n, double (*cdf)(double))
{
	double most = 0;

	sampling_sort(x, n);
	for (size_t i = 0; i < n; i++) {
		const double f = cdf(x[i]);

		most = fmax(most, fmax((double)(i + 1) / (double)n - f, f - (double)i / (double)n));
	}
	return most * sqrt((double)n);
}

#endif
