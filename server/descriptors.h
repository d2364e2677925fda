/* RLIMIT_NOFILE: what the configured limits need is there before the first worker is. */
#ifndef QUERN_SERVER_DESCRIPTORS_H
#define QUERN_SERVER_DESCRIPTORS_H

#include "config/config.h"

#include <stdint.h>

/* How many a process of quernd may need with that configuration. */
uint64_t descriptors_needed(const struct config *c);

/*
 * Raises the limit of open files, the hard one too where that is allowed, until a process may hold
 * `need`. 0, or -errno and *ret_limit is what there is.
 */
int descriptors_raise(uint64_t need, uint64_t *ret_limit) __attribute__((warn_unused_result));

/*
 * Whether an event loop can be made: libevent 2.1 ends the process, in the middle of what it does, where it finds no
 * descriptors for its own. 0, or -EMFILE or -ENFILE.
 */
int descriptors_allow_loop(void) __attribute__((warn_unused_result));

#endif
