/* Between the files that run a chapter's stages. */
#ifndef QUERN_BENCH_CHAPTER_RUN_ENGINE_H
#define QUERN_BENCH_CHAPTER_RUN_ENGINE_H

#include "bench/chapter/run.h"

#include <limits.h>
#include <stdbool.h>

/* What is known of a stage before it is measured. */
struct run_known {
	bool unable;	     /* told in a line of its own */
	double *rate_rps;    /* of each step; owned */
	double capacity_rps; /* 0: not measured */
};

struct run_engine {
	struct run *run;
	const struct run_options *o;
	struct stand_places places; /* rest_cpus depends on the stage */
	char logs[PATH_MAX], results[PATH_MAX];
	struct run_known *known;
	struct buffer *error;
	/* Of the load under way, for the terminal. */
	const char *doing;
	char what[120];
};

/* Adds a sentence, unless there is one. Returns -ENOMEM. */
int run_out_of_memory(struct run_engine *e);

/* Takes the reference. 0 or -errno with a sentence. */
int run_add_line(struct run_engine *e, json_t *line) __attribute__((warn_unused_result));

/* A line's head; a new reference, NULL without memory. */
json_t *run_new_line(const struct run_engine *e, size_t stage, const char *kind);

/* The stage cannot be run here: one line that says so, and the stage is left out from now on. */
int run_add_unable(struct run_engine *e, size_t stage, const char *reason)
	__attribute__((warn_unused_result));

/* What is shown on the terminal. */
void run_doing(struct run_engine *e, size_t stage, const char *what);

/* 0 with *ret NULL: it cannot be run here, which was told. */
int run_bring_up(struct run_engine *e, size_t stage, struct stand **ret)
	__attribute__((warn_unused_result));

/* Takes the sentence of a failure over, with the stage's name. Returns result. */
int run_tell(struct run_engine *e, size_t stage, int result, const struct buffer *why);

/* Finds the rates of a stage, measuring what they depend on. 0 or -errno with a sentence. */
int run_prepare(struct run_engine *e, size_t stage) __attribute__((warn_unused_result));

#endif
