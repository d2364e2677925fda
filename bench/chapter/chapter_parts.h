/* Between the files that read a chapter. */
#ifndef QUERN_BENCH_CHAPTER_CHAPTER_PARTS_H
#define QUERN_BENCH_CHAPTER_CHAPTER_PARTS_H

#include "bench/chapter/chapter.h"
#include "bench/sweep/experiment_json.h"

struct chapter_reader {
	struct experiment_reader r;
	struct chapter *c;
	bool full;
};

/* The text at a key; `otherwise` where there is none, or it is wrong (told). */
const char *chapter_text(struct chapter_reader *r, const char *key, const char *otherwise);
/* One that must be there; "" where it is wrong. */
const char *chapter_needed_text(struct chapter_reader *r, const char *key);

bool chapter_flag(struct chapter_reader *r, const char *key, bool otherwise);

/* A duration with its unit; *ret is untouched where there is none or it is wrong. */
void chapter_seconds(
	struct chapter_reader *r, const char *key, double low_s, double high_s, double *ret);

/* A whole number; likewise. */
void chapter_count(
	struct chapter_reader *r, const char *key, uint64_t low, uint64_t high, uint64_t *ret);

/* An object all of whose values are texts (`numbers`: or numbers and booleans); NULL where there is none or it is wrong. */
const json_t *chapter_object(struct chapter_reader *r, const char *key, bool numbers);

/* a-z, 0-9 and '-', at most CHAPTER_NAME_BYTES - 1. */
bool chapter_is_name(const char *text);

/*
 * A list: `take` is called for each element, which is r->object if it is an object (value is any). Returns how many there
 * are; 0 where it is no list (told), or not there.
 */
size_t chapter_list(struct chapter_reader *r, const char *key);
void chapter_each(struct chapter_reader *r, const char *key,
	void (*take)(struct chapter_reader *r, const json_t *value, size_t i, void *own),
	void *own);

/* Memory for n of a thing, zeroed; NULL (and r says so) without. n > 0. */
void *chapter_room(struct chapter_reader *r, size_t n, size_t size);

/* One line of a mix, parsed by itself; NULL where it is wrong (told). */
struct mix *chapter_line(struct chapter_reader *r, const char *key, const char *line);

/* Each reads the object that r->r.object is. */
void chapter_read_load(struct chapter_reader *r, size_t stage);
void chapter_read_samples(struct chapter_reader *r, struct chapter_stage *stage);
/* After all stages. */
void chapter_read_claims(struct chapter_reader *r);
void chapter_read_plots(struct chapter_reader *r);

void chapter_claim_done(struct chapter_claim *claim);

#endif
