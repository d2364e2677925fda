#include "server/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 65535

static int set_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

int listener_open(const struct address *a)
{
	int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Accepted sockets inherit TCP_NODELAY on Linux, which saves a system call for each. */
	if (set_on(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
		set_on(fd, IPPROTO_TCP, TCP_NODELAY) != 0 ||
		bind(fd, (const struct sockaddr *)&a->storage, a->len) != 0 ||
		listen(fd, BACKLOG) != 0) {
		int error = errno;

		(void)close(fd);
		return -error;
	}
	return fd;
}
