/*
 * An answer of Redis, as hiredis's reader is made to build it: one object, whose texts lie in one buffer, and which cannot
 * grow beyond a bound, whatever the other side sends. For server/backend/ only.
 */
#ifndef QUERN_SERVER_BACKEND_ANSWER_H
#define QUERN_SERVER_BACKEND_ANSWER_H

#include "lib/buffer.h"
#include "server/backend/backend.h"

#include <hiredis/read.h>
#include <stdbool.h>
#include <stddef.h>

/* Of one answer: texts together, and rows. A bulk that is not whole yet is in the reader's own buffer, see link.c. */
#define ANSWER_BYTES_MAX ((size_t)8 << 20)
#define ANSWER_ROWS_MAX 131072

enum answer_kind {
	ANSWER_NIL,
	ANSWER_TEXT,
	ANSWER_STATUS,
	ANSWER_ERROR,
	ANSWER_NUMBER,
	ANSWER_LIST
};

struct answer {
	enum answer_kind kind;
	bool odd;	    /* a list that holds anything but texts and nils */
	bool kept;	    /* somebody has taken it over: the reader's freeing leaves it alone */
	struct buffer text; /* of all rows; or the one text */
	struct answer_row {
		size_t at, len;
		bool nil;
	} * row;
	size_t rows;
};

/* What the reader's privdata has to point to: set where an answer was refused for its size, and not for lack of memory. */
struct answer_bound {
	bool exceeded;
};

/* What the reader's fn has to point to. */
extern redisReplyObjectFunctions answer_functions;

/* Of who has set `kept`. NULL is fine. */
void answer_free(struct answer *a);

/* For struct backend_reply; its value is the answer. */
struct backend_text answer_row(const struct backend_reply *r, size_t i);

#endif
