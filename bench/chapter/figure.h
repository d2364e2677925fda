/*
 * A figure's address, "STAGE[@STEP].[TEMPLATE.]FIGURE", and where it stands in a line of results: all figures are numbers
 * in that line's JSON. The names are in bench/experiments/chapters/README.md.
 */
#ifndef QUERN_BENCH_CHAPTER_FIGURE_H
#define QUERN_BENCH_CHAPTER_FIGURE_H

#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define FIGURE_STEP_LAST (-1)

struct chapter;
struct chapter_load;

struct figure {
	const char *text;   /* as it was written; borrowed */
	size_t stage;	    /* index */
	int step;	    /* from 0, or FIGURE_STEP_LAST */
	struct buffer path; /* "templates.cheap.latency_ms.p99"; owned */
};

/* 0; -EINVAL with a sentence in why: no such stage, template, step or figure; -ENOMEM. text is borrowed. */
int figure_parse(struct figure *ret, const struct chapter *c, const char *text, struct buffer *why)
	__attribute__((warn_unused_result));
void figure_done(struct figure *f);

/*
 * The path of a figure without a stage ("p99", "loop.p95"), of a template (NULL: of all requests), appended. 0; -EINVAL
 * with a sentence; -ENOMEM.
 */
int figure_path(struct buffer *ret, const char *figure, size_t len, const char *template_name,
	struct buffer *why) __attribute__((warn_unused_result));

/* Whether a template may have this name: it must be none of a figure's. */
bool figure_is_free_name(const char *name);

/* The number at a path; NAN where there is none. Of several ("*") the first. */
double figure_at(const json_t *line, const char *path);

/*
 * All numbers at a path: names divided by dots, "3" or "[3]" for an element of a list, "*" for all of one or all values
 * of an object. Returns how many there were.
 */
size_t figure_each(
	const json_t *value, const char *path, void (*take)(void *own, double number), void *own);

#endif
