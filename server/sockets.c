#include "server/sockets.h"

#include "lib/address.h"
#include "lib/log.h"
#include "server/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_one(const struct address *a, const char *option)
{
	char text[ADDRESS_TEXT_BYTES];
	int fd = listener_open(a);

	if (fd < 0)
		log_error("cannot listen on %s (%s): %s", address_format(a, text, sizeof(text)),
			option, strerror(-fd));
	return fd;
}

static int open_named(const char *text, const char *option)
{
	struct address a;

	/* The configuration was checked, so this holds. */
	if (address_parse(&a, text, false) != 0)
		return -EINVAL;
	return open_one(&a, option);
}

static int open_slot(const struct config *config, size_t slot)
{
	struct address a;
	uint16_t port = (uint16_t)((size_t)config->workers_base_port + slot);

	if (address_from_host(&a, config->workers_address, port) != 0)
		return -EINVAL;
	return open_one(&a, "workers.address, workers.base_port");
}

static int open_workers(struct sockets *s, const struct config *config)
{
	int failed = 0;

	if (config->balancer_kind == BALANCER_NONE) {
		int shared = open_named(config->balancer_listen, "balancer.listen");

		for (size_t i = 0; i < s->workers; i++)
			s->worker[i] = shared;
		return shared < 0 ? -1 : 0;
	}
	for (size_t i = 0; i < s->workers; i++) {
		s->worker[i] = open_slot(config, i);
		failed |= s->worker[i] < 0;
	}
	return failed ? -1 : 0;
}

int sockets_open(struct sockets *s, const struct config *config, size_t workers)
{
	*s = (struct sockets){.workers = workers, .admin = -1};
	s->worker = calloc(workers, sizeof(*s->worker));
	if (!s->worker) {
		log_error("out of memory");
		return -1;
	}
	int failed = open_workers(s, config);
	s->admin = open_named(config->admin_address, "admin.address");
	if (failed || s->admin < 0) {
		sockets_close(s, -1);
		return -1;
	}
	return 0;
}

static void close_one(int fd, int keep)
{
	if (fd >= 0 && fd != keep)
		(void)close(fd);
}

void sockets_close(struct sockets *s, int keep)
{
	for (size_t i = 0; i < s->workers; i++)
		if (i == 0 || s->worker[i] != s->worker[0])
			close_one(s->worker[i], keep);
	close_one(s->admin, keep);
	free(s->worker);
	*s = (struct sockets){.admin = -1};
}
