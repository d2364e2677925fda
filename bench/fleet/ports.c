#include "bench/fleet/ports.h"

#include "lib/clock.h"
#include "lib/random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOWEST 10000u
#define HIGHEST 32767u
#define TRIES 1000

static bool is_free(uint16_t port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	const bool bound = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
			   bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
			   listen(fd, 1) == 0;
	(void)close(fd);
	return bound;
}

static bool all_free(unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!is_free((uint16_t)(first + i)))
			return false;
	return true;
}

int ports_find(unsigned count, uint16_t *ret_first)
{
	struct random r;
	uint64_t seed;

	/* Two labs at once look in different places. */
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
		seed = clock_us() ^ (uint64_t)getpid() << 40;
	random_init(&r, seed, 0);
	for (int i = 0; i < TRIES && count <= HIGHEST - LOWEST; i++) {
		const unsigned first =
			LOWEST + (unsigned)random_below(&r, HIGHEST - LOWEST - count + 1);

		if (all_free(first, count)) {
			*ret_first = (uint16_t)first;
			return 0;
		}
	}
	return -EADDRINUSE;
}
