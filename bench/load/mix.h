/*
 * What is requested: weighted templates, one a line.
 *
 *   # weight  method  target                               [content type and body]
 *   99        GET     /qr?text={text:20}
 *   1         GET     /qr?text={text:2000}
 *   10        GET     /lab/sleep?us={us:exp:1ms}
 *   5         POST    /qr   application/json   {{"text": "{text:100}"}}
 *
 * {text:N} becomes N random characters of A-Z, a-z, 0-9 (never escaped anywhere), {text:N-M}
 * between N and M of them; {int:N-M} a random whole number; {us:SERVICE} a service time in whole us
 * (bench/model/service.h), which the recorder keeps as what was asked for; {{ and }} are braces.
 * Weights are numbers above 0. Blank lines and lines that begin with # are ignored. A target begins
 * with "/"; fields are divided by blanks, the body is the rest of the line.
 */
#ifndef QUERN_BENCH_LOAD_MIX_H
#define QUERN_BENCH_LOAD_MIX_H

#include "lib/buffer.h"
#include "lib/random.h"

#include <stdbool.h>
#include <stddef.h>

struct mix; /* opaque */

/*
 * From text; `name` stands in messages ("NAME:LINE:COLUMN: ..."). 0, -EINVAL with a message in
 * error, or -ENOMEM.
 */
int mix_parse(struct mix **ret, const char *name, const char *text, size_t len,
	struct buffer *error) __attribute__((warn_unused_result));

/* From a file; -errno with a sentence in error where it cannot be read. */
int mix_read(struct mix **ret, const char *path, struct buffer *error)
	__attribute__((warn_unused_result));

/* One template: GET of `target`, taken literally (no placeholders). 0 or -ENOMEM. */
int mix_single(struct mix **ret, const char *target) __attribute__((warn_unused_result));
void mix_free(struct mix *m);

struct mix_request {
	size_t template_index; /* 0.. in file order */
	double asked_us;       /* what {us:} drew (sum if several); -1 without */
	bool head;	       /* HEAD: the answer has no body */
};

/*
 * Draws a template and appends one whole HTTP/1.1 request to out: request line, "Host: authority",
 * "User-Agent: quern-bench/VERSION", Content-Type and Content-Length with a body, empty line, body.
 */
void mix_draw(const struct mix *m, struct random *r, const char *authority, struct buffer *out,
	struct mix_request *ret);

size_t mix_templates(const struct mix *m);
/* "GET /qr?text={text:20}", for tables. */
const char *mix_template_name(const struct mix *m, size_t index);

#endif
