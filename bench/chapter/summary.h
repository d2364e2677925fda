/* Figures over the repetitions of a stage: what tables, pictures and verdicts are made of. */
#ifndef QUERN_BENCH_CHAPTER_SUMMARY_H
#define QUERN_BENCH_CHAPTER_SUMMARY_H

#include "bench/chapter/chapter.h"

#include <jansson.h>
#include <stdbool.h>

#define SUMMARY_REPETITIONS_MOST 50

struct summary {
	double median, low, high; /* NAN where there is none */
	unsigned count;		  /* repetitions that have the figure and count */
	unsigned voids;		  /* that do not count */
	bool of_voids;		  /* none counts: the figures are those of void ones */
};

/* lines: those of run_stages(). Borrowed; NULL: there is none. */
const json_t *summary_line(
	const json_t *lines, const char *stage, size_t step, unsigned repetition);

/* Why a stage could not be run; NULL: it was. */
const char *summary_unable(const json_t *lines, const char *stage);

/* Whether a line counts. */
bool summary_counts(const json_t *line);

void summary_make(
	struct summary *ret, const json_t *lines, const char *stage, size_t step, const char *path);

/* The median of n values, which are put in order; NAN of none. */
double summary_median(double *value, size_t n);

#endif
