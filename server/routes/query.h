/* The query of a route that takes a few fields: numbers within a range, and texts. */
#ifndef QUERN_SERVER_ROUTES_QUERY_H
#define QUERN_SERVER_ROUTES_QUERY_H

#include "server/http/form.h"
#include "server/http/refusal.h"
#include "server/route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One field. A number has `number`, which keeps its value where the field is not given and not required; min, max and unit
 * ("microseconds"; NULL: it has none) are for the check and the message. A text has `text`, from 1 to max bytes, which points into x->scratch.
 */
struct query_field {
	const char *name;
	bool required;
	const char *unit;
	int64_t min, max;
	int64_t *number;
	struct form_text *text;
};

/* Each field at most once; names that are none of them are ignored. At most 32 fields. False: *refusal says what was wrong. */
bool query_read(struct exchange *x, const struct query_field *fields, size_t n,
	struct http_refusal *refusal) __attribute__((warn_unused_result));

#endif
