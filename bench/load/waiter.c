#include "bench/load/waiter.h"

#include <errno.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Longer waits are cut off: the caller comes round and asks again. */
#define LONGEST_US 1e6

static int use_timer(struct waiter *w)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	w->timer = fd;
	return 0;
}

int waiter_init(struct waiter *w, bool by_timer)
{
	int r;

	*w = (struct waiter){.epoll = epoll_create1(EPOLL_CLOEXEC), .timer = -1};
	if (w->epoll < 0)
		return -errno;
	r = by_timer ? use_timer(w) : 0;
	if (r)
		waiter_done(w);
	return r;
}

void waiter_done(struct waiter *w)
{
	if (w->timer >= 0)
		close(w->timer);
	if (w->epoll >= 0)
		close(w->epoll);
	*w = (struct waiter){.epoll = -1, .timer = -1};
}

int waiter_add(struct waiter *w, int fd, void *own)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = own};

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static struct timespec in_timespec(double us)
{
	const long long ns = us <= 0 ? 0 : (long long)((us < LONGEST_US ? us : LONGEST_US) * 1000);

	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Setting the timer again makes it unreadable, so its expirations are never read. */
static int wait_by_timer(
	struct waiter *w, struct epoll_event *events, int most, struct timespec timeout)
{
	const struct itimerspec once = {.it_value = timeout};
	const bool at_once = !timeout.tv_sec && !timeout.tv_nsec;
	int n, kept = 0;

	if (timerfd_settime(w->timer, 0, &once, NULL) < 0)
		return -1;
	n = epoll_wait(w->epoll, events, most, at_once ? 0 : -1);
	for (int i = 0; i < n; i++)
		if (events[i].data.ptr)
			events[kept++] = events[i];
	return n < 0 ? n : kept;
}

int waiter_wait(struct waiter *w, struct epoll_event *events, int most, double timeout_us)
{
	const struct timespec timeout = in_timespec(timeout_us);
	int n = -1;

	if (w->timer < 0) {
		n = epoll_pwait2(w->epoll, events, most, &timeout, NULL);
		/* EPERM: what some sandboxes answer to a call they do not know. */
		if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
			int r = use_timer(w);

			if (r)
				return r;
		}
	}
	if (w->timer >= 0)
		n = wait_by_timer(w, events, most, timeout);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n;
}
