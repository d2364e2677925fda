/*
 * Arrival processes: when requests come. One definition for the generator, the simulator and the
 * planner.
 *
 *   poisson      independent exponential gaps (the default: many users who know nothing of each
 *                other)
 *   constant     equal gaps; flatters (docs/lab.md)
 *   trace:FILE   the times in a file: one a line, in seconds since the start, not decreasing; blank
 *                lines and what follows a # are ignored; at most 50 million
 */
#ifndef QUERN_BENCH_MODEL_ARRIVAL_H
#define QUERN_BENCH_MODEL_ARRIVAL_H

#include "lib/buffer.h"
#include "lib/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arrival_kind { ARRIVAL_POISSON, ARRIVAL_CONSTANT, ARRIVAL_TRACE };

struct arrival {
	enum arrival_kind kind;
	double *trace_us; /* owned; NULL unless a trace */
	size_t trace_count;
	double trace_rate_rps; /* as recorded: gaps / span */

	/* Set by arrival_start(). */
	double gap_us; /* mean */
	double scale;  /* of a trace's times */
	double at_us;  /* of the last arrival */
	size_t next;   /* how many have come */
	struct random random;
};

/*
 * Reads "poisson", "constant" or "trace:FILE". 0; -EINVAL with a sentence in error that says what
 * was wrong and what is allowed (for a file: FILE:LINE); -errno of a file that cannot be read,
 * also with a sentence. A trace has at least two times and a span above 0. The caller frees with
 * arrival_done().
 */
int arrival_parse(struct arrival *ret, const char *spec, struct buffer *error)
	__attribute__((warn_unused_result));
void arrival_done(struct arrival *a);

/*
 * Begins (again) at time 0. rate_rps > 0; for a trace 0 means "as recorded", otherwise the trace
 * is stretched or compressed to that rate. Poisson gaps come from `seed`, in a stream of their
 * own (ARRIVAL_STREAM of random_init()). The first request comes after one gap; a trace's at its
 * own time.
 */
#define ARRIVAL_STREAM UINT64_C(0x6172726976616c) /* no one else shall use it */

void arrival_start(struct arrival *a, double rate_rps, uint64_t seed);

/* The mean rate that arrival_start() led to, per second. */
double arrival_rate(const struct arrival *a);

/* arrival_next() of all but Poisson. */
bool arrival_next_fixed(struct arrival *a, double *ret_at_us);

/* The next arrival, in us since the start; false when a trace has ended. */
static inline bool arrival_next(struct arrival *a, double *ret_at_us)
{
	if (a->kind != ARRIVAL_POISSON)
		return arrival_next_fixed(a, ret_at_us);
	*ret_at_us = a->at_us += a->gap_us * random_exp(&a->random);
	return true;
}

/* The word or "trace:FILE"-like name for tables and JSON: "poisson", "constant", "trace". */
const char *arrival_name(const struct arrival *a);

#endif
