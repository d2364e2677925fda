/*
 * Between parse.c (the states and the request line), parse_target.c, parse_field.c and
 * parse_body.c; nobody else's.
 *
 * A step reads on from at.scanned in its state. It goes to another state and says NEXT, or has no
 * more bytes (MORE), or is done, or has refused. A step never looks at a byte before at.scanned
 * again, except to read the meaning of a line that has just been completed.
 */
#ifndef QUERN_SERVER_HTTP_PARSE_INTERNAL_H
#define QUERN_SERVER_HTTP_PARSE_INTERNAL_H

#include "server/http/parse.h"

enum state {
	STATE_START, /* one empty line may come first */
	STATE_METHOD,
	STATE_TARGET,
	STATE_VERSION,
	STATE_FIELD, /* first byte of a field, or of the line that ends the head or the trailers */
	STATE_FIELD_NAME,
	STATE_FIELD_VALUE,
	STATE_BODY,
	STATE_CHUNK_LINE,
	STATE_CHUNK_DATA,
	STATE_CHUNK_END,
	STATE_TRAILER, /* these three in the order of FIELD, FIELD_NAME, FIELD_VALUE */
	STATE_TRAILER_NAME,
	STATE_TRAILER_VALUE,
	STATE_DONE,
	STATE_REFUSED,
};

enum step { STEP_NEXT, STEP_MORE, STEP_DONE, STEP_REFUSED };

struct input {
	const struct http_limits *limits;
	char *data;
	size_t len; /* a step of the head, or of chunk framing, sees no further than its limit
		       allows */
};

enum step parse_refuse(struct http_request *r, int status, const char *code, const char *message);
enum step parse_bad(struct http_request *r, const char *message); /* 400 bad_request */

/* Why this byte, which the grammar does not allow here, is refused: control bytes by name, others
 * by `message`. */
enum step parse_bad_byte(struct http_request *r, char c, const char *message);

/* Goes to `state`, at a new line. */
enum step parse_line_next(struct http_request *r, enum state state);

/* CR LF at at.scanned: NEXT (and skipped), MORE or refused. */
enum step parse_line_end(struct http_request *r, const struct input *in);

/* Sets method's path and query from the target, which is complete. */
enum step parse_target_form(struct http_request *r, const char *data);

/* host[:port] as in RFC 3986; with need_port the port must be there. */
bool parse_host_valid(const char *text, size_t len, bool need_port);

/* STATE_FIELD and STATE_TRAILER and the two behind each. */
enum step parse_field_start(struct http_request *r, const struct input *in);
enum step parse_field_name(struct http_request *r, const struct input *in);
enum step parse_field_value(struct http_request *r, const struct input *in);

/* Checks what only shows between fields. NEXT, or refused. */
enum step parse_fields_check(struct http_request *r);

/* The head is complete: how the body is framed. */
enum step parse_body_begin(struct http_request *r, const struct input *in);

enum step parse_body(struct http_request *r, const struct input *in);
enum step parse_chunk_line(struct http_request *r, const struct input *in);
enum step parse_chunk_data(struct http_request *r, const struct input *in);
enum step parse_chunk_end(struct http_request *r, const struct input *in);

/* How far into the buffer the chunk framing line at hand may reach. */
size_t parse_chunk_limit(const struct http_request *r, const struct http_limits *limits);

#endif
