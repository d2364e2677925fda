/* Reading JSON so that every mistake is told with its place: "FILE: groups[1].workers: ...". */
#ifndef QUERN_BENCH_SWEEP_EXPERIMENT_JSON_H
#define QUERN_BENCH_SWEEP_EXPERIMENT_JSON_H

#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>

struct experiment_reader {
	const char *path;     /* of the file */
	const json_t *object; /* the one that keys are looked up in */
	struct buffer at;     /* its place: "quick.groups[1]"; owned */
	struct buffer *errors;
	bool wrong, no_memory;
};

/*
 * The whole file, an object. 0; -EINVAL with line and column; -errno of the file; both with a
 * sentence.
 */
int experiment_load(json_t **ret, const char *path, struct buffer *errors)
	__attribute__((warn_unused_result));

/* A line about `key` (NULL: the place itself), and `wrong` is set. */
void experiment_complain(struct experiment_reader *r, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Goes down to a part; what it returns is for experiment_leave(). The caller sets `object`. */
size_t experiment_enter(struct experiment_reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void experiment_leave(struct experiment_reader *r, size_t before);

/* Borrowed; NULL where there is none. */
const json_t *experiment_value(const struct experiment_reader *r, const char *key);

/* Complains of every key that is not in the list, which ends with NULL. */
void experiment_check_keys(struct experiment_reader *r, const char *const *known);

/* A copy, the caller frees; NULL where there is none or it is wrong. */
char *experiment_string(struct experiment_reader *r, const char *key, bool needed);

/* The index of a word, which must be there, in a list that ends with NULL; -1 where it is wrong. */
int experiment_word(struct experiment_reader *r, const char *key, const char *const *words);

/* *ret is untouched where there is none or it is wrong. */
void experiment_number(
	struct experiment_reader *r, const char *key, double low, double high, double *ret);

#endif
