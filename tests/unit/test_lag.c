/* The loop's timer: what it publishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/log.h"
#include "server/lag.h"

#include <event2/event.h>
#include <string.h>

static struct stats_seat seat;
static struct http_server server = {.stats = &seat};

static void lose(unsigned lines)
{
	while (lines-- > 0)
		log_raw("lost\n", strlen("lost\n"));
}

/* Nothing can be written to /dev/full. */
static int open_log(void **state)
{
	(void)state;
	return log_open(LOG_LEVEL_INFO, "/dev/full");
}

/* What a worker lost after the timer's last round counts as well, and what its parent lost does not. */
static void test_losses_are_published_to_the_end(void **state)
{
	struct event_base *base = event_base_new();
	struct lag lag;

	(void)state;
	assert_non_null(base);
	TAILQ_INIT(&server.dead);
	server.closed = true;
	lose(2);
	assert_int_equal(lag_init(&lag, base, &server), 0);
	lose(3);
	assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	assert_int_equal(stats_get(&seat.log_lost), 3);
	lose(4);
	lag_done(&lag);
	assert_int_equal(stats_get(&seat.log_lost), 7);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_losses_are_published_to_the_end),
	};

	return cmocka_run_group_tests(tests, open_log, NULL);
}
