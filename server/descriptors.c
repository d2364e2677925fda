#include "server/descriptors.h"

#include "server/backend/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPARE 64 /* listener, epoll, timer, signals, log, and what libraries open */

/* epoll, and the pair by which libevent hears of signals. */
#define OF_A_LOOP 3

uint64_t descriptors_needed(const struct config *c)
{
	return (uint64_t)c->limits_connections + (uint64_t)c->workers_max + SPARE +
	       (c->lab_redis[0] ? BACKEND_LINKS : 0);
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

int descriptors_allow_loop(void)
{
	int fd[OF_A_LOOP], n = 0, error = 0;

	while (n < OF_A_LOOP && !error) {
		/* Of the process's own, so that nothing but the limits can be in the way. */
		fd[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
		if (fd[n] >= 0)
			n++;
		else
			error = -errno;
	}
	while (n > 0)
		(void)close(fd[--n]);
	/* Without a standard error nothing can be told beforehand. */
	return error == -EBADF ? 0 : error;
}
