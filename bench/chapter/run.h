/*
 * All stages of a chapter, one after the other and as often as it says, and what came of them: lines of results, kept in
 * order and written as they come.
 */
#ifndef QUERN_BENCH_CHAPTER_RUN_H
#define QUERN_BENCH_CHAPTER_RUN_H

#include "bench/chapter/chapter.h"
#include "bench/chapter/cpus.h"
#include "bench/chapter/stand.h"

#include <jansson.h>
#include <signal.h>

struct run_options {
	const struct chapter *chapter;
	const char *directory;		      /* results, logs, traces and pages go there */
	const char *build, *services, *peers; /* absolute */
	unsigned repeat;
	bool full;
	const volatile sig_atomic_t *stop;
};

struct run {
	const struct run_options *o;
	struct cpus cpus;
	json_t *lines; /* a list; owned */
	size_t voids, loads;
};

/*
 * 0; -EINTR by stop; -errno; each with a sentence. What was measured before a failure stays in ret->lines and in the file.
 * Free with run_done(), also after a failure.
 */
int run_stages(struct run *ret, const struct run_options *o, struct buffer *error)
	__attribute__((warn_unused_result));
void run_done(struct run *r);

#endif
