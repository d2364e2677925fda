/* What `quernd --check` says of a configuration that is in order. */
#ifndef QUERN_SERVER_CHECK_H
#define QUERN_SERVER_CHECK_H

#include "config/config.h"
#include "lib/buffer.h"

/* Appends what would run, and where: "4 workers on 127.0.0.1, ports 8100 to 8103; balancer on ..."
 */
void check_summarize(const struct config *c, struct buffer *out);

/*
 * Appends a line for each file that could not be used: the certificate that HAProxy reads, the log; and for a
 * lab.redis that this program cannot ask.
 * Creates none, and has no way to know whether HAProxy runs as another user.
 */
void check_files(const struct config *c, struct buffer *warnings);

#endif
