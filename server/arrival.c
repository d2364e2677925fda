#include "server/arrival.h"

#include "lib/clock.h"
#include "lib/number.h"

#include <stdlib.h>
#include <string.h>

#define OLDEST_US INT64_C(60000000)
/* What the wall clock gains on CLOCK_MONOTONIC below this is no step, but the time between reading the two. */
#define STEP_US 10000

/* How the wall clock of this process's host has been set. */
static struct {
	bool known;
	int64_t ahead_us;    /* of CLOCK_MONOTONIC */
	int64_t step_us;     /* the last change of that */
	uint64_t stepped_us; /* CLOCK_MONOTONIC when it was noticed */
} wall;

/* Reads both clocks so shortly after each other that the scheduler was not between them, unless it always is. */
static int64_t measure_ahead(void)
{
	int64_t ahead_us = 0;

	for (int tries = 0; tries < 3; tries++) {
		uint64_t before_us = clock_us();
		ahead_us = (int64_t)clock_wall_us() - (int64_t)before_us;
		if (clock_us() - before_us < STEP_US / 10)
			break;
	}
	return ahead_us;
}

static void watch_clock(int64_t wall_us, uint64_t now_us)
{
	int64_t ahead_us = wall_us - (int64_t)now_us;

	if (wall.known && llabs(ahead_us - wall.ahead_us) < STEP_US)
		return;
	ahead_us = measure_ahead();
	if (wall.known && llabs(ahead_us - wall.ahead_us) >= STEP_US) {
		wall.step_us = ahead_us - wall.ahead_us;
		wall.stepped_us = now_us;
	}
	wall.ahead_us = ahead_us;
	wall.known = true;
}

/*
 * What seems to have been stamped before the clock was set forward was stamped by the clock as it was then: it is younger
 * than it looks by the step, unless that would make it a stamp of the time to come.
 */
static int64_t without_step(int64_t age_us, uint64_t now_us)
{
	int64_t since_us = (int64_t)(now_us - wall.stepped_us);

	if (wall.step_us > 0 && since_us < OLDEST_US && age_us > since_us && age_us >= wall.step_us)
		return age_us - wall.step_us;
	return age_us;
}

/* The stamp's age, or -1 when there is no stamp to use. */
static int64_t stamp_age_us(const struct http_conn *c, uint64_t now_us, struct stats_seat *stats)
{
	const struct http_span *field = &c->request.request_start;
	const char *text = http_conn_text(c, *field);
	int64_t stamp;

	if (field->len == 0)
		return -1;
	if (field->len > 2 && memcmp(text, "t=", 2) == 0 &&
		number_parse_int(&stamp, text + 2, field->len - 2, 0, INT64_MAX) == 0) {
		int64_t wall_us = (int64_t)clock_wall_us();
		int64_t age = wall_us - stamp;

		watch_clock(wall_us, now_us);
		if (age >= 0 && age <= OLDEST_US)
			return without_step(age, now_us);
	}
	stats_add(&stats->bad_start, 1);
	return -1;
}

uint64_t arrival_waited_us(
	const struct http_conn *c, uint64_t now_us, bool stamped, struct stats_seat *stats)
{
	int64_t age = stamped ? stamp_age_us(c, now_us, stats) : -1;

	return age >= 0 ? (uint64_t)age : now_us - c->complete_us;
}
