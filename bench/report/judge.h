/*
 * How a claim that has several parts (one for each number of workers, or each utilization) is decided: each part is
 * judged three times, by the measured intervals, by the replay and by the prediction.
 */
#ifndef QUERN_BENCH_REPORT_JUDGE_H
#define QUERN_BENCH_REPORT_JUDGE_H

#include "bench/report/curves.h"
#include "bench/report/verdicts.h"

struct judge {
	bool quick; /* some part comes from a quick cell */
	unsigned parts;
	unsigned yes[3], no[3]; /* by enum curve_source; the rest is open */
};

enum judge_answer { JUDGE_OPEN, JUDGE_YES, JUDGE_NO };

/* One part, one source. */
void judge_say(struct judge *j, enum curve_source source, enum judge_answer a);

/* v > least? By the interval where that is known and wanted (a measured value), otherwise by the value. */
enum judge_answer judge_above(struct curve_value v, double least, enum curve_source source);

/* a > b? Likewise. */
enum judge_answer judge_greater(
	struct curve_value a, struct curve_value b, enum curve_source source);

/* Turns it around. */
enum judge_answer judge_not(enum judge_answer a);

/* a / b; its interval from the ends of both. */
struct curve_value judge_ratio(struct curve_value a, struct curve_value b);

/*
 * Sets the verdict's kind and writes its reason. All parts have to be so. One that is not, by measurement, makes the
 * claim fail; open ones are decided by replay and prediction as verdicts.h says.
 */
void judge_decide(const struct judge *j, struct verdict *v);

#endif
