/*
 * The claims that verdicts.c lists, one function each: sets the verdict's kind, and writes its
 * reason and its figures.
 */
#ifndef QUERN_BENCH_REPORT_CLAIMS_H
#define QUERN_BENCH_REPORT_CLAIMS_H

#include "bench/report/curves.h"
#include "bench/report/verdicts.h"

void claim_climbs(const struct curves *curves, struct verdict *v);
void claim_comes_back_later(const struct curves *curves, struct verdict *v);
void claim_sixty(const struct curves *curves, struct verdict *v);
void claim_central_round_robin(const struct curves *curves, struct verdict *v);
void claim_central_leastconn(const struct curves *curves, struct verdict *v);
void claim_power_users(const struct curves *curves, struct verdict *v);
void claim_average_lies(const struct curves *curves, struct verdict *v);
void claim_replay(const struct curves *curves, struct verdict *v);
void claim_prediction(const struct curves *curves, struct verdict *v);

#endif
