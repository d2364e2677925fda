/*
 * The parameters of "/" and "/qr" (docs/api.md): from a query string, a form, a JSON object or
 * plain text to one checked struct. Pure but for the heap.
 */
#ifndef QUERN_SERVER_ROUTES_PARAMS_H
#define QUERN_SERVER_ROUTES_PARAMS_H

#include "lib/buffer.h"
#include "server/http/refusal.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"

#include <stdbool.h>
#include <stddef.h>

enum params_format { FORMAT_PNG, FORMAT_SVG, FORMAT_TEXT, FORMAT_JSON };

enum params_source { PARAMS_FORM, PARAMS_JSON, PARAMS_TEXT };

struct params {
	struct buffer text; /* the text's bytes; the owner is the struct */
	bool has_text;	    /* the parameter was there (it may be empty) */
	enum params_format format;
	enum qr_level level;
	unsigned margin;
	unsigned scale;
	unsigned size; /* 0: not given, scale counts */
	struct qr_color dark, light;
	bool eci;
	unsigned seen; /* which parameters were given, private to params.c */
};

/* All defaults. */
void params_init(struct params *p);
void params_done(struct params *p);
/* Back to the defaults; keeps the text's memory. */
void params_reset(struct params *p);

/*
 * Adds the parameters found in len bytes of the given kind; may be called again (query, then body),
 * and a parameter given twice is refused. Unknown names are ignored. With PARAMS_TEXT all bytes are
 * the text. False: *refusal says which parameter was wrong and what is allowed.
 */
bool params_read(struct params *p, enum params_source source, const char *data, size_t len,
	struct http_refusal *refusal) __attribute__((warn_unused_result));

/* After the last params_read(): what only shows between parameters (scale together with size). */
bool params_check(const struct params *p, struct http_refusal *refusal)
	__attribute__((warn_unused_result));

/* Which kind of body a Content-Type names (parameters such as charset ignored): 0, or -EINVAL for
 * any other. */
int params_source_of(enum params_source *ret, const char *content_type, size_t len)
	__attribute__((warn_unused_result));

#endif
