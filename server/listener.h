/*
 * Listening sockets. The master opens them once and keeps them for as long as the slot is in use,
 * so that connections wait in the backlog while a worker is replaced; children inherit them.
 */
#ifndef QUERN_SERVER_LISTENER_H
#define QUERN_SERVER_LISTENER_H

#include "lib/address.h"

/*
 * A non-blocking, close-on-exec TCP socket that listens on a, with TCP_NODELAY for what it will
 * accept. The descriptor, or -errno.
 */
int listener_open(const struct address *a) __attribute__((warn_unused_result));

#endif
