#include "server/sockets.h"

#include "lib/address.h"
#include "lib/log.h"
#include "lib/number.h"
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKER_NAME "worker"
#define HIGHEST_SLOT 1023 /* of any configuration there was or will be: workers.max */

/* --- what was inherited */

/* Why this descriptor is none of ours, or NULL: it is a listening TCP socket, set as listener_open() sets them. */
static const char *adopt(int fd)
{
	int listening = 0, protocol = 0;
	socklen_t len = sizeof(listening), protocol_len = sizeof(protocol);

	if (fd <= STDERR_FILENO)
		return "a standard descriptor";
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		return errno == EBADF ? "not an open descriptor" : "not a socket";
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) != 0 ||
		protocol != IPPROTO_TCP || !listening)
		return "not a listening TCP socket";
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return strerror(errno);
	return NULL;
}

static bool is_name(const char *text, size_t len)
{
	static const char *const names[] = {"shared", "admin"};
	const size_t prefix = sizeof(WORKER_NAME) - 1;
	int64_t slot;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && memcmp(text, names[i], len) == 0)
			return true;
	return len > prefix && memcmp(text, WORKER_NAME, prefix) == 0 &&
	       number_parse_int(&slot, text + prefix, len - prefix, 0, HIGHEST_SLOT) == 0;
}

static bool is_known(const struct sockets *s, int fd)
{
	for (size_t i = 0; i < s->heirs; i++)
		if (s->heir[i].fd == fd)
			return true;
	return false;
}

/* Why the word cannot be taken, or NULL: its socket is the table's now. */
static const char *take_word(struct sockets *s, const char *word, size_t len)
{
	const char *equals = memchr(word, '=', len);
	int64_t fd;

	if (!equals || !is_name(word, (size_t)(equals - word)))
		return "not the name of a socket and \"=\"";
	const char *number = equals + 1;
	if (number_parse_int(&fd, number, len - (size_t)(number - word), 0, INT_MAX) != 0)
		return "not a descriptor's number";
	if (is_known(s, (int)fd))
		return "a descriptor that was named before";
	const char *why = adopt((int)fd);
	if (!why)
		s->heir[s->heirs++].fd = (int)fd;
	return why;
}

