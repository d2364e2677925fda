#include "bench/report/judge.h"

#include <math.h>

void judge_say(struct judge *j, enum curve_source source, enum judge_answer a)
{
	if (a == JUDGE_YES)
		j->yes[source]++;
	if (a == JUDGE_NO)
		j->no[source]++;
}

static enum judge_answer answer_of(double low, double high, double least)
{
	if (isnan(low) || isnan(high))
		return JUDGE_OPEN;
	if (low > least)
		return JUDGE_YES;
	return high <= least ? JUDGE_NO : JUDGE_OPEN;
}

enum judge_answer judge_above(struct curve_value v, double least, enum curve_source source)
{
	if (source == CURVE_MEASURED)
		return answer_of(v.low, v.high, least);
	return answer_of(v.value, v.value, least);
}

enum judge_answer judge_greater(
	struct curve_value a, struct curve_value b, enum curve_source source)
{
	if (isnan(a.value) || isnan(b.value))
		return JUDGE_OPEN;
	if (source != CURVE_MEASURED)
		return a.value > b.value ? JUDGE_YES : JUDGE_NO;
	if (a.low > b.high)
		return JUDGE_YES;
	return a.high < b.low ? JUDGE_NO : JUDGE_OPEN;
}

enum judge_answer judge_not(enum judge_answer a)
{
	return a == JUDGE_YES ? JUDGE_NO : a == JUDGE_NO ? JUDGE_YES : JUDGE_OPEN;
}

struct curve_value judge_ratio(struct curve_value a, struct curve_value b)
{
	return (struct curve_value){.value = a.value / b.value,
		.low = a.low / b.high,
		.high = a.high / b.low,
		.interpolated = a.interpolated || b.interpolated};
}

static void conclude(struct verdict *v, enum verdict_kind kind, const char *reason)
{
	v->kind = kind;
	buffer_puts(&v->reason, reason);
}

/*
 * Some parts are open, none failed. The prediction has next to no sampling noise. The replay has that of the run's own arrivals,
 * the same as the measurement: it may err where two cells are close, but not in most parts.
 */
static void decide_by_models(const struct judge *j, struct verdict *v)
{
	bool all_yes = j->yes[CURVE_PREDICTED] == j->parts && 2 * j->yes[CURVE_REPLAY] > j->parts;
	bool some_no = j->no[CURVE_PREDICTED] > 0 && j->no[CURVE_REPLAY] > 0;

	v->kind = VERDICT_UNDECIDED;
	buffer_printf(&v->reason,
		"The measured 95 %% intervals decide %u of %u parts, the others are too wide",
		j->yes[CURVE_MEASURED], j->parts);
	if (!all_yes && !some_no) {
		buffer_puts(&v->reason, "; replay and prediction do not decide either.");
		return;
	}
	if (j->quick) {
		buffer_puts(&v->reason, " in a quick run; ");
	} else {
		v->kind = all_yes ? VERDICT_HOLDS : VERDICT_FAILS;
		buffer_puts(&v->reason, ", so that replay and prediction decide: ");
	}
	buffer_printf(&v->reason, "the prediction says %s in %u of %u, the replay in %u.",
		all_yes ? "so" : "no", all_yes ? j->parts : j->no[CURVE_PREDICTED], j->parts,
		all_yes ? j->yes[CURVE_REPLAY] : j->no[CURVE_REPLAY]);
}

void judge_decide(const struct judge *j, struct verdict *v)
{
	if (j->parts == 0)
		conclude(v, VERDICT_UNDECIDED, "The cells that it needs are missing or void.");
	else if (j->no[CURVE_MEASURED] > 0)
		conclude(v, VERDICT_FAILS, "The measured 95 % intervals decide.");
	else if (j->yes[CURVE_MEASURED] == j->parts)
		conclude(v, VERDICT_HOLDS, "The measured 95 % intervals decide.");
	else
		decide_by_models(j, v);
}
