/*
 * Service times: how much work requests are. One definition for the generator's templates, the
 * simulator and the planner. All times in us.
 *
 *   exp:1ms              exponential with that mean
 *   det:1ms              always the same
 *   lognormal:1ms,SCV    mean and squared coefficient of variation (variance / mean^2), 0 < SCV <=
 *                        10,000
 *   hyper:1ms,SCV        two-phase hyperexponential with balanced means, 1 <= SCV <= 10,000
 *   points:1ms@99,100ms@1   one of several fixed times, each with its weight (power users); at most
 *                           1,000
 *   hist:FILE            drawn from a histogram file, see below
 *
 * A histogram file is text. Lines `LOW HIGH COUNT`: COUNT values were at least LOW and below HIGH
 * (us, decimals allowed, LOW <= HIGH; equal for an exact value); ascending, not overlapping; blank
 * lines and what follows a # are ignored. At most a million lines. Draws are uniform within a
 * line's range. `quern-bench load --service-hist` writes it, and any program can.
 */
#ifndef QUERN_BENCH_MODEL_SERVICE_H
#define QUERN_BENCH_MODEL_SERVICE_H

#include "lib/buffer.h"
#include "lib/random.h"

#include <stddef.h>
#include <stdint.h>

enum service_kind {
	SERVICE_EXP,
	SERVICE_DET,
	SERVICE_LOGNORMAL,
	SERVICE_HYPER,
	SERVICE_POINTS,
	SERVICE_HIST
};

/*
 * A range of values with its probability; alias table for draws in constant time (Walker 1977,
 * Vose 1991).
 */
struct service_range {
	double low_us, high_us;
	double weight;	  /* probability, all sum to 1 */
	double threshold; /* Vose: keep this range with this probability, otherwise take `alias` */
	uint32_t alias;
};

struct service {
	enum service_kind kind;
	double mean_us;
	double scv;	 /* variance / mean^2 */
	double shift_us; /* added to every draw; mean_us and scv include it. See service_shift() */
	/*
	 * exp, det: mean; lognormal: mu, sigma; hyper: probability of phase 1 and both phases'
	 * means. Without the shift.
	 */
	double a, b, c;
	struct service_range *range; /* POINTS, HIST; owned */
	size_t ranges;
	char *spec; /* as it was given; owned */
};

/*
 * 0; -EINVAL or -errno with a sentence in error that says what was wrong, where, and what is
 * allowed. The caller frees with service_done(). Means are above 0 and at most 1 h.
 */
int service_parse(struct service *ret, const char *spec, struct buffer *error)
	__attribute__((warn_unused_result));

/*
 * A histogram that is already in memory: n ranges (low, high, count as weight), checked like a
 * file's. `spec` is how it shall be called.
 */
int service_from_ranges(struct service *ret, const char *spec, const struct service_range *range,
	size_t n, struct buffer *error) __attribute__((warn_unused_result));

int service_copy(struct service *ret, const struct service *from)
	__attribute__((warn_unused_result));
void service_done(struct service *s);

/* Adds a fixed time (>= 0) to every draw: what the loop costs a request besides its own work. */
void service_shift(struct service *s, double us);

/* Multiplies every draw. */
void service_scale(struct service *s, double factor);

/* service_draw() of all but the fastest. */
double service_draw_other(const struct service *s, struct random *r);

/* One service time. */
static inline double service_draw(const struct service *s, struct random *r)
{
	if (s->kind == SERVICE_EXP)
		return s->shift_us + s->a * random_exp(r);
	if (s->kind == SERVICE_DET)
		return s->shift_us + s->a;
	return service_draw_other(s, r);
}

/* E[S^2] in us^2. */
double service_second_moment(const struct service *s);

#endif
