/*
 * Reads one HTTP/1.1 or 1.0 response (RFC 9112) from bytes as they come, in pieces of any size; it
 * keeps no more than an unfinished line. Lenient where the RFC lets a client be (lines may end with
 * LF alone), strict about where the body ends.
 */
#ifndef QUERN_BENCH_LOAD_RESPONSE_H
#define QUERN_BENCH_LOAD_RESPONSE_H

#include "bench/load/timing.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Most bytes of a head, interim responses (1xx) before it included; of a chunk's size line; and of
 * all trailers.
 */
#define RESPONSE_HEAD_BYTES ((size_t)65536)

enum response_result {
	RESPONSE_MORE, /* all bytes were taken, the answer goes on */
	RESPONSE_DONE, /* the answer is complete */
	RESPONSE_BROKEN /* this is no HTTP answer, or none that was asked for; or no memory for a line */
};

enum response_state {
	RESPONSE_AT_STATUS,
	RESPONSE_AT_FIELDS,
	RESPONSE_AT_LENGTH, /* `left` bytes of body */
	RESPONSE_AT_CLOSE,  /* a body that the end of the connection ends */
	RESPONSE_AT_CHUNK_SIZE,
	RESPONSE_AT_CHUNK, /* `left` bytes of a chunk */
	RESPONSE_AT_CHUNK_END,
	RESPONSE_AT_TRAILERS,
	RESPONSE_AT_END,
	RESPONSE_AT_NOTHING /* broken: no way on */
};

struct response {
	/* From the end of the head on. */
	uint16_t status; /* 200 to 599 */
	bool keep_alive; /* another request may follow on this connection, once this is done */
	struct timing timing;

	bool begun; /* at least one byte has come */

	/* The reader's own. */
	enum response_state state;
	bool head_only; /* answer to HEAD */
	uint8_t minor;
	bool has_length, has_coding, chunked;
	bool may_fold; /* the last field was none that matters: a line that goes on with it may be passed over */
	bool says_close, says_keep_alive;
	uint64_t length, left;
	size_t line_bytes;  /* of this head, size line or trailers so far */
	struct buffer line; /* what has come of an unfinished one */
};

/* All zero bytes are a response that may be begun (and need not be done). */
void response_begin(struct response *r, bool head_only);
void response_done(struct response *r);

/*
 * Takes bytes and says in *ret_used how many belonged to the answer: all of them with
 * RESPONSE_MORE.
 */
enum response_result response_feed(struct response *r, const char *data, size_t len,
	size_t *ret_used) __attribute__((warn_unused_result));

/*
 * The connection has ended. RESPONSE_DONE where that completes the answer, otherwise
 * RESPONSE_BROKEN.
 */
enum response_result response_end(struct response *r) __attribute__((warn_unused_result));

#endif
