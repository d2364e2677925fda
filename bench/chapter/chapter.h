/*
 * A chapter's file: see bench/experiments/chapters/README.md. Texts and objects are borrowed from the JSON that the
 * chapter holds.
 */
#ifndef QUERN_BENCH_CHAPTER_CHAPTER_H
#define QUERN_BENCH_CHAPTER_CHAPTER_H

#include "bench/chapter/figure.h"
#include "bench/load/mix.h"
#include "bench/model/policy.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAPTER_NAME_BYTES 41

enum chapter_rate_kind {
	CHAPTER_RATE_GIVEN,    /* value: requests a second */
	CHAPTER_RATE_BUSY,     /* value: busy share of the workers */
	CHAPTER_RATE_CAPACITY, /* value: share of what `stage` can do */
	CHAPTER_RATE_SAME      /* value: share of the rate of `stage` */
};
extern const char *const chapter_rate_words[]; /* "given", "busy", "capacity", "rate" */

struct chapter_rate {
	enum chapter_rate_kind kind;
	double value;
	size_t stage; /* index */
};

struct chapter_load {
	struct chapter_rate *rate; /* one for each step; owned */
	size_t rates;
	uint64_t requests; /* 0: for `seconds` */
	double seconds;
	double warmup_s, timeout_s;
	struct mix *mix;   /* owned */
	const char **name; /* of each template; NULL: it has none; owned */
	size_t templates;
	bool emulated; /* some template asks for /lab/sleep */
	bool constant; /* arrivals */
	unsigned connections, capacity_connections;
	uint64_t seed;
	double errors_most;
};

struct chapter_service {
	const char *name;
	const json_t *env; /* NULL: none */
};

struct chapter_server {
	const char *peer;  /* NULL: quernd */
	const json_t *env; /* of a peer; NULL: none */
	unsigned workers;
	struct policy policy; /* shared: no HAProxy */
	const json_t *set;    /* NULL: none */
	bool same_core;
};

struct chapter_page {
	const char *name, *url, *caption; /* caption: "" where there is none */
	double after_s;
	bool picture;
};

struct chapter_samples {
	bool status, trace;
	const char *loop;  /* NULL: not asked */
	struct mix *probe; /* NULL: none; owned */
	double probe_per_s;
	const json_t *fields;	   /* {"name": "path"} */
	struct chapter_page *page; /* owned */
	size_t pages;
};

struct chapter_stage {
	char name[CHAPTER_NAME_BYTES];
	const char *title;
	struct chapter_service *service; /* owned */
	size_t services;
	struct chapter_server server;
	struct chapter_load load;
	struct chapter_samples samples;
	bool full_only;
	json_t *own_load, *own_samples; /* with what all stages have in common; owned */
};

enum chapter_claim_kind {
	CHAPTER_VALUE,
	CHAPTER_RATIO,
	CHAPTER_DIFFERENCE,
	CHAPTER_SAME_SIGN,
	CHAPTER_ALL,
	CHAPTER_ANY
};

struct chapter_claim {
	const char *say; /* NULL in a part */
	enum chapter_claim_kind kind;
	struct figure left, right;  /* owned; right is empty for CHAPTER_VALUE */
	double at_least, at_most;   /* infinite: not said */
	struct chapter_claim *part; /* of CHAPTER_ALL and CHAPTER_ANY; owned */
	size_t parts;
};

struct chapter_plot {
	bool curve;
	const char *title, *caption, *label; /* "" where there is none */
	const char *template_name;	     /* NULL: all requests */
	size_t *stage;			     /* owned */
	size_t stages;
	const char **figure; /* owned */
	size_t figures;
	const char *x;
};

struct chapter {
	char name[CHAPTER_NAME_BYTES];
	const char *path;
	const char *title, *claim;
	const char **note; /* owned */
	size_t notes;
	unsigned repeat;
	struct chapter_stage *stage; /* owned */
	size_t stages;
	struct chapter_claim *claims; /* owned */
	size_t claim_count;
	struct chapter_plot *plot; /* owned */
	size_t plots;
	json_t *root; /* owned */
};

/*
 * full: with the full_ values. Every mistake is told: 0, -EINVAL with lines in errors
 * ("FILE: stages[1].load.rate: ..."), -errno of the file. `path` is borrowed for as long as the chapter lives. Free with
 * chapter_done(), also after a failure.
 */
int chapter_read(struct chapter *ret, const char *path, bool full, struct buffer *errors)
	__attribute__((warn_unused_result));
void chapter_done(struct chapter *c);

/* The index of a stage; stages where there is none of that name. */
size_t chapter_find_stage(const struct chapter *c, const char *name, size_t len);

#endif
