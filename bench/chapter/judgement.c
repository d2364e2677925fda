#include "bench/chapter/judgement.h"

#include "bench/chapter/summary.h"

#include <math.h>
#include <string.h>

#define MOST_OF_THEM 0.75 /* of the repetitions */
#define ENOUGH 0.5	  /* of the repetitions must count */

const char *const judgement_words[] = {"holds", "does not hold", "undecided", "not measured"};

/* The repetitions of one comparison. */
struct pairs {
	double left[SUMMARY_REPETITIONS_MOST], right[SUMMARY_REPETITIONS_MOST],
		value[SUMMARY_REPETITIONS_MOST];
	unsigned count;	    /* that can be judged */
	unsigned all;	    /* that were run */
	const char *reason; /* why the first of the others cannot be; NULL: it lacks the figure */
	const char *lacks;  /* that figure */
};

static bool has_right(const struct chapter_claim *claim)
{
	return claim->kind != CHAPTER_VALUE;
}

static size_t step_of(const struct chapter *c, const struct figure *f)
{
	return f->step == FIGURE_STEP_LAST ? c->stage[f->stage].load.rates - 1 : (size_t)f->step;
}

static const char *path_of(const struct figure *f)
{
	return f->path.data; /* figure_parse() has ended it */
}

static const json_t *line_of(
	const struct chapter *c, const struct figure *f, const json_t *lines, unsigned repetition)
{
	return summary_line(lines, c->stage[f->stage].name, step_of(c, f), repetition);
}

/* NAN where the line does not count, or has no such figure: the reason is kept. */
static double number_of(struct pairs *p, const struct figure *f, const json_t *line)
{
	const double number = line ? figure_at(line, path_of(f)) : NAN;

	if (summary_counts(line) && isfinite(number))
		return number;
	if (!p->reason && !p->lacks) {
		p->reason = line ? json_string_value(json_object_get(line, "void"))
				 : "a repetition is missing";
		p->lacks = f->text;
	}
	return NAN;
}

static double compare(enum chapter_claim_kind kind, double left, double right)
{
	if (kind == CHAPTER_VALUE)
		return left;
	return kind == CHAPTER_RATIO ? left / right : left - right;
}

static void collect(struct pairs *p, const struct chapter *c, const struct chapter_claim *claim,
	const json_t *lines)
{
	*p = (struct pairs){.count = 0};
	for (unsigned i = 0; i < SUMMARY_REPETITIONS_MOST; i++) {
		const json_t *left = line_of(c, &claim->left, lines, i);
		const json_t *right = has_right(claim) ? line_of(c, &claim->right, lines, i) : left;

		if (!left && !right)
			continue;
		p->all++;
		p->left[p->count] = number_of(p, &claim->left, left);
		p->right[p->count] = has_right(claim) ? number_of(p, &claim->right, right) : 0;
		p->value[p->count] = compare(claim->kind, p->left[p->count], p->right[p->count]);
		p->count += isfinite(p->value[p->count]) ? 1 : 0;
	}
}

/* --- the verdict ----------------------------------------------------------------------------------------------- */

static double middle(const double *value, unsigned n)
{
	double copy[SUMMARY_REPETITIONS_MOST];

	memcpy(copy, value, n * sizeof *value);
	return summary_median(copy, n);
}

static bool is_within(const struct chapter_claim *claim, double value)
{
	return value >= claim->at_least && value <= claim->at_most;
}

static enum judgement_kind decide(bool medians, unsigned yes, unsigned all)
{
	if (medians && yes >= MOST_OF_THEM * all)
		return JUDGEMENT_HOLDS;
	if (!medians && all - yes >= MOST_OF_THEM * all)
		return JUDGEMENT_FAILS;
	return JUDGEMENT_UNDECIDED;
}

