#include "tests/fuzz/clients.h"

#include "tests/fuzz/require.h"
#include "tests/fuzz/virtual.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PLACES 8 /* clients at a time */
#define QUIET_TURNS 3
/* More of either, after the input's end, and the server turns without cause. */
#define EVENTS_MAX 20000
#define POLLS_MAX 100000

struct clients clients;

static struct {
	struct client *place[PLACES], *now;
	struct sockaddr_un address;
	socklen_t address_len;
	int listener;
	unsigned events, polls; /* when the input was used up */
	void (*command)(uint8_t what);
	void (*end)(void);
} run;

static void connect_client(void)
{
	struct client *c = &clients.client[clients.count];

	if (clients.count == CLIENTS_MAX)
		return;
	*c = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	REQUIRE(c->fd >= 0);
	if (connect(c->fd, (const struct sockaddr *)&run.address, run.address_len) != 0) {
		/* The backlog is full. */
		REQUIRE(errno == EAGAIN);
		(void)close(c->fd);
		return;
	}
	clients.count++;
	run.now = c;
}

static void choose(unsigned place)
{
	run.now = run.place[place];
	if (run.now && run.now->fd >= 0)
		return;
	run.now = NULL;
	connect_client();
	run.place[place] = run.now;
}

/* All that has come. */
static void read_client(struct client *c)
{
	char bytes[4096];
	ssize_t n;

	while (c->fd >= 0 && (n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buffer_append(&c->got, bytes, (size_t)n);
}

static size_t read_all(void)
{
	size_t n = 0;

	for (unsigned i = 0; i < clients.count; i++) {
		struct client *c = &clients.client[i];

		n -= c->got.len;
		read_client(c);
		n += c->got.len;
	}
	return n;
}

static void send_piece(void)
{
	const size_t left = (size_t)(clients.end - clients.at);
	const uint8_t *end = memchr(clients.at, '~', left);
	const size_t len = end ? (size_t)(end - clients.at) : left;

	if (!run.now || run.now->fd < 0)
		choose(0);
	if (run.now) {
		ssize_t n = send(run.now->fd, clients.at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			buffer_append(&run.now->sent, clients.at, (size_t)n);
	}
	clients.at += len;
}

static void leave(struct client *c, bool wholly)
{
	c->left = true;
	if (!wholly) {
		(void)shutdown(c->fd, SHUT_WR);
		return;
	}
	(void)close(c->fd);
	c->fd = -1;
}

static uint8_t next_byte(void)
{
	const uint8_t *byte = clients_take(1);

	return byte ? *byte : 0;
}

static void pass_time(uint8_t choice)
{
	static const uint64_t us[] = {10, 1000, 50000, 1000000, 7000000, 60000000};

	virtual_world.now_us += us[choice % (sizeof(us) / sizeof(us[0]))];
}

static void fail_accept(uint8_t choice)
{
	static const int errors[] = {EMFILE, ECONNABORTED, ENOMEM, EINTR, EPROTO, ENFILE};

	clients.faults = true;
	virtual_world.refuse_accept = errors[choice % (sizeof(errors) / sizeof(errors[0]))];
}

static void client_command(uint8_t what)
{
	if (!run.now || run.now->fd < 0)
		return;
	if (what == 'r')
		read_client(run.now);
	else
		leave(run.now, what == 'x');
}

static void step(void)
{
	if (*clients.at != '~') {
		send_piece();
		return;
	}
	clients.at++;
	const uint8_t what = next_byte();
	if (what >= '0' && what < '0' + PLACES)
		choose(what - '0');
	else if (what == 't')
		pass_time(next_byte());
	else if (what == 'e')
		fail_accept(next_byte());
	else if (what == 'r' || what == 'h' || what == 'x')
		client_command(what);
	else
		run.command(what);
}

/* After the input: nothing but reading, until nothing comes. */
static void finish(bool waits)
{
	const bool quiet = read_all() == 0 && waits;

	clients.quiet = quiet ? clients.quiet + 1 : 0;
	if (clients.quiet > QUIET_TURNS && !clients.ended)
		run.end();
}

static bool turn(bool waits)
{
	if (clients.at < clients.end) {
		step();
		run.events = virtual_world.events;
		run.polls = virtual_world.polls;
		return false;
	}
	finish(waits);
	REQUIRE(virtual_world.events - run.events < EVENTS_MAX);
	REQUIRE(virtual_world.polls - run.polls < POLLS_MAX);
	return clients.quiet > QUIET_TURNS;
}

static void listen_somewhere(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};

	run.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	REQUIRE(run.listener >= 0);
	/* unix(7): with the family alone, the kernel finds a name. */
	REQUIRE(bind(run.listener, (const struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
	REQUIRE(listen(run.listener, 16) == 0);
	run.address_len = sizeof(run.address);
	REQUIRE(getsockname(run.listener, (struct sockaddr *)&run.address, &run.address_len) == 0);
}

int clients_begin(
	const uint8_t *data, size_t size, void (*command)(uint8_t what), void (*end)(void))
{
	clients = (struct clients){.at = data, .end = data + size};
	memset(&run, 0, sizeof(run));
	run.command = command;
	run.end = end;
	listen_somewhere();
	virtual_begin(turn);
	/* The worker closes its own copy; the master keeps one for as long as the slot is in use. */
	int copy = dup(run.listener);
	REQUIRE(copy >= 0);
	return copy;
}

const uint8_t *clients_take(size_t n)
{
	const uint8_t *at = clients.at;

	if ((size_t)(clients.end - at) < n)
		return NULL;
	clients.at += n;
	return at;
}

void clients_mark(void)
{
	if (clients.ended)
		return;
	clients.ended = true;
	clients.marked = clients.count;
	for (unsigned i = 0; i < clients.count; i++)
		clients.client[i].marked = clients.client[i].sent.len;
}

void clients_end(void)
{
	(void)read_all();
	virtual_end();
}

void clients_done(void)
{
	for (unsigned i = 0; i < clients.count; i++) {
		struct client *c = &clients.client[i];

		if (c->fd >= 0)
			(void)close(c->fd);
		buffer_done(&c->sent);
		buffer_done(&c->got);
	}
	(void)close(run.listener);
}

unsigned clients_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}
