#include "server/ctl/outcome.h"

#include <string.h>

#define START_US UINT64_C(1000000)
#define GRACE_US UINT64_C(5000000)

const struct report_change *outcome_find(
	const struct report *r, const char *kind, uint64_t since_us, uint32_t target)
{
	for (size_t i = 0; i < r->changes; i++) {
		const struct report_change *c = &r->change[i];

		if (strcmp(c->kind, kind) == 0 && c->begun_us >= since_us &&
			(target == 0 || c->target == target))
			return c;
	}
	return NULL;
}

const struct report_change *outcome_again(const struct report *r, const struct report_change *c)
{
	for (size_t i = 0; i < r->changes; i++)
		if (r->change[i].number == c->number)
			return &r->change[i];
	return NULL;
}

bool outcome_has_fallen_out(const struct report *r, const struct report_change *c)
{
	return r->changes > 0 && r->change[0].number > c->number;
}

bool outcome_is_known(const struct report_change *c)
{
	return strcmp(c->state, "running") != 0;
}

bool outcome_is_good(const struct report_change *c)
{
	return strcmp(c->state, "done") == 0;
}

uint64_t outcome_patience_us(uint32_t workers, uint64_t drain_ms)
{
	return GRACE_US + workers * (drain_ms * 1000 + START_US);
}
