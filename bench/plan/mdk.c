/*
 * The number of waiting requests, looked at once in a service time, is the walk Y' = max(0, Y + A -
 * k) with A Poisson of mean k rho (Crommelin 1932). Its generating function is
 *
 *   Y(z) = (k - a) (z - 1) prod (z - z_j)/(1 - z_j) / (z^k - e^(a(z - 1))),  a = k rho,
 *
 * over the k - 1 roots z_j != 1 of the denominator within the unit circle, each of them the fixed
 * point of z = w e^(rho(z - 1)), w a k-th root of 1 (Janssen, van Leeuwaarden 2008). A Fourier
 * transform of Y on the unit circle gives the probabilities. From them the wait, as a sum of
 * positive terms only (Franx 2001): for n - 1 <= x < n
 *
 *   P(W <= x) = sum over i < nk of e^-u u^i/i! P(Y <= nk - 1 - i),  u = a(n - x).
 *
 * No step subtracts large numbers from each other, which is what makes Crommelin's own formula
 * useless for large k.
 */
#include "bench/plan/mdk.h"

#include <complex.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define POINTS_LEAST 256
#define NEGLIGIBLE 40.0 /* e^-40 */

/* CMPLX() is not everywhere; all values here are finite. */
static double complex complex_of(double real, double imaginary)
{
	return real + I * imaginary;
}

static double complex turn(double angle)
{
	return complex_of(cos(angle), sin(angle));
}

/*
 * z_j, by Newton's method from the fixed point's neighbourhood: |rho z| < 1 there, so that the
 * derivative is no zero.
 */
static double complex root(unsigned j, unsigned servers, double rho)
{
	const double complex w = turn(2 * M_PI * j / servers);
	double complex z = 0;

	for (unsigned i = 0; i < 8; i++)
		z = w * cexp(rho * (z - 1));
	for (unsigned i = 0; i < 100; i++) {
		const double complex e = w * cexp(rho * (z - 1));
		const double complex step = (z - e) / (1 - rho * e);

		z -= step;
		if (cabs(step) < 1e-16)
			break;
	}
	return z;
}

/*
 * ln of the only real root beyond 1, which is by how much P(Y = m) falls from m to m + 1 in the
 * end.
 */
