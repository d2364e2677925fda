#include "server/backend/came.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Behind <time.h>, which the kernel's header needs and does not include. */
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define NS INT64_C(1000000000)
/* Two looks at a clock, with one at the other clock in between, are over sooner, unless the process was interrupted. */
#define CLOSE_NS 20000
#define LOOKS 5
/* Larger than what two readings can be wrong together, smaller than any step that somebody would make. */
#define STEP_NS 100000

void came_ask(int fd)
{
	int what = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &what, sizeof(what));
}

static int64_t read_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS + now.tv_nsec;
}

int64_t came_offset_ns(void)
{
	for (int i = 0; i < LOOKS; i++) {
		int64_t before = read_ns(CLOCK_MONOTONIC);
		int64_t wall = read_ns(CLOCK_REALTIME);
		int64_t after = read_ns(CLOCK_MONOTONIC);

		if (after - before < CLOSE_NS)
			return wall - (before + (after - before) / 2);
	}
	return CAME_NO_OFFSET;
}

static int64_t stamp_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct scm_timestamping stamps;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING ||
			c->cmsg_len < CMSG_LEN(sizeof(stamps)))
			continue;
		memcpy(&stamps, CMSG_DATA(c), sizeof(stamps));
		return (int64_t)stamps.ts[0].tv_sec * NS + stamps.ts[0].tv_nsec;
	}
	return 0;
}

/* MSG_TRUNC: TCP counts the bytes without copying them, so nothing is ever written to `nowhere`. */
int64_t came_peek(int fd, int64_t *ret_ns)
{
	static char nowhere[CAME_BYTES];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct scm_timestamping)) + 64];
	} control;
	struct iovec io = {.iov_base = nowhere, .iov_len = sizeof(nowhere)};
	struct msghdr message = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	*ret_ns = stamp_of(&message);
	return n;
}

static bool has_stepped(int64_t before_ns, int64_t after_ns)
{
	if (before_ns == CAME_NO_OFFSET || after_ns == CAME_NO_OFFSET)
		return true;
	int64_t by_ns = after_ns - before_ns;
	return by_ns > STEP_NS || by_ns < -STEP_NS;
}

uint64_t came_us(
	int64_t stamp_ns, int64_t before_ns, int64_t after_ns, uint64_t sent_us, uint64_t seen_us)
{
	if (stamp_ns == 0 || has_stepped(before_ns, after_ns))
		return 0;
	int64_t at_us = (stamp_ns - after_ns) / 1000;
	int64_t low = (int64_t)sent_us, high = (int64_t)seen_us;
	if (at_us < low - STEP_NS / 1000 || at_us > high + STEP_NS / 1000)
		return 0;
	return (uint64_t)(at_us < low ? low : at_us > high ? high : at_us);
}
