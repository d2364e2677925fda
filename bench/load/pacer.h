/* When requests go out: each is drawn before it is due, and handed on as soon as it is. */
#ifndef QUERN_BENCH_LOAD_PACER_H
#define QUERN_BENCH_LOAD_PACER_H

#include "bench/load/engine.h"

#include <stdbool.h>

/* Hands on what is due, within a bound, so that answers are read in between. */
void pacer_send_due(struct engine *e);

/* Uses the time until the next intended send to draw further requests. */
void pacer_prepare(struct engine *e);

/* When the next request is due; HUGE_VAL: never. */
double pacer_next_us(const struct engine *e);

/* No more arrivals from now on; those that were due before are still sent. */
void pacer_stop(struct engine *e, double now_us);

/* The same, and those that were due before are live, but not sent. */
void pacer_break_off(struct engine *e, double now_us);

#endif
