/*
 * Taking a changed configuration while running: what differs between two, how each difference is taken
 * (enum config_takes), and the values that cross from the master to its children in shared memory.
 */
#ifndef QUERN_CONFIG_LIVE_H
#define QUERN_CONFIG_LIVE_H

#include "config/config.h"
#include "config/option.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the option has the same value in both. */
bool config_same(const struct config_option *o, const struct config *a, const struct config *b);

/* How many options of that class differ; their names, separated by ", ", are appended to names unless that is NULL. */
unsigned config_differ(const struct config *a, const struct config *b, enum config_takes takes,
	struct buffer *names);

/* Gives `to` the value that `from` has. 0 or -ENOMEM, and then `to` is as it was. */
int config_copy_option(const struct config_option *o, struct config *to, const struct config *from)
	__attribute__((warn_unused_result));

/* A whole copy, which the caller frees with config_done(). 0 or -ENOMEM. */
int config_copy(struct config *ret, const struct config *from) __attribute__((warn_unused_result));

/* --- the values of options that are TAKES_LIVE, which are all numbers, booleans or words: by index of the table */

void config_live_put(const struct config *c, _Atomic int64_t value[CONFIG_IDS]);
void config_live_take(struct config *c, const _Atomic int64_t value[CONFIG_IDS]);

#endif
