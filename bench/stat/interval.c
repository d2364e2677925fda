#include "bench/stat/interval.h"

#include <math.h>

#define TAIL 0.025 /* on each side of a 95 % interval */
#define LEAST_BATCHES 8

/*
 * To 10 degrees of freedom from the tables; above by the expansion in 1 / df around the normal
 * quantile (Abramowitz and Stegun, 26.7.5), whose first omitted term is below 1e-5 there.
 */
double interval_t975(size_t df)
{
	static const double table[] = {12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
		2.364624, 2.306004, 2.262157, 2.228139};
	static const double z = 1.959963984540054;
	const double z2 = z * z;
	const double g1 = z * (z2 + 1) / 4;
	const double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
	const double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
	const double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;

	if (df <= sizeof(table) / sizeof(table[0]))
		return table[df > 0 ? df - 1 : 0];
	const double x = 1 / (double)df;
	return z + x * (g1 + x * (g2 + x * (g3 + x * g4)));
}

/*
 * Terms of the binomial distribution relative to that at its mode; from one term to its
 * neighbours.
 */
struct binomial {
	double n, p;
};

static double term_above(const struct binomial *b, double k, double term)
{
	return term * (b->n - k) / (k + 1) * b->p / (1 - b->p);
}

static double term_below(const struct binomial *b, double k, double term)
{
	return term * k / (b->n - k + 1) * (1 - b->p) / b->p;
}

/* The sum of all terms below (above) k, to the last that a double can add. */
static double sum_below(const struct binomial *b, double k)
{
	double sum = 0;

	for (double term = 1; k > 0 && term > 1e-17 * sum; k--) {
		term = term_below(b, k, term);
		sum += term;
	}
	return sum;
}

static double sum_above(const struct binomial *b, double k)
{
	double sum = 0;

	for (double term = 1; k < b->n && term > 1e-17 * sum; k++) {
		term = term_above(b, k, term);
		sum += term;
	}
	return sum;
}

/*
 * With B of n samples below the quantile, rank l lies above it when B < l, and rank u below it
 * when B >= u: the largest l with P(B <= l - 1) <= 2.5 %, and the smallest u with P(B >= u) <=
 * 2.5 %. (Conover, Practical Nonparametric Statistics.)
 */
bool interval_ranks(uint64_t n, double p, uint64_t *ret_low, uint64_t *ret_high)
{
	if (n == 0 || !(p > 0 && p < 1))
		return false;
	const struct binomial b = {(double)n, p};
	const double mode = fmin(floor((b.n + 1) * p), b.n);
	const double below = sum_below(&b, mode), above = sum_above(&b, mode);
	const double tail = TAIL * (below + 1 + above);
	double low = mode, high = mode;

	double term = 1, rest = below + 1;
	for (; rest > tail && low >= 0; low--) {
		rest -= term;
		term = term_below(&b, low, term);
	}
	term = 1;
	rest = above + 1;
	for (; rest > tail && high <= b.n; high++) {
		rest -= term;
		term = term_above(&b, high, term);
	}
	if (low < 0 || high > b.n)
		return false;
	*ret_low = (uint64_t)low + 1;
	*ret_high = (uint64_t)high;
	return true;
}

/* Mean, variance, and the correlation of neighbours, at least 0. */
static void describe(const double *value, size_t n, double *ret_variance, double *ret_correlation)
{
	double mean = 0, squares = 0, products = 0;

	for (size_t i = 0; i < n; i++)
		mean += value[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		squares += (value[i] - mean) * (value[i] - mean);
		if (i > 0)
			products += (value[i] - mean) * (value[i - 1] - mean);
	}
	*ret_variance = squares / (double)(n - 1);
	*ret_correlation = squares > 0 && products > 0 ? products / squares : 0;
}

struct interval interval_of_batches(const double *value, size_t n, double point)
{
	double variance, correlation;

	if (n < LEAST_BATCHES)
		return (struct interval){.known = false};
	describe(value, n, &variance, &correlation);

	/* As many independent batches would tell as much; two are the least that tell anything. */
	const double worth = fmax(2, (double)n * (1 - correlation) / (1 + correlation));
	const double half = interval_t975((size_t)worth - 1) * sqrt(variance / worth);
	return (struct interval){.known = true, .low = point - half, .high = point + half};
}

double interval_relative(struct interval i, double point)
{
	if (!i.known || point == 0)
		return INFINITY;
	return (i.high - i.low) / 2 / point;
}
