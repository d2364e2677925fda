/* What a stage keeps beside its figures: the trace with its picture, and pages of its services. */
#ifndef QUERN_BENCH_CHAPTER_EXTRAS_H
#define QUERN_BENCH_CHAPTER_EXTRAS_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/stand.h"

#include <jansson.h>

struct extras_at {
	const char *directory;
	const struct chapter_stage *stage;
	const struct stand *stand;
	unsigned repetition;
	size_t step;
};

/*
 * Adds to the line: "trace": {"file", "picture", "said"} (trace: the text, NULL: none), and, with `pages`, "pages":
 * {"graphite": ...}, after the pauses that these want: JSON as it came, or {"picture": FILE, "caption"}. Files are in the
 * directory. What could not be had is {"error": "..."}. 0, or -errno with a sentence: files could not be written, or no
 * memory is left.
 */
int extras_add(const struct extras_at *at, json_t *line, const json_t *trace, bool pages,
	struct buffer *error) __attribute__((warn_unused_result));

#endif
