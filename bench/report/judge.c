#include "bench/report/judge.h"

#include <math.h>

void judge_part(struct judge *j, const enum judge_answer answer[3])
{
	const bool predicted_no = answer[CURVE_PREDICTED] == JUDGE_NO;

	j->parts++;
	for (int s = CURVE_MEASURED; s <= CURVE_PREDICTED; s++) {
		j->yes[s] += answer[s] == JUDGE_YES;
		j->no[s] += answer[s] == JUDGE_NO;
	}
	if (answer[CURVE_MEASURED] != JUDGE_OPEN)
		return;
	j->open++;
	j->predicted_yes += answer[CURVE_PREDICTED] == JUDGE_YES;
	j->replayed_yes += answer[CURVE_REPLAY] == JUDGE_YES;
	j->both_no += predicted_no && answer[CURVE_REPLAY] == JUDGE_NO;
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

enum judge_answer judge_both(enum judge_answer a, enum judge_answer b)
{
	if (a == JUDGE_NO || b == JUDGE_NO)
		return JUDGE_NO;
	return a == JUDGE_YES && b == JUDGE_YES ? JUDGE_YES : JUDGE_OPEN;
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
 * Some parts are open, none failed. The prediction has next to no sampling noise. The replay has
 * that of the run's own arrivals, the same as the measurement: it may err where two cells are
 * close, but not in most of the open parts. Against a claim both must say so of the same part.
 */
static void decide_by_models(const struct judge *j, struct verdict *v)
{
	const bool all_yes = j->predicted_yes == j->open && 2 * j->replayed_yes > j->open;
	const bool some_no = j->both_no > 0;

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
	if (all_yes)
		buffer_printf(&v->reason,
			"the prediction says so in %u of these %u, the replay in %u.",
			j->predicted_yes, j->open, j->replayed_yes);
	else
		buffer_printf(&v->reason, "both say no in %u of these %u.", j->both_no, j->open);
}

void judge_decide(const struct judge *j, struct verdict *v)
{
	if (j->parts == 0) {
		conclude(v, VERDICT_UNDECIDED, "The cells that it needs are missing or void.");
		return;
	}
	if (j->no[CURVE_MEASURED] > 0)
		conclude(v, VERDICT_FAILS, "The measured 95 % intervals decide.");
	else if (j->yes[CURVE_MEASURED] == j->parts)
		conclude(v, VERDICT_HOLDS, "The measured 95 % intervals decide.");
	else
		decide_by_models(j, v);
	if (j->left_out > 0)
		buffer_printf(&v->reason, " %u more part%s left out, because cells are void.",
			j->left_out, j->left_out == 1 ? " is" : "s are");
}
