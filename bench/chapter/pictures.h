/* The pictures of a chapter: bars over stages, curves over steps, in the report's style. */
#ifndef QUERN_BENCH_CHAPTER_PICTURES_H
#define QUERN_BENCH_CHAPTER_PICTURES_H

#include "bench/chapter/chapter.h"
#include "bench/report/picture.h"

#include <jansson.h>

/* A picture of plot `index`, ready to be drawn; picture_done() frees. false: there is not one figure in it. */
bool pictures_make(struct picture *ret, const struct chapter *c, size_t index, const json_t *lines);

#endif
