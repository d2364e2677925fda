#include "bench/plan/service_quantile.h"

#include <math.h>

static double share_of_ranges(const struct service *s, double us)
{
	double share = 0;

	for (size_t i = 0; i < s->ranges; i++) {
		const struct service_range *r = &s->range[i];

		if (us >= r->high_us)
			share += r->weight;
		else if (us > r->low_us)
			share += r->weight * (us - r->low_us) / (r->high_us - r->low_us);
	}
	return share;
}

double service_share_below(const struct service *s, double us)
{
	us -= s->shift_us;
	if (us < 0)
		return 0;
	switch (s->kind) {
	case SERVICE_EXP:
		return -expm1(-us / s->a);
	case SERVICE_DET:
		return us >= s->a;
	case SERVICE_LOGNORMAL:
		return us > 0 ? erfc((s->a - log(us)) / (s->b * M_SQRT2)) / 2 : 0;
	case SERVICE_HYPER:
		return -s->a * expm1(-us / s->b) - (1 - s->a) * expm1(-us / s->c);
	case SERVICE_POINTS:
	case SERVICE_HIST:
		return share_of_ranges(s, us);
	}
	return NAN;
}

double service_quantile(const struct service *s, double p)
{
	double low = s->shift_us, high = s->mean_us;

	if (p == 0)
		return s->mean_us;
	/* Sums of weights may end up a little below 1. */
	p -= 1e-12;
	if (s->kind == SERVICE_DET)
		return s->mean_us;
	while (service_share_below(s, high) < p)
		high *= 2;
	for (unsigned i = 0; i < 100 && low < high; i++) {
		const double middle = (low + high) / 2;

		if (service_share_below(s, middle) < p)
			low = middle;
		else
			high = middle;
	}
	return high;
}
