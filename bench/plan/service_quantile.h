/* Distribution and quantiles of service times: what no fleet can be faster than. */
#ifndef QUERN_BENCH_PLAN_SERVICE_QUANTILE_H
#define QUERN_BENCH_PLAN_SERVICE_QUANTILE_H

#include "bench/model/service.h"

/* P(S <= us), exactly. */
double service_share_below(const struct service *s, double us);

/*
 * The smallest time that a share p of the service times does not exceed, 0 < p < 1; p = 0: the
 * mean.
 */
double service_quantile(const struct service *s, double p);

#endif
