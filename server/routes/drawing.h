/* From checked parameters to the bytes of the answer: what can be done by any thread of making a picture. */
#ifndef QUERN_SERVER_ROUTES_DRAWING_H
#define QUERN_SERVER_ROUTES_DRAWING_H

#include "lib/buffer.h"
#include "server/qr/picture.h"
#include "server/qr/symbol.h"
#include "server/routes/params.h"

/* Which symbol, how it looks, and in which form it is sent. The text that `fit` was made of is borrowed. */
struct drawing {
	struct qr_fit fit;
	struct qr_picture picture;
	enum params_format format;
};

const char *drawing_content_type(const struct drawing *d);

/*
 * Appends the picture, or the JSON around it, to *body; *scratch is for the call. 0 or -ENOMEM; anything else would be a
 * defect.
 */
int drawing_make(const struct drawing *d, struct buffer *body, struct buffer *scratch)
	__attribute__((warn_unused_result));

#endif
