/*
 * epoll with waits in nanoseconds: epoll_pwait2() (Linux 5.11), or a timerfd beside epoll_wait()
 * where that is refused.
 */
#ifndef QUERN_BENCH_LOAD_WAITER_H
#define QUERN_BENCH_LOAD_WAITER_H

#include <stdbool.h>
#include <sys/epoll.h>

struct waiter {
	int epoll;
	int timer; /* -1 while epoll_pwait2() serves */
};

/* 0 or -errno. by_timer: as if there were no epoll_pwait2(). */
int waiter_init(struct waiter *w, bool by_timer) __attribute__((warn_unused_result));
void waiter_done(struct waiter *w);

/*
 * Edge-triggered, both directions, for the descriptor's life: so that a request costs no
 * epoll_ctl(). `own`, not NULL, comes back as data.ptr. 0 or -errno.
 */
int waiter_add(struct waiter *w, int fd, void *own) __attribute__((warn_unused_result));

/*
 * Waits for at most timeout_us (0 and less: not at all) and returns how many events there are, or
 * -errno. A signal ends the wait with 0 events.
 */
int waiter_wait(struct waiter *w, struct epoll_event *events, int most, double timeout_us)
	__attribute__((warn_unused_result));

#endif
