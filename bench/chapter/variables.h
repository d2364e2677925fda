/* What services and servers are called in texts: "${REDIS_PORT}". Also their environment. */
#ifndef QUERN_BENCH_CHAPTER_VARIABLES_H
#define QUERN_BENCH_CHAPTER_VARIABLES_H

#include "lib/buffer.h"

#include <jansson.h>
#include <stddef.h>

#define VARIABLES_MOST 64
#define VARIABLE_NAME_BYTES 64
#define VARIABLE_VALUE_BYTES 16

struct variables {
	struct variable {
		char name[VARIABLE_NAME_BYTES];
		char value[VARIABLE_VALUE_BYTES];
	} variable[VARIABLES_MOST];
	size_t count;
};

/* The value of PREFIX_NAME, or of NAME without a prefix (""); prefix in capitals, '-' becomes '_'. 0 or -ENOSPC. */
int variables_set_port(struct variables *v, const char *prefix, const char *name, unsigned port)
	__attribute__((warn_unused_result));

/* Appends text with its variables replaced. 0; -EINVAL with a sentence naming the one that there is not; -ENOMEM. */
int variables_replace(const struct variables *v, const char *text, struct buffer *ret,
	struct buffer *error) __attribute__((warn_unused_result));

/* A copy of an object with the texts in it replaced; a new reference, NULL with a sentence. object may be NULL. */
json_t *variables_replace_all(
	const struct variables *v, const json_t *object, struct buffer *error);

#endif
