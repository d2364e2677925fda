/*
 * delay: a TCP proxy that makes a service slower by a known time, as if it were further away, or had more to do.
 *
 *   PORT=6400 DELAY_TO=6379 DELAY_US=2000 delay
 *
 * Listens on 127.0.0.1:PORT; for each connection it opens one to 127.0.0.1:DELAY_TO (else REDIS_PORT, else
 * REDIS_HISTORY_PORT). What the client sends is passed on at once. What the service sends, and the end of what it sends, is
 * held back by DELAY_US (2000) each, counted from when it was read here. Nothing is reordered; connections do not wait for
 * each other.
 *
 * All answers have the same delay, so those that are held back are one queue in the order of their times, and one timer serves
 * it. A client that does not read, or a service that does not, is not read from either once BUFFER_MAX bytes are held.
 */
#include "lib/buffer.h"
#include "lib/number.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536
#define BUFFER_MAX ((size_t)1 << 20)
#define EVENTS 64
#define DELAY_US_MAX 60000000

struct pair;

/* One of the two sockets of a pair, and what is to be written to it. */
struct side {
	struct pair *pair; /* NULL: the listener or the timer */
	int fd;
	uint32_t watched;
	bool connecting, ended; /* ended: it sends no more */
	bool gone;		/* it takes no more either, and is not watched */
	struct buffer out;
	bool end_out; /* after `out`, nothing more is written */
};

/* What the service has sent at a time; no bytes: the end. */
struct chunk {
	STAILQ_ENTRY(chunk) chunks;
	struct pair *pair; /* NULL: it is gone */
	uint64_t due_ns;
	size_t len;
	char data[];
};

struct pair {
	TAILQ_ENTRY(pair) pairs;
	struct side client, service;
	size_t held; /* bytes in chunks */
	bool over;   /* freed at the end of the turn, when no event can name it any more */
};

STAILQ_HEAD(chunk_list, chunk);
TAILQ_HEAD(pair_list, pair);

static struct {
	int poll;
	struct side listener, timer;
	struct chunk_list held;
	struct pair_list pairs, over;
	uint64_t delay_ns;
	uint16_t to;
} proxy;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- pairs */

static struct side *other(struct side *s)
{
	return s == &s->pair->client ? &s->pair->service : &s->pair->client;
}

static void end_pair(struct pair *p)
{
	struct chunk *c;

	if (p->over)
		return;
	p->over = true;
	(void)close(p->client.fd);
	(void)close(p->service.fd);
	STAILQ_FOREACH(c, &proxy.held, chunks)
	if (c->pair == p)
		c->pair = NULL;
	TAILQ_REMOVE(&proxy.pairs, p, pairs);
	TAILQ_INSERT_TAIL(&proxy.over, p, pairs);
}

static void free_over(void)
{
	struct pair *p;

	while ((p = TAILQ_FIRST(&proxy.over))) {
		TAILQ_REMOVE(&proxy.over, p, pairs);
		buffer_done(&p->client.out);
		buffer_done(&p->service.out);
		free(p);
	}
}

/* Reads as long as there is room for what comes; waits to write if there is something to be written. */
static void watch(struct side *s)
{
	size_t ahead = other(s)->out.len + (s == &s->pair->service ? s->pair->held : 0);
	uint32_t wanted = 0;

	if (!s->ended && !s->connecting && ahead < BUFFER_MAX)
		wanted |= EPOLLIN;
	if (s->connecting || s->out.len > 0)
		wanted |= EPOLLOUT;
	if (wanted == s->watched || s->gone)
		return;
	struct epoll_event e = {.events = wanted, .data.ptr = s};
	if (epoll_ctl(proxy.poll, EPOLL_CTL_MOD, s->fd, &e) != 0)
		die("epoll_ctl");
	s->watched = wanted;
}

static void flush(struct side *s)
{
	while (!s->connecting && s->out.len > 0) {
		ssize_t n = send(s->fd, s->out.data, s->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			end_pair(s->pair);
			return;
		}
		buffer_consume(&s->out, (size_t)n);
	}
	if (s->end_out && s->out.len == 0 && !s->connecting)
		(void)shutdown(s->fd, SHUT_WR);
	if (s->out.failed || (s->pair->client.ended && s->pair->client.end_out &&
				     s->pair->client.out.len == 0)) {
		end_pair(s->pair);
		return;
	}
	watch(s);
	watch(other(s));
}

/* --- answers that are held back */

