/* Two runs side by side: cells of the same experiment and name. */
#ifndef QUERN_BENCH_REPORT_COMPARE_H
#define QUERN_BENCH_REPORT_COMPARE_H

#include "bench/report/cells.h"
#include "lib/buffer.h"

/* The figures that are compared, of enum cell_figure: p50, p95, p99. */
#define COMPARE_FIGURES 3
extern const enum cell_figure compare_figures[COMPARE_FIGURES];

enum compare_intervals { COMPARE_UNKNOWN, COMPARE_OVERLAP, COMPARE_APART };

struct compare_pair {
	const struct cell *a, *b;
	double ratio[COMPARE_FIGURES]; /* b / a; NAN where either is not known */
	enum compare_intervals intervals[COMPARE_FIGURES];
};

struct compare {
	struct compare_pair *pair; /* in a's order */
	size_t pairs;
	size_t only_a, only_b;
	size_t voided; /* pairs of which at least one is void: they are not among the others */
};

/* a and b are borrowed for as long as the comparison lives. 0 or -ENOMEM. */
int compare_make(struct compare *ret, const struct cells *a, const struct cells *b)
	__attribute__((warn_unused_result));
void compare_done(struct compare *c);

/* For people; for browsers. name_a and name_b are the directories. */
void compare_table(
	const struct compare *c, const char *name_a, const char *name_b, struct buffer *out);
void compare_page(
	const struct compare *c, const char *name_a, const char *name_b, struct buffer *out);

#endif
