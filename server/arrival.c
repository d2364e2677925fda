#include "server/arrival.h"

#include "lib/clock.h"
#include "lib/number.h"

#include <string.h>

#define OLDEST_US INT64_C(60000000)

/* The stamp's age, or -1 when there is no stamp to use. */
static int64_t stamp_age_us(const struct http_conn *c, struct stats_slot *stats)
{
	const struct http_span *field = &c->request.request_start;
	const char *text = http_conn_text(c, *field);
	int64_t stamp;

	if (field->len == 0)
		return -1;
	if (field->len > 2 && memcmp(text, "t=", 2) == 0 &&
		number_parse_int(&stamp, text + 2, field->len - 2, 0, INT64_MAX) == 0) {
		int64_t age = (int64_t)clock_wall_us() - stamp;

		if (age >= 0 && age <= OLDEST_US)
			return age;
	}
	stats_add(&stats->bad_start, 1);
	return -1;
}

uint64_t arrival_waited_us(
	const struct http_conn *c, uint64_t now_us, bool stamped, struct stats_slot *stats)
{
	int64_t age = stamped ? stamp_age_us(c, stats) : -1;

	return age >= 0 ? (uint64_t)age : now_us - c->complete_us;
}