static size_t count_words(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

/* The words are those of sockets_bequeath(), with one blank between them. */
static int take_inherited(struct sockets *s, const char *text)
{
	s->heir = calloc(count_words(text), sizeof(*s->heir));
	if (!s->heir) {
		log_error("out of memory");
		return -1;
	}
	for (const char *word = text;; word++) {
		size_t len = strcspn(word, " ");
		const char *why = take_word(s, word, len);

		if (why) {
			log_error("%s: at character %zu: %s", SOCKETS_VARIABLE,
				(size_t)(word - text) + 1, why);
			return -1;
		}
		word += len;
		if (!*word)
			return 0;
	}
}

/* The inherited socket that listens on this address, which is then no longer in the list; -1: there is none. */
static int take_bound(struct sockets *s, const struct address *a)
{
	char wanted[ADDRESS_TEXT_BYTES], text[ADDRESS_TEXT_BYTES];

	(void)address_format(a, wanted, sizeof(wanted));
	for (size_t i = 0; i < s->heirs; i++) {
		struct address bound = {.len = sizeof(bound.storage)};
		int fd = s->heir[i].fd;

		if (fd < 0 || getsockname(fd, (struct sockaddr *)&bound.storage, &bound.len) != 0 ||
			strcmp(address_format(&bound, text, sizeof(text)), wanted) != 0)
			continue;
		s->heir[i].fd = -1;
		return fd;
	}
	return -1;
}

void sockets_forget(struct sockets *s)
{
	for (size_t i = 0; i < s->heirs; i++)
		if (s->heir[i].fd >= 0)
			(void)close(s->heir[i].fd);
	free(s->heir);
	s->heir = NULL;
	s->heirs = 0;
}

/* --- opening */

int sockets_init(struct sockets *s, const struct config *config, const char *inherited)
{
	*s = (struct sockets){.shared = -1, .admin = -1};
	s->worker = calloc((size_t)config->workers_max, sizeof(*s->worker));
	if (!s->worker) {
		log_error("out of memory");
		return -1;
	}
	s->slots = (size_t)config->workers_max;
	for (size_t i = 0; i < s->slots; i++)
		s->worker[i] = -1;
	if (inherited && take_inherited(s, inherited) != 0) {
		sockets_close(s, -1);
		return -1;
	}
	return 0;
}

static int open_one(struct sockets *s, const struct address *a, const char *option)
{
	char text[ADDRESS_TEXT_BYTES];
	int fd = take_bound(s, a);

	if (fd < 0)
		fd = listener_open(a);
	if (fd < 0 && !(fd == -EADDRINUSE && s->patient))
		log_error("cannot listen on %s (%s): %s", address_format(a, text, sizeof(text)),
			option, strerror(-fd));
	return fd;
}

/* True: it is open, and was before or is now. */
static bool open_named(struct sockets *s, int *fd, const char *text, const char *option)
{
	struct address a;

	if (*fd >= 0)
		return true;
	int opened = address_parse(&a, text, false);
	if (opened == 0)
		opened = open_one(s, &a, option);
	else
		log_error("%s: not an address: %s", option, text);
	if (opened >= 0)
		*fd = opened;
	return opened >= 0;
}

int sockets_open_common(struct sockets *s, const struct config *config)
{
	bool all = true;

	if (config->balancer_kind == BALANCER_NONE)
		all &= open_named(s, &s->shared, config->balancer_listen, "balancer.listen");
	all &= open_named(s, &s->admin, config->admin_address, "admin.address");
	return all ? 0 : -1;
}

int sockets_open_slot(struct sockets *s, const struct config *config, size_t slot)
{
	static const char option[] = "workers.address, workers.base_port";
	uint16_t port = (uint16_t)((size_t)config->workers_base_port + slot);
	struct address a;

	if (s->worker[slot] >= 0)
		return 0;
	if (s->shared >= 0) {
		s->worker[slot] = s->shared;
		return 0;
	}
	if (address_from_host(&a, config->workers_address, port) != 0) {
		log_error("%s: not an address: %s", option, config->workers_address);
		return -EINVAL;
	}
	int fd = open_one(s, &a, option);
	if (fd < 0)
		return fd;
	s->worker[slot] = fd;
	return 0;
}

/* --- closing, and handing on */

void sockets_close_slot(struct sockets *s, size_t slot)
{
	if (s->shared >= 0 || s->worker[slot] < 0)
		return;
	(void)close(s->worker[slot]);
	s->worker[slot] = -1;
}

static int bequeath(int fd, struct buffer *out)
{
	if (fcntl(fd, F_SETFD, 0) != 0)
		return -errno;
	buffer_printf(out, "=%d ", fd);
	return 0;
}

static int bequeath_named(int fd, const char *name, struct buffer *out)
{
	if (fd < 0)
		return 0;
	buffer_puts(out, name);
	return bequeath(fd, out);
}

static int bequeath_slots(const struct sockets *s, struct buffer *out)
{
	int error = 0;

	for (size_t i = 0; i < s->slots && !error; i++) {
		if (s->worker[i] < 0)
			continue;
		buffer_printf(out, WORKER_NAME "%zu", i);
		error = bequeath(s->worker[i], out);
	}
	return error;
}

int sockets_bequeath(const struct sockets *s, struct buffer *out)
{
	int error =
		s->shared >= 0 ? bequeath_named(s->shared, "shared", out) : bequeath_slots(s, out);

	if (!error)
		error = bequeath_named(s->admin, "admin", out);
	if (!error && out->failed)
		error = -ENOMEM;
	if (!error && out->len > 0)
		out->len--; /* the last blank */
	return error;
}

static void close_one(int fd, int keep)
{
	if (fd >= 0 && fd != keep)
		(void)close(fd);
}

void sockets_close_shared(struct sockets *s)
{
	for (size_t i = 0; i < s->slots; i++)
		if (s->worker[i] == s->shared)
			s->worker[i] = -1;
	close_one(s->shared, -1);
	s->shared = -1;
}

void sockets_close(struct sockets *s, int keep)
{
	for (size_t i = 0; i < s->slots; i++)
		if (s->worker[i] != s->shared)
			close_one(s->worker[i], keep);
	close_one(s->shared, keep);
	close_one(s->admin, keep);
	sockets_forget(s);
	free(s->worker);
	*s = (struct sockets){.shared = -1, .admin = -1};
}
