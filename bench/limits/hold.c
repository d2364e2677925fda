/*
 * hold PORT IDLE TRICKLING RAMP_S PERIOD_S: connections to 127.0.0.1 that are a burden, until SIGTERM.
 *
 * IDLE ones ask once for /healthz and then say nothing. TRICKLING ones begin a request and send a byte of it every
 * PERIOD_S. Whoever is closed by the server (408, or idle for too long) comes again at once. They begin one after the
 * other over RAMP_S, and what is sent is spread evenly over time: bursts would be this program's doing, not theirs.
 *
 * Prints "ready" when all are there, and at the end one JSON object. 50 source addresses keep closed connections, whose
 * ports the kernel holds for a minute, from using up the ports.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOURCES 50
#define EVENTS 256
#define LOOK_EVERY 16

static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
static const char begin[] = "GET /?text=A HTTP/1.1\r\nHost: a\r\nX-Slow: ";

struct client {
	int fd; /* -1: none */
	bool trickles, begun;
};

static volatile sig_atomic_t ended;
static struct sockaddr_in server = {.sin_family = AF_INET};
static int poller;
static uint64_t connects, closed, bytes, failed;
static long open_now;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void leave(struct client *c)
{
	(void)close(c->fd);
	c->fd = -1;
	c->begun = false;
	open_now--;
}

static void come(struct client *c, unsigned number)
{
	struct sockaddr_in source = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		failed++;
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&source, sizeof(source)) != 0 ||
		(connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0 &&
			errno != EINPROGRESS) ||
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) {
		failed++;
		(void)close(fd);
		return;
	}
	c->fd = fd;
	connects++;
	open_now++;
}

static void say(struct client *c, const char *text, size_t len)
{
	ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0) {
		c->begun = true;
		bytes += (uint64_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
		closed++;
		leave(c);
	}
}

/* Its turn, which comes once in a period. */
static void act(struct client *c, unsigned number)
{
	if (c->fd < 0)
		come(c, number);
	if (c->fd < 0)
		return;
	if (!c->begun)
		say(c, c->trickles ? begin : ask,
			c->trickles ? sizeof(begin) - 1 : sizeof(ask) - 1);
	else if (c->trickles)
		say(c, "x", 1);
}

/* `client` is the first of all. */
static void listen_to(const struct client *client)
{
	struct epoll_event event[EVENTS];
	char text[4096];
	int n = epoll_wait(poller, event, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct client *c = event[i].data.ptr;
		ssize_t got = recv(c->fd, text, sizeof(text), MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			continue;
		/* An answer to what trickles is a refusal. */
		if (got > 0 && !c->trickles)
			continue;
		closed++;
		leave(c);
		act(c, (unsigned)(c - client));
	}
}

static void wait_until(uint64_t due_us)
{
	struct timespec until = {
		.tv_sec = (time_t)(due_us / 1000000u), .tv_nsec = (long)(due_us % 1000000u) * 1000};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* When a client begins, as a share of the ramp: so that neither neighbours nor those of one moment of the period begin
 * together, by multiples of the golden ratio. */
static double begins(unsigned number)
{
	return (double)(number * 2654435769u) / 4294967296.0;
}

static void hold(struct client *client, unsigned count, double ramp_s, double period_s)
{
	uint64_t began_us = now_us();
	bool told = false;

	for (uint64_t turn = 0; !ended; turn++) {
		unsigned number = (unsigned)(turn % count);
		double due_us = (double)turn * period_s * 1e6 / count;
		struct client *c = &client[number];
		bool quiet = c->begun && !c->trickles;
		bool acts = !quiet && due_us >= ramp_s * 1e6 * begins(number);
		/* This core is the generator's as well: it is left alone where there is nothing to do. */
		bool looks = turn % LOOK_EVERY == 0;
		if (acts || looks)
			wait_until(began_us + (uint64_t)due_us);
		if (acts)
			act(c, number);
		if (looks)
			listen_to(client);
		if (!told && due_us >= ramp_s * 1e6 && number == count - 1) {
			(void)puts("ready");
			(void)fflush(stdout);
			told = true;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	unsigned idle = (unsigned)atoi(argv[2]), trickling = (unsigned)atoi(argv[3]),
		 count = idle + trickling;
	struct sigaction action = {.sa_handler = on_end};

	poller = epoll_create1(EPOLL_CLOEXEC);
	if (count == 0 || poller < 0 || sigaction(SIGTERM, &action, NULL) != 0)
		return 1;
	struct client *client = calloc(count, sizeof(*client));
	if (!client)
		return 1;
	/* Both kinds take turns, each as evenly as its number allows. */
	for (unsigned i = 0; i < count; i++)
		client[i] = (struct client){.fd = -1,
			.trickles = (uint64_t)(i + 1) * trickling / count >
				    (uint64_t)i * trickling / count};
	hold(client, count, atof(argv[4]), atof(argv[5]));
	(void)printf("{\"open\": %ld, \"connects\": %llu, \"closed\": %llu, \"bytes\": %llu, "
		     "\"failed\": %llu}\n",
		open_now, (unsigned long long)connects, (unsigned long long)closed,
		(unsigned long long)bytes, (unsigned long long)failed);
	free(client);
	return 0;
}