static void arm(void)
{
	const struct chunk *first = STAILQ_FIRST(&proxy.held);
	struct itimerspec at = {0};

	if (first) {
		at.it_value.tv_sec = (time_t)(first->due_ns / 1000000000u);
		at.it_value.tv_nsec = (long)(first->due_ns % 1000000000u);
	}
	if (timerfd_settime(proxy.timer.fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		die("timerfd_settime");
}

static void hold(struct pair *p, const char *data, size_t len)
{
	struct chunk *c = malloc(sizeof(*c) + len);

	if (!c) {
		end_pair(p);
		return;
	}
	*c = (struct chunk){.pair = p, .due_ns = now_ns() + proxy.delay_ns, .len = len};
	memcpy(c->data, data, len);
	p->held += len;
	bool first = STAILQ_EMPTY(&proxy.held);
	STAILQ_INSERT_TAIL(&proxy.held, c, chunks);
	if (first)
		arm();
}

static void release_first(void)
{
	struct chunk *c = STAILQ_FIRST(&proxy.held);
	struct pair *p = c->pair;

	STAILQ_REMOVE_HEAD(&proxy.held, chunks);
	if (p) {
		p->held -= c->len;
		buffer_append(&p->client.out, c->data, c->len);
		p->client.end_out = c->len == 0;
		flush(&p->client);
	}
	free(c);
}

static bool is_due(void)
{
	const struct chunk *first = STAILQ_FIRST(&proxy.held);

	return first && first->due_ns <= now_ns();
}

static void release_due(void)
{
	if (!is_due())
		return;
	while (is_due())
		release_first();
	arm();
}

/* --- what the sockets tell */

static void take_input(struct side *s)
{
	static char data[READ_BYTES];
	struct pair *p = s->pair;
	ssize_t n = recv(s->fd, data, sizeof(data), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	/* An error of the service is its end, which is held back as well. */
	if (n < 0 && s == &p->client) {
		end_pair(p);
		return;
	}
	size_t len = n > 0 ? (size_t)n : 0;
	s->ended = len == 0;
	if (s == &p->service) {
		hold(p, data, len);
		if (!p->over)
			watch(s);
		return;
	}
	buffer_append(&p->service.out, data, len);
	p->service.end_out = s->ended;
	flush(&p->service);
}

/* Both directions are over. What the service has said before may still be held back. */
static void take_leave(struct side *s)
{
	if (s == &s->pair->client) {
		end_pair(s->pair);
		return;
	}
	if (epoll_ctl(proxy.poll, EPOLL_CTL_DEL, s->fd, NULL) != 0)
		die("epoll_ctl");
	s->gone = true;
}

static void on_side(struct side *s, uint32_t events)
{
	if (s->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
			end_pair(s->pair);
			return;
		}
		s->connecting = false;
	}
	if (events & EPOLLOUT)
		flush(s);
	if (!s->pair->over && !s->ended && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		take_input(s);
	else if (!s->pair->over && events & (EPOLLHUP | EPOLLERR))
		take_leave(s);
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void add_side(struct pair *p, struct side *s, int fd)
{
	struct epoll_event e = {.data.ptr = s};
	int one = 1;

	*s = (struct side){.pair = p, .fd = fd};
	buffer_init(&s->out);
	if (fd < 0 || epoll_ctl(proxy.poll, EPOLL_CTL_ADD, fd, &e) != 0)
		die("a connection");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void accept_one(void)
{
	struct sockaddr_in at = loopback(proxy.to);
	/* accept(2): addr may be NULL, which cppcheck 2.10 does not know. */
	/* cppcheck-suppress nullPointer */
	int fd = accept4(proxy.listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pair *p;

	if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
		return;
	p = fd < 0 ? NULL : calloc(1, sizeof(*p));
	if (!p)
		die("a connection");
	TAILQ_INSERT_TAIL(&proxy.pairs, p, pairs);
	add_side(p, &p->client, fd);
	add_side(p, &p->service, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	if (connect(p->service.fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		if (errno != EINPROGRESS) {
			end_pair(p);
			return;
		}
		p->service.connecting = true;
	}
	watch(&p->service);
	watch(&p->client);
}

/* --- from beginning to end */

static int64_t number_from(const char *name, int64_t otherwise, int64_t low, int64_t high)
{
	const char *text = getenv(name);
	int64_t value = otherwise;

	if (text && number_parse_int(&value, text, strlen(text), low, high) != 0) {
		(void)fprintf(stderr, "delay: %s must be a whole number from %lld to %lld\n", name,
			(long long)low, (long long)high);
		exit(2);
	}
	return value;
}

static uint16_t port_from(const char *name)
{
	return (uint16_t)number_from(name, 0, 1, 65535);
}

static void listen_on(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1024) != 0)
		die("cannot listen on PORT");
	proxy.listener.fd = fd;
}

static void watch_input(struct side *s)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};

	if (epoll_ctl(proxy.poll, EPOLL_CTL_ADD, s->fd, &e) != 0)
		die("epoll_ctl");
}

static void begin(void)
{
	uint16_t port = port_from("PORT");

	proxy.to = port_from("DELAY_TO");
	if (proxy.to == 0)
		proxy.to = port_from("REDIS_PORT");
	if (proxy.to == 0)
		proxy.to = port_from("REDIS_HISTORY_PORT");
	if (port == 0 || proxy.to == 0) {
		(void)fprintf(stderr, "delay: PORT and DELAY_TO must be set\n");
		exit(2);
	}
	proxy.delay_ns = (uint64_t)number_from("DELAY_US", 2000, 0, DELAY_US_MAX) * 1000u;
	STAILQ_INIT(&proxy.held);
	TAILQ_INIT(&proxy.pairs);
	TAILQ_INIT(&proxy.over);
	/* The kernel lets a process's timers come 50 us late to save wakeups. */
	(void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	proxy.poll = epoll_create1(EPOLL_CLOEXEC);
	proxy.timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (proxy.poll < 0 || proxy.timer.fd < 0)
		die("cannot begin");
	listen_on(port);
	watch_input(&proxy.listener);
	watch_input(&proxy.timer);
}

int main(void)
{
	struct epoll_event event[EVENTS];

	begin();
	for (;;) {
		int n = epoll_wait(proxy.poll, event, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct side *s = event[i].data.ptr;

			/* What is due goes first, between any two. */
			release_due();
			if (s == &proxy.listener)
				accept_one();
			else if (s->pair && !s->pair->over)
				on_side(s, event[i].events);
		}
		free_over();
	}
}
