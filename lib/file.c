#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int file_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		const ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_replace(const char *path, const void *data, size_t len)
{
	char temporary[PATH_MAX];
	const int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);

	if (n < 0 || (size_t)n >= sizeof temporary)
		return -ENAMETOOLONG;
	const int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;

	const mode_t mask = umask(0);
	(void)umask(mask);
	int r = fchmod(fd, 0666 & ~mask) < 0 ? -errno : 0;
	if (r == 0)
		r = file_write_all(fd, data, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}
