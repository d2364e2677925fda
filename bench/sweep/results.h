/*
 * DIR/cells.jsonl: one line for each cell that was measured. What is there already need not be
 * measured again.
 */
#ifndef QUERN_BENCH_SWEEP_RESULTS_H
#define QUERN_BENCH_SWEEP_RESULTS_H

#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct results {
	char *path;
	int directory;	/* held locked */
	json_t *done;	/* keys of the cells that count */
	size_t ignored; /* lines that could not be read */
};

struct results_key {
	const char *experiment, *cell;
	bool quick;
	uint64_t seed;
};

/*
 * Makes DIR (and what is above it), locks it and reads what is there. 0; -EWOULDBLOCK when another
 * sweep is writing there; -errno; each with a sentence.
 */
int results_open(struct results *ret, const char *dir, struct buffer *error)
	__attribute__((warn_unused_result));
void results_close(struct results *r);

/* Whether a line of this cell is there that is not void. */
bool results_has(const struct results *r, const struct results_key *key);

/* Appends the cell's line (borrowed). 0, or -errno with a sentence. */
int results_add(struct results *r, const json_t *line, struct buffer *error)
	__attribute__((warn_unused_result));

#endif
