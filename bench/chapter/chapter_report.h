/* What a chapter leaves for its readers: DIR/report.html with its pictures, DIR/chapter.json with its verdicts. */
#ifndef QUERN_BENCH_CHAPTER_CHAPTER_REPORT_H
#define QUERN_BENCH_CHAPTER_CHAPTER_REPORT_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/judgement.h"
#include "lib/buffer.h"

#include <jansson.h>

struct chapter_report {
	const struct chapter *chapter;
	const json_t *lines;
	const struct judgement *judgement; /* of each claim */
	const char *directory;
	bool full;
	unsigned repeat;
};

/* 0, or -errno with a sentence: -ENOENT without gnuplot; what could be written before is there. */
int chapter_report_write(const struct chapter_report *r, struct buffer *error)
	__attribute__((warn_unused_result));

/* DIR/index.html, over the chapter.json files in the directories of DIR. 0; -ENOENT where there is none; -errno. */
int chapter_report_index(const char *directory, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
