#include "server/backend/backoff.h"

#define FIRST_US 50000u
#define MOST_US 500000u

void backoff_note(struct backoff *b, const struct link_ending *how, uint64_t now_us)
{
	b->last = *how;
	if (now_us < b->until_us)
		return;
	b->length_us = b->length_us ? b->length_us * 2u : FIRST_US;
	if (b->length_us > MOST_US)
		b->length_us = MOST_US;
	b->until_us = now_us + b->length_us;
}

uint64_t backoff_left_us(const struct backoff *b, uint64_t now_us)
{
	return b->until_us > now_us ? b->until_us - now_us : 0;
}

void backoff_reset(struct backoff *b)
{
	b->until_us = b->length_us = 0;
}
