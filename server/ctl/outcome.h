/* Which record in a status tells what has come of a signal. Pure. */
#ifndef QUERN_SERVER_CTL_OUTCOME_H
#define QUERN_SERVER_CTL_OUTCOME_H

#include "server/ctl/report.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The first change of that kind ("reload") that began no earlier than since_us, clock_us() of a
 * moment before the signal was sent; with a target other than 0, that has this target, too. NULL:
 * there is none yet. The record is r's.
 */
const struct report_change *outcome_find(
	const struct report *r, const char *kind, uint64_t since_us, uint32_t target);

/* The same change again, in a later report of the same master. NULL: it is not in it. The record is r's. */
const struct report_change *outcome_again(const struct report *r, const struct report_change *c);

/* Whether r is too late to tell: others have begun since, so many that c is not among the last ones any more. */
bool outcome_has_fallen_out(const struct report *r, const struct report_change *c);

/* Whether it has ended; and whether it is in force. */
bool outcome_is_known(const struct report_change *c);
bool outcome_is_good(const struct report_change *c);

/*
 * How long to wait for a change that replaces or drains workers one after the other, at most: for
 * each its drain and a moment to start, and a bit for the rest. In microseconds.
 */
uint64_t outcome_patience_us(uint32_t workers, uint64_t drain_ms);

#endif
