#include "server/check.h"

#include "server/backend/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void summarize_workers(const struct config *c, struct buffer *out)
{
	const int64_t count = config_worker_count(c);
	const int64_t first = c->workers_base_port;

	buffer_printf(out, "%" PRId64 " worker%s on ", count, count == 1 ? "" : "s");
	if (c->balancer_kind == BALANCER_NONE)
		buffer_printf(out, "%s, without a balancer", c->balancer_listen);
	else if (count == 1)
		buffer_printf(out, "%s, port %" PRId64, c->workers_address, first);
	else
		buffer_printf(out, "%s, ports %" PRId64 " to %" PRId64, c->workers_address, first,
			first + count - 1);
}

void check_summarize(const struct config *c, struct buffer *out)
{
	summarize_workers(c, out);
	if (c->balancer_kind == BALANCER_HAPROXY)
		buffer_printf(out, "; balancer on %s", c->balancer_listen);
	buffer_printf(out, "; status on %s", c->admin_address);
}

/* 0 or -errno. Does not wait where the path is a pipe. */
static int try_open(const char *path, int flags)
{
	const int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : close(fd);
}

/* Whether a file of that path could be made. 0 or -errno. */
static int try_create(const char *path)
{
	char directory[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');

	if (slash) {
		const int len = slash == path ? 1 : (int)(slash - path);
		if (snprintf(directory, sizeof directory, "%.*s", len, path) >=
			(int)sizeof directory)
			return -ENAMETOOLONG;
	}
	return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

void check_files(const struct config *c, struct buffer *warnings)
{
	if (c->balancer_kind == BALANCER_HAPROXY && *c->balancer_certificate) {
		const int error = try_open(c->balancer_certificate, O_RDONLY);
		if (error < 0)
			buffer_printf(warnings, "balancer.certificate: \"%s\" cannot be read: %s\n",
				c->balancer_certificate, strerror(-error));
	}
	if (strcmp(c->log_destination, "stderr") != 0) {
		int error = try_open(c->log_destination, O_WRONLY | O_APPEND);
		if (error == -ENOENT)
			error = try_create(c->log_destination);
		if (error < 0)
			buffer_printf(warnings,
				"log.destination: \"%s\" cannot be appended to: %s\n",
				c->log_destination, strerror(-error));
	}
	if (*c->lab_redis && !backend_is_built())
		buffer_printf(warnings,
			"lab.redis: \"%s\" has no effect: this program was built without "
			"hiredis\n",
			c->lab_redis);
}
