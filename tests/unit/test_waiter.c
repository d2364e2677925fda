/* bench/load/waiter.c, by epoll_pwait2() and by the timer that stands in for it. */
#include "bench/load/waiter.h"

#include "lib/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct waiter waiter;
	int pair[2];
};

static int set_up(struct fixture *f, void **state, bool by_timer)
{
	*state = f;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->pair))
		return -1;
	return waiter_init(&f->waiter, by_timer);
}

static int set_up_plain(void **state)
{
	static struct fixture f;

	return set_up(&f, state, false);
}

static int set_up_timer(void **state)
{
	static struct fixture f;

	return set_up(&f, state, true);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->pair[0]);
	close(f->pair[1]);
	waiter_done(&f->waiter);
	return 0;
}

/* Never too early. */
static void waits_as_long_as_asked(void **state)
{
	static const double waits_us[] = {20000, 1500, 700, 20, 0.5};
	struct fixture *f = *state;
	struct epoll_event events[4];

	for (size_t i = 0; i < sizeof(waits_us) / sizeof(*waits_us); i++) {
		const uint64_t begin = clock_us();

		assert_int_equal(waiter_wait(&f->waiter, events, 4, waits_us[i]), 0);
		/* Both readings are cut to whole us. */
		assert_true((double)(clock_us() - begin) >= waits_us[i] - 1);
	}
}

/* Either direction once for each change, with its own pointer, and then nothing. */
static void tells_each_edge_once(void **state)
{
	struct fixture *f = *state;
	struct epoll_event events[4];
	char byte = 'x';

	assert_int_equal(waiter_add(&f->waiter, f->pair[0], f), 0);
	assert_int_equal(waiter_wait(&f->waiter, events, 4, 1e6), 1);
	assert_ptr_equal(events[0].data.ptr, f);
	assert_true(events[0].events & EPOLLOUT);
	assert_false(events[0].events & EPOLLIN);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(waiter_wait(&f->waiter, events, 4, 0), 0);
		assert_int_equal(waiter_wait(&f->waiter, events, 4, 1000), 0);
		assert_int_equal(write(f->pair[1], &byte, 1), 1);
		assert_int_equal(waiter_wait(&f->waiter, events, 4, 1e6), 1);
		assert_ptr_equal(events[0].data.ptr, f);
		assert_true(events[0].events & EPOLLIN);
	}
	assert_int_equal(waiter_add(&f->waiter, f->pair[0], f), -EEXIST);
}

static void on_alarm(int number)
{
	(void)number;
}

/* The alarm repeats, so that one that comes before the wait has begun is no trouble. */
static void a_signal_ends_the_wait(void **state)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
	const struct sigaction action = {.sa_handler = on_alarm};
	struct fixture *f = *state;
	struct epoll_event events[4];
	struct sigaction before;
	const uint64_t begin = clock_us();

	sigaction(SIGALRM, &action, &before);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(waiter_wait(&f->waiter, events, 4, 9e5), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	sigaction(SIGALRM, &before, NULL);
	assert_true(clock_us() - begin < 900000);
}

#define BOTH(test)                                                                                 \
	{#test, test, set_up_plain, tear_down, NULL},                                              \
	{                                                                                          \
#test " by timer", test, set_up_timer, tear_down, NULL                             \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(waits_as_long_as_asked),
		BOTH(tells_each_edge_once),
		BOTH(a_signal_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