static void put_wanted(struct buffer *to, const struct chapter_claim *claim)
{
	const bool least = isfinite(claim->at_least), most = isfinite(claim->at_most);

	buffer_puts(to, "wanted: ");
	if (least)
		buffer_printf(to, "at least %.4g", claim->at_least);
	if (most)
		buffer_printf(to, "%sat most %.4g", least ? ", " : "", claim->at_most);
}

static void put_what(struct buffer *to, const struct chapter_claim *claim)
{
	static const char *const sign[] = {"", " / ", " - ", " - "};

	buffer_puts(to, claim->left.text);
	if (has_right(claim))
		buffer_printf(to, "%s%s", sign[claim->kind], claim->right.text);
}

/* "yield.cheap.p99 / inline.cheap.p99: 0.031 by the medians, 0.028 to 0.035 in 3 repetitions; wanted: at most 0.2" */
static void put_outcome(struct judgement *j, const struct chapter_claim *claim,
	const struct pairs *p, double medians)
{
	double low = INFINITY, high = -INFINITY;

	for (unsigned i = 0; i < p->count; i++) {
		low = fmin(low, p->value[i]);
		high = fmax(high, p->value[i]);
	}
	put_what(&j->reason, claim);
	buffer_printf(&j->reason, ": %.4g", medians);
	if (p->count > 1)
		buffer_printf(&j->reason, " by the medians, %.4g to %.4g in %u repetitions", low,
			high, p->count);
	else
		buffer_puts(&j->reason, " in one repetition");
	if (claim->kind == CHAPTER_SAME_SIGN)
		buffer_puts(&j->reason, "; wanted: the same sign in all of them");
	else {
		buffer_puts(&j->reason, "; ");
		put_wanted(&j->reason, claim);
	}
	if (p->count < p->all)
		buffer_printf(&j->reason, "; %u of %u repetitions do not count: %s%s",
			p->all - p->count, p->all, p->reason ? p->reason : "no figure ",
			p->reason ? "" : p->lacks);
	buffer_puts(&j->reason, ".");
}

static void judge_pairs(
	struct judgement *j, const struct chapter_claim *claim, const struct pairs *p)
{
	const double medians =
		compare(claim->kind, middle(p->left, p->count), middle(p->right, p->count));
	unsigned yes = 0, above = 0, below = 0;

	for (unsigned i = 0; i < p->count; i++) {
		yes += is_within(claim, p->value[i]);
		above += p->value[i] > 0;
		below += p->value[i] < 0;
	}
	if (claim->kind == CHAPTER_SAME_SIGN)
		j->kind =
			above == p->count || below == p->count ? JUDGEMENT_HOLDS : JUDGEMENT_FAILS;
	else
		j->kind = decide(is_within(claim, medians), yes, p->count);
	put_outcome(j, claim, p, medians);
}

/* Void ones too, each with a mark: a reader wants to see what there is. */
static void put_figures(
	struct judgement *j, const struct chapter *c, const struct figure *f, const json_t *lines)
{
	const char *separator = ": ";

	buffer_puts(&j->figures, f->text);
	for (unsigned i = 0; i < SUMMARY_REPETITIONS_MOST; i++) {
		const json_t *line = line_of(c, f, lines, i);
		const double number = line ? figure_at(line, path_of(f)) : NAN;

		if (!line)
			continue;
		if (isfinite(number))
			buffer_printf(&j->figures, "%s%.4g%s", separator, number,
				summary_counts(line) ? "" : " (void)");
		else
			buffer_printf(&j->figures, "%s-", separator);
		separator = ", ";
	}
	buffer_putc(&j->figures, '\n');
}

/* true: it could not be measured, and that is the verdict. */
static bool tell_unable(
	struct judgement *j, const struct chapter *c, const struct figure *f, const json_t *lines)
{
	const char *reason = summary_unable(lines, c->stage[f->stage].name);

	if (!reason)
		return false;
	j->kind = JUDGEMENT_NOT_MEASURED;
	buffer_printf(&j->reason, "%s: %s.", c->stage[f->stage].name, reason);
	return true;
}

