#include "server/descriptors.h"

#include <errno.h>
#include <sys/resource.h>

#define SPARE 64 /* listener, epoll, timer, signals, log, and what libraries open */

uint64_t descriptors_needed(const struct config *c)
{
	return (uint64_t)c->limits_connections + (uint64_t)c->workers_max + SPARE;
}

int descriptors_raise(uint64_t need, uint64_t *ret_limit)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -errno;
	if (limit.rlim_cur >= need)
		return 0;
	struct rlimit wanted = {
		.rlim_cur = need, .rlim_max = limit.rlim_max < need ? need : limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
		*ret_limit = limit.rlim_max;
		return -errno;
	}
	return 0;
}
