#include "bench/plan/closed.h"

#include "bench/plan/mdk.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

static bool is_stable(unsigned k, double rho)
{
	return k >= 1 && rho >= 0 && rho < 1;
}

static bool is_probability(double p)
{
	return p > 0 && p < 1;
}

/*
 * B(n) = a B(n - 1) / (n + a B(n - 1)), B(0) = 1: exact, and no factorials (Kleinrock, Queueing
 * Systems I, 3.5).
 */
double closed_erlang_b(unsigned n, double a)
{
	double b = 1;

	if (!(a >= 0))
		return NAN;
	for (unsigned i = 1; i <= n; i++)
		b = a * b / (i + a * b);
	return b;
}

double closed_erlang_c(unsigned n, double a)
{
	if (n < 1 || !(a >= 0) || a >= n)
		return NAN;
	const double b = closed_erlang_b(n, a);
	return n * b / (n - a * (1 - b));
}

double closed_mmk_wait(unsigned k, double rho)
{
	if (!is_stable(k, rho))
		return NAN;
	return closed_erlang_c(k, k * rho) / (k * (1 - rho));
}

/*
 * P(T > t) = e^-t + C (e^-t - e^-(1 + d)t)/d, d = k(1 - rho) - 1: service plus, with probability C,
 * an exponential wait of rate k(1 - rho) (Kleinrock I, 3.5). For d = 0 the fraction is t e^-t. The
 * slower of its two terms is taken out, as otherwise one would overflow near saturation (d < 0).
 */
static double mmk_above(double c, double d, double t)
{
	double wait = t * exp(-t);

	if (fabs(d * t) >= 1e-12)
		wait = d > 0 ? exp(-t) * -expm1(-d * t) / d : exp(-(1 + d) * t) * expm1(d * t) / d;
	return exp(-t) + c * wait;
}