static void judge_comparison(struct judgement *j, const struct chapter *c,
	const struct chapter_claim *claim, const json_t *lines)
{
	struct pairs p;

	if (tell_unable(j, c, &claim->left, lines) ||
		(has_right(claim) && tell_unable(j, c, &claim->right, lines)))
		return;
	collect(&p, c, claim, lines);
	put_figures(j, c, &claim->left, lines);
	if (has_right(claim))
		put_figures(j, c, &claim->right, lines);
	if (p.all > 0 && p.count > 0 && p.count >= ENOUGH * p.all) {
		judge_pairs(j, claim, &p);
		return;
	}
	j->kind = JUDGEMENT_UNDECIDED;
	put_what(&j->reason, claim);
	if (p.all == 0)
		buffer_puts(&j->reason, ": nothing was measured.");
	else
		buffer_printf(&j->reason,
			": %u of %u repetitions count; the first of the others: %s%s.", p.count,
			p.all, p.reason ? p.reason : "no figure ", p.reason ? "" : p.lacks);
}

/* Which of two answers stands for both: for `all` the worst one, for `any` the best one. */
static enum judgement_kind join(
	enum chapter_claim_kind kind, enum judgement_kind a, enum judgement_kind b)
{
	static const int rank_all[] = {0, 3, 1, 2}, rank_any[] = {3, 0, 2, 1};
	const int *rank = kind == CHAPTER_ALL ? rank_all : rank_any;

	return rank[a] >= rank[b] ? a : b;
}

static void judge_parts(struct judgement *j, const struct chapter *c,
	const struct chapter_claim *claim, const json_t *lines)
{
	for (size_t i = 0; i < claim->parts; i++) {
		struct judgement part = {.say = NULL};

		judge_comparison(&part, c, &claim->part[i], lines);
		j->kind = i == 0 ? part.kind : join(claim->kind, j->kind, part.kind);
		buffer_printf(&j->reason, "%s%.*s", i ? " " : "", (int)part.reason.len,
			part.reason.len ? part.reason.data : "");
		buffer_append(&j->figures, part.figures.data, part.figures.len);
		judgement_done(&part);
	}
}

static bool is_emulated(const struct chapter *c, const struct chapter_claim *claim)
{
	bool emulated = claim->parts == 0 &&
			(c->stage[claim->left.stage].load.emulated ||
				(has_right(claim) && c->stage[claim->right.stage].load.emulated));

	for (size_t i = 0; i < claim->parts; i++)
		emulated = emulated || c->stage[claim->part[i].left.stage].load.emulated;
	return emulated;
}

void judgement_make(struct judgement *ret, const struct chapter *c,
	const struct chapter_claim *claim, const json_t *lines)
{
	*ret = (struct judgement){.say = claim->say, .kind = JUDGEMENT_UNDECIDED};
	if (claim->kind == CHAPTER_ALL || claim->kind == CHAPTER_ANY)
		judge_parts(ret, c, claim, lines);
	else
		judge_comparison(ret, c, claim, lines);
	if (is_emulated(c, claim))
		buffer_puts(&ret->reason, " Emulated work.");
}

void judgement_done(struct judgement *j)
{
	buffer_done(&j->reason);
	buffer_done(&j->figures);
}

json_t *judgement_json(const struct judgement *j)
{
	json_t *figures = json_array();
	const char *at = j->figures.data, *end = at ? at + j->figures.len : at;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		const size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);

		if (json_array_append_new(figures, json_stringn(at, len)) != 0)
			break;
		at += len + 1;
	}
	return json_pack("{s:s, s:s, s:s#, s:o}", "say", j->say, "verdict",
		judgement_words[j->kind], "reason", j->reason.len ? j->reason.data : "",
		(int)j->reason.len, "figures", figures);
}
