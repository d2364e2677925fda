/* When connecting may be tried again after it has failed: 50 ms later, then twice as long each time, at most 500 ms. For
 * server/backend/ only. All zero: nothing is wrong. Times are CLOCK_MONOTONIC, us. */
#ifndef QUERN_SERVER_BACKEND_BACKOFF_H
#define QUERN_SERVER_BACKEND_BACKOFF_H

#include "server/backend/link.h"

#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint64_t until_us, length_us;
	struct link_ending last; /* how the last attempt ended */
};

/* An attempt has failed. Those that were under way together count as one. */
void backoff_note(struct backoff *b, const struct link_ending *how, uint64_t now_us);

/* How long it is until the next attempt is due; 0: it is. */
uint64_t backoff_left_us(const struct backoff *b, uint64_t now_us);

/* An attempt has succeeded. */
void backoff_reset(struct backoff *b);

#endif