double closed_mmk_quantile(unsigned k, double rho, double p)
{
	double low = 0, high = 1;

	if (!is_stable(k, rho) || !is_probability(p))
		return NAN;
	const double c = closed_erlang_c(k, k * rho), d = k * (1 - rho) - 1;
	while (mmk_above(c, d, high) > 1 - p)
		high *= 2;
	for (unsigned i = 0; i < 100; i++) {
		const double middle = (low + high) / 2;

		if (mmk_above(c, d, middle) > 1 - p)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double closed_mg1_wait(double rho, double scv)
{
	if (!is_stable(1, rho) || !(scv >= 0))
		return NAN;
	return rho * (1 + scv) / (2 * (1 - rho));
}

double closed_mdk_wait(unsigned k, double rho)
{
	return rho == 0 && k >= 1 ? 0 : mdk_mean_wait(k, rho);
}

double closed_mdk_quantile(unsigned k, double rho, double p)
{
	struct mdk m;

	if (!is_probability(p))
		return NAN;
	if (rho == 0 && k >= 1)
		return 1;
	if (mdk_init(&m, k, rho) < 0)
		return NAN;
	const double t = 1 + mdk_wait_quantile(&m, p);
	mdk_done(&m);
	return t;
}

/*
 * sigma = (k rho/(k rho + 1 - sigma))^k (GI/M/1, Kleinrock I, 6.4, with Erlang gaps). With x = 1 -
 * sigma the difference of both sides' logarithms, ln(1 - x) + k ln(1 + x/(k rho)), is concave, 0 at
 * 0, rises there and falls to -infinity at 1: bisection cannot miss its one other root, however
 * near to 1 rho is.
 */
double closed_round_robin_sigma(unsigned k, double rho)
{
	double low = 0, high = 1;

	if (!is_stable(k, rho))
		return NAN;
	if (rho == 0)
		return 0;
	for (unsigned i = 0; i < 200; i++) {
		const double x = (low + high) / 2;

		if (log1p(-x) + k * log1p(x / (k * rho)) > 0)
			low = x;
		else
			high = x;
	}
	return 1 - high;
}

/* Mitzenmacher 1996; Vvedenskaya, Dobrushin, Karpelevich 1996. */
double closed_shorter_of(unsigned d, double rho)
{
	double sum = 0, exponent = 0;

	if (d < 1 || !is_stable(1, rho))
		return NAN;
	if (d == 1)
		return 1 / (1 - rho);
	/* Exponents 0, d, d + d^2, ...: each is d times the one before, plus d. */
	for (double term = 1; term > 1e-17 * sum; exponent = d * exponent + d) {
		term = pow(rho, exponent);
		sum += term;
	}
	return sum;
}

/* Kingman 1961. */
double closed_kingman(double rho, double ca2, double cs2)
{
	if (!is_stable(1, rho) || !(ca2 >= 0) || !(cs2 >= 0))
		return NAN;
	return rho / (1 - rho) * (ca2 + cs2) / 2;
}

/* Lee, Longton 1959. */
double closed_lee_longton(unsigned k, double rho, double scv)
{
	return scv >= 0 ? closed_mmk_wait(k, rho) * (1 + scv) / 2 : NAN;
}

/* --- fleets ----------------------------------------------------------------------------------- */

static void name(struct closed_response *r, const char *before, unsigned k, const char *after)
{
	(void)snprintf(r->formula, sizeof r->formula, "%s%u%s", before, k, after);
}

/* T is exponential. */
static void fill_exponential(struct closed_response *r, double mean_us)
{
	r->mean_us = mean_us;
	r->p50_us = mean_us * log(2);
	r->p90_us = mean_us * log(10);
	r->p95_us = mean_us * log(20);
	r->p99_us = mean_us * log(100);
	r->p999_us = mean_us * log(1000);
}

static void fill_mmk(struct closed_response *r, unsigned k, double rho, double service_us)
{
	r->mean_us = service_us * (1 + closed_mmk_wait(k, rho));
	r->p50_us = service_us * closed_mmk_quantile(k, rho, 0.5);
	r->p90_us = service_us * closed_mmk_quantile(k, rho, 0.9);
	r->p95_us = service_us * closed_mmk_quantile(k, rho, 0.95);
	r->p99_us = service_us * closed_mmk_quantile(k, rho, 0.99);
	r->p999_us = service_us * closed_mmk_quantile(k, rho, 0.999);
}

/* false where M/D/k cannot be told. */
static bool fill_mdk(struct closed_response *r, unsigned k, double rho, double service_us)
{
	struct mdk m;

	if (mdk_init(&m, k, rho) < 0)
		return false;
	r->mean_us = service_us * (1 + m.mean_wait);
	r->p50_us = service_us * (1 + mdk_wait_quantile(&m, 0.5));
	r->p90_us = service_us * (1 + mdk_wait_quantile(&m, 0.9));
	r->p95_us = service_us * (1 + mdk_wait_quantile(&m, 0.95));
	r->p99_us = service_us * (1 + mdk_wait_quantile(&m, 0.99));
	r->p999_us = service_us * (1 + mdk_wait_quantile(&m, 0.999));
	mdk_done(&m);
	return true;
}

/* Whether each worker is a queue of its own with Poisson arrivals. */
static bool is_alone(const struct policy *p, unsigned workers)
{
	return workers == 1 || (p->kind == POLICY_RANDOM_OF && p->parameter == 1);
}

static bool is_central(const struct policy *p)
{
	return p->kind == POLICY_CENTRAL_OF && p->parameter == 1;
}

static void respond_exponential(
	const struct policy *p, unsigned k, double rho, double mean_us, struct closed_response *ret)
{
	if (is_alone(p, k)) {
		fill_exponential(ret, mean_us / (1 - rho));
		name(ret, "M/M/", 1, "");
	} else if (p->kind == POLICY_RR) {
		fill_exponential(ret, mean_us / (1 - closed_round_robin_sigma(k, rho)));
		name(ret, "E_", k, "/M/1");
	} else if (is_central(p)) {
		fill_mmk(ret, k, rho, mean_us);
		name(ret, "M/M/", k, "");
	}
}

/* Round robin as well: with equal services the k-th request before is always the next to end. */
static void respond_deterministic(
	const struct policy *p, unsigned k, double rho, double mean_us, struct closed_response *ret)
{
	if (is_alone(p, k)) {
		if (fill_mdk(ret, 1, rho, mean_us))
			name(ret, "M/D/", 1, "");
	} else if (p->kind == POLICY_RR || is_central(p)) {
		if (fill_mdk(ret, k, rho, mean_us))
			name(ret, "M/D/", k, "");
	}
}

void closed_response(const struct policy *p, unsigned workers, double rate_rps,
	const struct service *s, struct closed_response *ret)
{
	*ret = (struct closed_response){NAN, NAN, NAN, NAN, NAN, NAN, ""};
	const double rho = rate_rps * s->mean_us / 1e6 / workers;

	if (workers < 1 || !(rho > 0) || rho >= 1)
		return;
	/*
	 * A shift makes another distribution of an exponential one, but not of a deterministic one.
	 */
	if (s->kind == SERVICE_EXP && s->shift_us == 0)
		respond_exponential(p, workers, rho, s->mean_us, ret);
	else if (s->scv == 0)
		respond_deterministic(p, workers, rho, s->mean_us, ret);
	if (ret->formula[0] == '\0' && is_alone(p, workers)) {
		ret->mean_us = s->mean_us * (1 + closed_mg1_wait(rho, s->scv));
		name(ret, "M/G/", 1, "");
	}
}
