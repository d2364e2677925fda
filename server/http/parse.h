/*
 * Bytes to request: a strict, resumable parser of HTTP/1.0 and HTTP/1.1 (RFC 9112). Pure: no I/O,
 * no allocation. Whatever can be read in two ways is refused, at the first byte that makes it so.
 *
 * The caller keeps all bytes from the first one of the request on in one buffer and calls
 * http_parse() again when more have arrived; the buffer may have moved meanwhile. All positions are
 * therefore offsets into it. No byte is looked at twice, however small the pieces, and the outcome
 * does not depend on how the bytes were cut. Chunked bodies are decoded in place, so the parser may
 * write within [body.at, consumed).
 *
 * What is bounded: the head by header_bytes and HTTP_MAX_FIELDS (431), the decoded body by
 * body_bytes (413), and what chunking costs (size lines, line ends, trailers) by header_bytes plus
 * one byte for each byte of the body (413). So a request never takes more than 2 * (header_bytes +
 * body_bytes) bytes.
 */
#ifndef QUERN_SERVER_HTTP_PARSE_H
#define QUERN_SERVER_HTTP_PARSE_H

#include "server/http/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_FIELDS 100
#define HTTP_MAX_METHOD_BYTES 32
#define HTTP_MAX_CHUNK_LINE_BYTES 256 /* size, extensions and line end */

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_OPTIONS,
	HTTP_OTHER,   /* known, but used by no route: PUT DELETE PATCH TRACE CONNECT */
	HTTP_UNKNOWN, /* a token that is no method we know */
};

struct http_span {
	size_t at, len; /* len 0: absent or empty */
};

struct http_limits {
	size_t header_bytes; /* from the first byte to the empty line that ends the head, included
			      */
	size_t body_bytes;   /* decoded body */
};

struct http_request {
	enum http_method method;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	struct http_span method_name;
	struct http_span target; /* as sent */

	/*
	 * Of the target, still percent-encoded. The path starts with '/', or is "*" (OPTIONS only),
	 * or is the "host:port" of a CONNECT, which no route can match. Of "http://host" it is "/".
	 */
	struct http_span path;
	struct http_span query; /* behind the '?', without it */

	/* Content-Type given twice is refused; one of the others given twice counts as absent. */
	struct http_span content_type, if_none_match, request_start, request_id, forwarded_for;
	struct http_span body; /* decoded, so far as it has arrived */
	bool keep_alive; /* the client lets the connection live on; never if refused, or CONNECT */
	bool wants_continue; /* HTTP/1.1, Expect: 100-continue, and a body is announced */
	bool head_done;	     /* everything above but body is known */
	size_t consumed;     /* bytes that belong to this request, once it is done */
	struct http_refusal refusal;
	struct { /* where to go on; private to parse*.c */
		int state;
		size_t line;	/* where the line at hand starts */
		size_t scanned; /* everything before was looked at */
		size_t colon; /* of the field at hand, or the chunk's semicolon; 0: not come yet */
		size_t remaining;  /* of the body or of the chunk at hand */
		size_t chunk_head; /* bytes spent on chunk framing and trailers in complete lines */
		unsigned fields;
		unsigned seen; /* fields that may be given once only */
		bool chunked, close, persist, expects;
	} at;
};

enum http_parse_result {
	HTTP_PARSE_MORE,    /* good so far: call again with more bytes */
	HTTP_PARSE_DONE,    /* one whole request; the next one begins at `consumed` */
	HTTP_PARSE_REFUSED, /* `refusal` says why; the connection must be closed after the answer */
};

void http_request_init(struct http_request *r);

/* data: `len` bytes from the request's first one on, never fewer than last time; limits as last
 * time. */
enum http_parse_result http_parse(
	struct http_request *r, const struct http_limits *limits, char *data, size_t len);

#endif
