/*
 * How a claim that has several parts (one for each number of workers, or each utilization) is
 * decided: each part is judged three times, by the measured intervals, by the replay and by the
 * prediction.
 */
#ifndef QUERN_BENCH_REPORT_JUDGE_H
#define QUERN_BENCH_REPORT_JUDGE_H

#include "bench/report/curves.h"
#include "bench/report/verdicts.h"

struct judge {
	bool quick; /* some part comes from a quick cell */
	unsigned parts;
	unsigned left_out;	/* parts that cannot be judged, because a cell of theirs is void */
	unsigned yes[3], no[3]; /* by enum curve_source; the rest is open */
	/* Of the parts that the measurement leaves open. */
	unsigned open, predicted_yes, replayed_yes, both_no;
};

enum judge_answer { JUDGE_OPEN, JUDGE_YES, JUDGE_NO };

/* One more part: what each source (enum curve_source) says of it. */
void judge_part(struct judge *j, const enum judge_answer answer[3]);

/* v > least? By the interval for a measured value (open without one), otherwise by the value. */
enum judge_answer judge_above(struct curve_value v, double least, enum curve_source source);

/* a > b? Likewise. */
enum judge_answer judge_greater(
	struct curve_value a, struct curve_value b, enum curve_source source);

/* Turns it around. */
enum judge_answer judge_not(enum judge_answer a);

/* a and b: one no is enough. */
enum judge_answer judge_both(enum judge_answer a, enum judge_answer b);

/* a / b; its interval from the ends of both. */
struct curve_value judge_ratio(struct curve_value a, struct curve_value b);

/*
 * Sets the verdict's kind and writes its reason. All parts have to be so. One that is not, by
 * measurement, makes the claim fail; replay and prediction decide what the measurement leaves open,
 * and never against it, as verdicts.h says.
 */
void judge_decide(const struct judge *j, struct verdict *v);

#endif
