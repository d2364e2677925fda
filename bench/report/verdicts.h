/*
 * What the cells say about each claim, in words. Pure: cells in, sentences out.
 *
 * A claim is decided by the measured 95 % intervals where they are narrow enough. In those of its
 * parts where they are not, a full run's prediction decides if the replay bears it out in most of
 * them, and the text says so; a quick run is undecided then. Parts whose cells are void are left
 * out and counted.
 */
#ifndef QUERN_BENCH_REPORT_VERDICTS_H
#define QUERN_BENCH_REPORT_VERDICTS_H

#include "bench/report/cells.h"
#include "lib/buffer.h"

enum verdict_kind { VERDICT_HOLDS, VERDICT_FAILS, VERDICT_UNDECIDED };
extern const char *const verdict_words[]; /* "holds", "does not hold", "undecided" */

struct verdict {
	const char *experiment;
	const char *claim; /* one sentence without its end */
	enum verdict_kind kind;
	struct buffer reason;  /* what decided, and what is missing */
	struct buffer figures; /* lines */
};

#define VERDICTS_MOST 12

struct verdicts {
	struct verdict verdict[VERDICTS_MOST];
	size_t count;
	struct buffer missing; /* a line for each known experiment without cells */
};

/* The known experiments, ending with NULL: name, title and the claim that it examines. */
struct verdict_experiment {
	const char *name, *title, *claim;
};
extern const struct verdict_experiment verdict_experiments[];

/* 0 or -ENOMEM. verdicts_done() frees. */
int verdicts_make(struct verdicts *ret, const struct cells *cells)
	__attribute__((warn_unused_result));
void verdicts_done(struct verdicts *v);

#endif
