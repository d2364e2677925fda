/* The configuration as HAProxy's: haproxy.cfg.in with its @NAMES@ filled in. Pure. */
#ifndef QUERN_BALANCER_RENDER_H
#define QUERN_BALANCER_RENDER_H

#include "config/config.h"
#include "lib/buffer.h"

/*
 * Appends the whole haproxy.cfg for c to out. 0; -EINVAL if the template holds a name that is not
 * known (a mistake in this source, which a test looks for); -ENOMEM.
 */
int render_haproxy(const struct config *c, struct buffer *out) __attribute__((warn_unused_result));

/* The same from another template, a NUL-terminated text. */
int render_template(const char *template, const struct config *c, struct buffer *out)
	__attribute__((warn_unused_result));

#endif
