#include "tests/fuzz/virtual.h"

#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BOOTED_US UINT64_C(1000000000)
#define WALL_OFFSET_US UINT64_C(1700000000000000)
#define CALL_US 1u	/* what reading the clock takes */
#define BURN_US 1000u	/* of CPU time, that a look at it takes */
#define DIGEST_US 1000u /* and a digest; */
#define DIGESTS 500u	/* of which this many succeed, so that nobody asks for too many */
#define TIMERS 4

struct virtual_world virtual_world;
static bool on;
static uint64_t cpu_us;
static unsigned digests;
static struct timer {
	int fd;
	uint64_t due_us, every_us; /* 0: not armed; once */
} timers[TIMERS];

int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_nanosleep(
	clockid_t id, int flags, const struct timespec *t, struct timespec *rest);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned *len);
int __real_EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned *len);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

void virtual_begin(bool (*turn)(bool waits))
{
	virtual_world = (struct virtual_world){.turn = turn, .now_us = BOOTED_US};
	memset(timers, 0, sizeof(timers));
	cpu_us = 0;
	digests = 0;
	on = true;
}

void virtual_end(void)
{
	on = false;
}

static int tell(struct timespec *ret, uint64_t us)
{
	ret->tv_sec = (time_t)(us / 1000000u);
	ret->tv_nsec = (long)(us % 1000000u) * 1000;
	return 0;
}

static uint64_t us_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_nsec / 1000u;
}

/* For libevent; our own files have all clocks from below. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	if (!on || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
		return (int)syscall(SYS_clock_gettime, id, ret);
	return tell(ret, virtual_world.now_us);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	if (!on)
		return (int)syscall(SYS_clock_gettime, id, ret);
	virtual_world.now_us += CALL_US;
	switch (id) {
	case CLOCK_REALTIME:
		return tell(ret, virtual_world.now_us + WALL_OFFSET_US);
	case CLOCK_THREAD_CPUTIME_ID:
		virtual_world.now_us += BURN_US;
		cpu_us += BURN_US;
		return tell(ret, cpu_us);
	default:
		return tell(ret, virtual_world.now_us);
	}
}

int __wrap_clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *rest)
{
	uint64_t until = us_of(t) + (flags == TIMER_ABSTIME ? 0 : virtual_world.now_us);
	(void)id;
	(void)rest;

	if (until > virtual_world.now_us)
		virtual_world.now_us = until;
	return 0;
}

int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *context, unsigned char *digest, unsigned *len)
{
	virtual_world.now_us += DIGEST_US;
	return ++digests % DIGESTS == 0 ? 0 : __real_EVP_DigestFinal_ex(context, digest, len);
}

/* The kernel's timer is only ever set to fire at once, by fire(). */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	static const struct itimerspec never;
	uint64_t due_us = us_of(&new->it_value);

	if (due_us > 0 && flags != TFD_TIMER_ABSTIME)
		due_us += virtual_world.now_us;
	for (int i = 0; i < TIMERS; i++) {
		if (timers[i].due_us == 0 || timers[i].fd == fd) {
			timers[i] = (struct timer){fd, due_us, us_of(&new->it_interval)};
			return __real_timerfd_settime(fd, 0, &never, old);
		}
	}
	errno = ENFILE;
	return -1;
}

static void fire(void)
{
	static const struct itimerspec at_once = {.it_value.tv_nsec = 1};

	for (int i = 0; i < TIMERS; i++) {
		struct timer *t = &timers[i];

		if (t->due_us == 0 || t->due_us > virtual_world.now_us)
			continue;
		/* One that is closed by now is nobody's. */
		(void)__real_timerfd_settime(t->fd, 0, &at_once, NULL);
		t->due_us = t->every_us > 0 ? virtual_world.now_us + t->every_us : 0;
	}
}

static void jump(int timeout_ms)
{
	uint64_t until =
		timeout_ms < 0 ? UINT64_MAX : virtual_world.now_us + (uint64_t)timeout_ms * 1000u;

	for (int i = 0; i < TIMERS; i++)
		if (timers[i].due_us > 0 && timers[i].due_us < until)
			until = timers[i].due_us;
	if (until != UINT64_MAX && until > virtual_world.now_us)
		virtual_world.now_us = until;
}

/* Each look for events, by libevent. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	static const sigset_t *const unchanged;

	if (!on)
		return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout_ms, unchanged, 8);
	bool may_jump = virtual_world.turn(timeout_ms != 0);
	fire();
	int n = (int)syscall(SYS_epoll_pwait, fd, events, max, 0, unchanged, 8);
	virtual_world.polls++;
	virtual_world.events += n > 0;
	if (n == 0 && timeout_ms != 0 && may_jump)
		jump(timeout_ms);
	return n;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	if (on && virtual_world.refuse_accept != 0) {
		errno = virtual_world.refuse_accept;
		virtual_world.refuse_accept = 0;
		return -1;
	}
	int client = __real_accept4(fd, address, len, flags);
	if (!on || client < 0)
		return client;
	virtual_world.accepted++;
	if (virtual_world.send_bytes > 0)
		(void)setsockopt(client, SOL_SOCKET, SO_SNDBUF, &virtual_world.send_bytes,
			sizeof(virtual_world.send_bytes));
	return client;
}