static double decay(double rho)
{
	double low = 0, high = 1;

	while (high <= rho * expm1(high))
		high /= 2;
	low = high;
	while (low > rho * expm1(low))
		low *= 2;
	/* Here `high` lies below the root and `low` at or above it. */
	for (unsigned i = 0; i < 200; i++) {
		const double middle = (low + high) / 2;

		if (middle > rho * expm1(middle))
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* In place, n a power of two: x[m] = sum over i of x[i] e^(-2 pi i m i/n) (Cooley, Tukey). */
static void transform(double complex *x, size_t n)
{
	for (size_t i = 1, j = 0; i < n; i++) {
		size_t bit = n >> 1;

		for (; j & bit; bit >>= 1)
			j ^= bit;
		j ^= bit;
		if (i < j) {
			const double complex swap = x[i];

			x[i] = x[j];
			x[j] = swap;
		}
	}
	for (size_t half = 1; half < n; half *= 2)
		for (size_t at = 0; at < half; at++) {
			const double complex w = turn(-M_PI * (double)at / (double)half);

			for (size_t i = at; i < n; i += 2 * half) {
				const double complex odd = w * x[i + half];

				x[i + half] = x[i] - odd;
				x[i] += odd;
			}
		}
}

/*
 * Y at e^(i angle), angle != 0. Differences from 1 are made without cancellation: near 1 both sides
 * of the fraction vanish.
 */
static double complex generating(
	unsigned servers, double a, double angle, const double complex *roots)
{
	const double complex z = turn(angle);
	const double complex z_less_1 =
		2 * sin(angle / 2) * complex_of(-sin(angle / 2), cos(angle / 2));
	/* z^k - e^(a(z - 1)) = -z^k (e^(x + iy) - 1) */
	const double x = -2 * a * sin(angle / 2) * sin(angle / 2);
	const double y = a * sin(angle) - servers * angle;
	const double complex e_less_1 =
		complex_of(expm1(x) * cos(y) - 2 * sin(y / 2) * sin(y / 2), exp(x) * sin(y));
	double complex product = (servers - a) * z_less_1 / (-turn(servers * angle) * e_less_1);

	for (unsigned j = 1; j < servers; j++)
		product *= (z - roots[j]) / (1 - roots[j]);
	return product;
}

static bool is_inside(unsigned servers, double rho)
{
	return servers >= 1 && servers <= MDK_SERVERS_MOST && rho > 0 &&
	       rho <= MDK_UTILIZATION_MOST;
}

static void find_roots(double complex *roots, unsigned servers, double rho)
{
	for (unsigned j = 1; j < servers; j++)
		roots[j] = root(j, servers, rho);
}

/* E[Y] = Y'(1); by Little's law E[W] = E[Y] / a. */
static double mean_of(const double complex *roots, unsigned servers, double rho)
{
	const double k = servers, a = k * rho;
	double mean = (a * a - k * (k - 1)) / (2 * (k - a));

	for (unsigned j = 1; j < servers; j++)
		mean += creal(1 / (1 - roots[j]));
	return mean / a;
}

double mdk_mean_wait(unsigned servers, double rho)
{
	double complex roots[MDK_SERVERS_MOST];

	if (!is_inside(servers, rho))
		return NAN;
	find_roots(roots, servers, rho);
	return mean_of(roots, servers, rho);
}

int mdk_init(struct mdk *ret, unsigned servers, double rho)
{
	double complex roots[MDK_SERVERS_MOST];
	size_t count = POINTS_LEAST;

	if (!is_inside(servers, rho))
		return -EINVAL;
	/* What lies beyond `count` folds back: it must be nothing. */
	while ((double)count < NEGLIGIBLE / decay(rho))
		count *= 2;
	double complex *y = malloc(count * sizeof *y);
	double *waiting = malloc(count * sizeof *waiting);
	if (!y || !waiting) {
		free(y);
		free(waiting);
		return -ENOMEM;
	}
	const double a = servers * rho;
	find_roots(roots, servers, rho);
	y[0] = 1;
	/* Y of the conjugate is the conjugate of Y. */
	for (size_t i = 1; i <= count / 2; i++) {
		y[i] = generating(servers, a, 2 * M_PI * (double)i / (double)count, roots);
		y[count - i] = conj(y[i]);
	}
	transform(y, count);
	double sum = 0;
	for (size_t m = 0; m < count; m++) {
		sum += creal(y[m]) / (double)count;
		waiting[m] = fmin(fmax(sum, 0), 1);
	}
	free(y);
	*ret = (struct mdk){servers, a, mean_of(roots, servers, rho), count, waiting};
	return 0;
}

void mdk_done(struct mdk *m)
{
	free(m->waiting);
	m->waiting = NULL;
}

static double at_most(const struct mdk *m, size_t waiting)
{
	return waiting < m->count ? m->waiting[waiting] : 1;
}

/* P(W <= x) for n - 1 <= x <= n. */
static double below(const struct mdk *m, size_t n, double x)
{
	const double u = m->lambda * ((double)n - x);
	double weight = exp(-u), sum = 0;

	for (size_t i = 0; i < n * m->servers; i++) {
		sum += weight * at_most(m, n * m->servers - 1 - i);
		weight *= u / (double)(i + 1);
	}
	return sum;
}

double mdk_wait_below(const struct mdk *m, double x)
{
	/* Beyond that every term is 1. */
	if (x >= (double)m->count)
		return 1;
	return below(m, (size_t)floor(x) + 1, x);
}

double mdk_wait_quantile(const struct mdk *m, double p)
{
	size_t n = 1;

	if (below(m, 1, 0) >= p)
		return 0;
	/* P(W <= n) is P(Y <= nk - 1). */
	while (at_most(m, n * m->servers - 1) < p)
		n++;
	double low = (double)(n - 1), high = (double)n;
	for (unsigned i = 0; i < 50; i++) {
		const double middle = (low + high) / 2;

		if (below(m, n, middle) < p)
			low = middle;
		else
			high = middle;
	}
	return high;
}
