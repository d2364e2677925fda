/*
 * A request's answer, and its bytes on the wire. A handler fills a struct http_reply;
 * http_reply_head() turns it into a status line and header fields. Pure but for the heap and the
 * cached Date.
 */
#ifndef QUERN_SERVER_HTTP_REPLY_H
#define QUERN_SERVER_HTTP_REPLY_H

#include "lib/buffer.h"
#include "server/http/refusal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_ETAG_BYTES 24

struct http_reply {
	int status;
	const char *content_type;   /* static; NULL: no body */
	struct buffer body;	    /* owned; memory is kept from answer to answer */
	char etag[HTTP_ETAG_BYTES]; /* with its W/ and quotes; "" for none */
	bool cacheable;		    /* send the configured Cache-Control */
	const char *allow;	    /* methods, for 405 and OPTIONS; static or NULL */
	bool preflight;		    /* answer to OPTIONS: the CORS fields that belong there */
	unsigned retry_after_s;	    /* 0: none */
};

/* What a process adds to each of its answers; strings are borrowed for as long as it is in use. */
struct http_reply_style {
	const char *cache_control; /* "": none is sent */
	const char *allow_origin;  /* "": none is sent */
	int worker;		   /* slot, told in Server-Timing; -1: none */
};

struct http_reply_timing {
	uint64_t queue_us, work_us;
	/* Between the work's pieces: for the backend, a thread, others' turns. Told where it is not 0. */
	uint64_t wait_us;
	const char *work; /* name of the work in Server-Timing, e.g. "qr" */
};

struct http_reply_wire {
	bool head_only;	 /* the request was HEAD: lengths are told, the body is not sent */
	bool keep_alive; /* the connection lives on */
	unsigned minor;	 /* of the request's version */
};

void http_reply_init(struct http_reply *r);
void http_reply_done(struct http_reply *r);
/* Back to an empty 200; keeps the body's memory. */
void http_reply_reset(struct http_reply *r);

/* Makes the answer an error: status, and {"error": {...}} as the body. Whatever was in it before is
 * gone. */
void http_reply_refuse(struct http_reply *r, const struct http_refusal *refusal);

/* The same where there is no parameter to blame and the message is fixed. */
void http_reply_error(struct http_reply *r, int status, const char *code, const char *message);

/* Makes the answer a JSON text, which is copied. */
void http_reply_json(struct http_reply *r, int status, const char *json);

/* True when the answer has bytes behind its head. */
bool http_reply_sends_body(const struct http_reply *r, const struct http_reply_wire *wire);

/* Appends status line and fields, empty line included. */
void http_reply_head(const struct http_reply *r, const struct http_reply_style *style,
	const struct http_reply_timing *timing, const struct http_reply_wire *wire,
	struct buffer *out);

#endif
