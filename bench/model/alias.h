/* Draws from weighted ranges in constant time. Sources: Walker 1977, Vose 1991. */
#ifndef QUERN_BENCH_MODEL_ALIAS_H
#define QUERN_BENCH_MODEL_ALIAS_H

#include "bench/model/service.h"

/* Fills threshold and alias of n > 0 ranges from their weights, which sum to 1. 0 or -ENOMEM. */
int alias_build(struct service_range *range, size_t n) __attribute__((warn_unused_result));

/* A value from one of them, uniform within it. */
double alias_draw(const struct service_range *range, size_t n, struct random *r);

#endif
