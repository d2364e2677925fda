/* What the lines of a chapter say of its claims. Pure: lines in, sentences out. */
#ifndef QUERN_BENCH_CHAPTER_JUDGEMENT_H
#define QUERN_BENCH_CHAPTER_JUDGEMENT_H

#include "bench/chapter/chapter.h"
#include "lib/buffer.h"

#include <jansson.h>

enum judgement_kind {
	JUDGEMENT_HOLDS,
	JUDGEMENT_FAILS,
	JUDGEMENT_UNDECIDED,
	JUDGEMENT_NOT_MEASURED
};
extern const char
	*const judgement_words[]; /* "holds", "does not hold", "undecided", "not measured" */

struct judgement {
	const char *say; /* borrowed */
	enum judgement_kind kind;
	struct buffer reason;  /* what decided, as a sentence or several */
	struct buffer figures; /* lines */
};

/* The rule is in bench/experiments/chapters/README.md. */
void judgement_make(struct judgement *ret, const struct chapter *c,
	const struct chapter_claim *claim, const json_t *lines);
void judgement_done(struct judgement *j);

/* {"say", "verdict", "reason", "figures": [...]}; NULL without memory. */
json_t *judgement_json(const struct judgement *j);

#endif
