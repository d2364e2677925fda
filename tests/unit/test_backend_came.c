/* When an answer came, from what the kernel tells and what the clocks did meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Whole, since builds without hiredis leave it out of the archive, and it needs nothing of the others. */
#include "server/backend/came.c" /* NOLINT(bugprone-suspicious-include) */

#include "lib/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

/* Monotonic time 5 s is wall time 1,000,005 s. */
#define OFFSET (INT64_C(1000000) * NS)
#define SENT UINT64_C(5000000)
#define SEEN UINT64_C(5010000)

static int64_t stamp(int64_t at_us)
{
	return OFFSET + at_us * 1000;
}

static void a_stamp_is_converted(void **state)
{
	(void)state;
	assert_int_equal(came_us(stamp(5002000), OFFSET, OFFSET, SENT, SEEN), 5002000);
	assert_int_equal(came_us(stamp(5002000), OFFSET - 900, OFFSET, SENT, SEEN), 5002000);
}

static void no_stamp_is_not_known(void **state)
{
	(void)state;
	assert_int_equal(came_us(0, OFFSET, OFFSET, SENT, SEEN), 0);
}

static void a_clock_that_was_stepped_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(came_us(stamp(5002000), OFFSET, OFFSET + 1000000, SENT, SEEN), 0);
	assert_int_equal(came_us(stamp(5002000), OFFSET, OFFSET - 1000000, SENT, SEEN), 0);
	assert_int_equal(came_us(stamp(5002000), CAME_NO_OFFSET, OFFSET, SENT, SEEN), 0);
	assert_int_equal(came_us(stamp(5002000), OFFSET, CAME_NO_OFFSET, SENT, SEEN), 0);
	/* Back and forth, or before the call and unnoticed: the stamp is out of its time. */
	assert_int_equal(came_us(stamp(4000000), OFFSET, OFFSET, SENT, SEEN), 0);
	assert_int_equal(came_us(stamp(6000000), OFFSET, OFFSET, SENT, SEEN), 0);
}

static void misreadings_make_no_negative_times(void **state)
{
	(void)state;
	assert_int_equal(came_us(stamp(4999990), OFFSET, OFFSET, SENT, SEEN), SENT);
	assert_int_equal(came_us(stamp(5010010), OFFSET, OFFSET, SENT, SEEN), SEEN);
}

static void the_offset_is_that_of_the_clocks(void **state)
{
	(void)state;
	int64_t offset_ns = CAME_NO_OFFSET;

	/* A busy machine may interrupt each of its looks. */
	for (int i = 0; i < 1000 && offset_ns == CAME_NO_OFFSET; i++)
		offset_ns = came_offset_ns();
	int64_t wall_us = (int64_t)clock_us() + offset_ns / 1000;
	int64_t off_us = wall_us - (int64_t)clock_wall_us();
	assert_true(off_us <= 1 && off_us > -1000000);
}

static int connected(int *ret_other)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
	*ret_other = accept(listener, NULL, NULL);
	assert_true(*ret_other >= 0);
	assert_int_equal(close(listener), 0);
	return fd;
}

static void peeking_leaves_everything_there(void **state)
{
	(void)state;
	int other, fd = connected(&other);
	int64_t stamp_ns = -1;
	char text[8];

	came_ask(fd);
	assert_int_equal(came_peek(fd, &stamp_ns), -EAGAIN);
	assert_int_equal(send(other, "hello", 5, 0), 5);
	assert_int_equal(came_peek(fd, &stamp_ns), 5);
	assert_int_equal(came_peek(fd, &stamp_ns), 5);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(close(other), 0);
	assert_int_equal(came_peek(fd, &stamp_ns), 0);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_is_converted),
		cmocka_unit_test(no_stamp_is_not_known),
		cmocka_unit_test(a_clock_that_was_stepped_is_not_believed),
		cmocka_unit_test(misreadings_make_no_negative_times),
		cmocka_unit_test(the_offset_is_that_of_the_clocks),
		cmocka_unit_test(peeking_leaves_everything_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
