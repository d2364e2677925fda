/* For test_backend*.c: a backend on a loop, one question to it, and a Redis whose answers the test writes itself. */
#ifndef QUERN_TESTS_BACKEND_FIXTURE_H
#define QUERN_TESTS_BACKEND_FIXTURE_H

#include "lib/clock.h"
#include "server/backend/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIXTURE_PATIENCE_US 10000000u
#define FIXTURE_CLIENTS 80

struct fixture {
	struct event_base *base;
	struct stats_seat seat;
	struct http_server server; /* only what the backend uses of it */
	struct backend *backend;
	char address[32];
	/* The fake Redis. */
	uint16_t port;
	int listener;
	int client[FIXTURE_CLIENTS]; /* in the order of their coming */
	int clients, accepted;
	int current;	/* index of the client that is spoken to; -1: the next that comes */
	int stuffed[4]; /* connections that fill the listener's queue */
	char taken[4096];
};

/* A call and what came of it. */
struct ask {
	struct backend_call call;
	struct fixture *f;
	int rounds; /* calls in series; 0: one */
	bool over, nil;
	enum backend_outcome outcome;
	size_t rows;
	char reason[160], text[256];
	uint64_t sent_us, seen_us, came_us;
};

static inline void pause_us(uint64_t us)
{
	struct timespec t = {
		.tv_sec = (time_t)(us / 1000000u), .tv_nsec = (long)(us % 1000000u) * 1000};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		continue;
}

static inline void turn(struct fixture *f)
{
	assert_true(event_base_loop(f->base, EVLOOP_NONBLOCK) >= 0);
}

static inline void wait_for(struct fixture *f, const struct ask *ask)
{
	uint64_t until_us = clock_us() + FIXTURE_PATIENCE_US;

	while (!ask->over) {
		assert_true(clock_us() < until_us);
		turn(f);
		pause_us(50);
	}
}

/* --- the call */

static inline void ask_note(struct ask *ask, const struct backend_reply *r)
{
	size_t at = 0;

	ask->outcome = r->outcome;
	ask->rows = r->rows;
	ask->nil = !r->text.at;
	ask->sent_us = r->sent_us;
	ask->seen_us = r->seen_us;
	ask->came_us = r->came_us;
	memcpy(ask->reason, r->reason, sizeof(ask->reason));
	ask->text[0] = '\0';
	if (r->text.at)
		(void)snprintf(ask->text, sizeof(ask->text), "%.*s", (int)r->text.len, r->text.at);
	for (size_t i = 0; r->outcome == BACKEND_OK && i < r->rows && at < sizeof(ask->text); i++) {
		struct backend_text row = r->row(r, i);
		at += (size_t)snprintf(ask->text + at, sizeof(ask->text) - at, "%.*s|",
			row.at ? (int)row.len : 1, row.at ? row.at : "-");
	}
}

static inline void ask_on_reply(
	struct backend_call *call, const struct backend_reply *reply, void *arg)
{
	struct ask *ask = arg;

	assert_false(ask->over);
	ask_note(ask, reply);
	if (reply->outcome == BACKEND_OK && ask->rounds > 1) {
		ask->rounds--;
		backend_start(ask->f->backend, call);
		return;
	}
	ask->over = true;
}

static inline struct backend_text ask_word(const char *word)
{
	return (struct backend_text){.at = word, .len = strlen(word)};
}

static inline void ask_get(struct fixture *f, struct ask *ask, const char *key)
{
	ask->over = false;
	ask->f = f;
	ask->call = (struct backend_call){.word = {ask_word("GET"), ask_word(key)},
		.words = 2,
		.on_reply = ask_on_reply,
		.arg = ask};
	backend_start(f->backend, &ask->call);
}

static inline void ask_list(struct fixture *f, struct ask *ask, const char *key)
{
	ask->over = false;
	ask->f = f;
	ask->call = (struct backend_call){
		.word = {ask_word("LRANGE"), ask_word(key), ask_word("0"), ask_word("-1")},
		.words = 4,
		.wants_list = true,
		.on_reply = ask_on_reply,
		.arg = ask};
	backend_start(f->backend, &ask->call);
}

/* What the reason says of the next attempt to connect, ms. */
static inline unsigned long ask_next_attempt_ms(const struct ask *ask)
{
	const char *said = strstr(ask->reason, "refused the connection; the next attempt is in ");

	assert_non_null(said);
	return strtoul(strpbrk(said, "0123456789"), NULL, 10);
}

/* --- the fake Redis */

static inline struct sockaddr_in fake_address(const struct fixture *f)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(f->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void fake_listen_with(struct fixture *f, int backlog)
{
	struct sockaddr_in at = fake_address(f);
	socklen_t len = sizeof(at);
	int one = 1;

	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, backlog), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
	f->port = ntohs(at.sin_port);
}

static inline void fake_listen(struct fixture *f)
{
	fake_listen_with(f, 256);
}

static inline void fake_stop_listening(struct fixture *f)
{
	if (f->listener >= 0)
		(void)close(f->listener);
	f->listener = -1;
}

/* The client at `current` is gone, or has never been there: from now on the next that comes. */
static inline void fake_forget(struct fixture *f)
{
	(void)close(f->client[f->current]);
	f->clients--;
	memmove(&f->client[f->current], &f->client[f->current + 1],
		(size_t)(f->clients - f->current) * sizeof(int));
	f->current = -1;
}

static inline void fake_close(struct fixture *f)
{
	assert_true(f->current >= 0);
	fake_forget(f);
}

static inline bool fake_accept(struct fixture *f)
{
	/* accept(2): addr may be NULL, which cppcheck 2.10 does not know. */
	/* cppcheck-suppress nullPointer */
	int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	assert_true(f->clients < FIXTURE_CLIENTS);
	f->client[f->clients++] = fd;
	f->accepted++;
	return true;
}

static inline void fake_accept_all(struct fixture *f)
{
	while (fake_accept(f))
		continue;
}

static inline void fake_has_accepted(struct fixture *f, int number)
{
	turn(f);
	fake_accept_all(f);
	assert_int_equal(f->accepted, number);
}

static inline void fake_use(struct fixture *f, int which)
{
	f->current = which;
}

static inline void fake_close_all(struct fixture *f)
{
	while (f->clients > 0) {
		f->current = f->clients - 1;
		fake_forget(f);
	}
}

/* Whether the other side has closed; what it sent is read. */
static inline bool fake_has_ended(struct fixture *f, int which)
{
	ssize_t n;

	while ((n = recv(f->client[which], f->taken, sizeof(f->taken), 0)) > 0)
		continue;
	return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static inline void fake_drop_ended(struct fixture *f)
{
	for (int i = f->clients - 1; i >= 0; i--)
		if (fake_has_ended(f, i)) {
			f->current = i;
			fake_forget(f);
		}
}

static inline void fake_wait_end(struct fixture *f)
{
	uint64_t until_us = clock_us() + FIXTURE_PATIENCE_US;

	assert_true(f->current >= 0);
	while (!fake_has_ended(f, f->current)) {
		assert_true(clock_us() < until_us);
		turn(f);
		pause_us(50);
	}
	fake_forget(f);
}

/* What the client has sent, waiting for the first of it. A client that was there and has left gives way to the next. */
static inline const char *fake_take(struct fixture *f)
{
	uint64_t until_us = clock_us() + FIXTURE_PATIENCE_US;

	for (;;) {
		assert_true(clock_us() < until_us);
		turn(f);
		if (f->current < 0 && fake_accept(f))
			f->current = f->clients - 1;
		if (f->current < 0)
			continue;
		ssize_t n = recv(f->client[f->current], f->taken, sizeof(f->taken) - 1, 0);
		if (n > 0) {
			f->taken[n] = '\0';
			return f->taken;
		}
		if (n == 0)
			fake_forget(f);
	}
}

/* Writes as much as there is room for. */
static inline size_t fake_pour(struct fixture *f, const char *data, size_t len)
{
	ssize_t n = send(f->client[f->current], data, len, MSG_NOSIGNAL);

	return n > 0 ? (size_t)n : 0;
}

static inline void fake_write(struct fixture *f, const char *data, size_t len)
{
	assert_int_equal(fake_pour(f, data, len), len);
}

static inline void fake_say(struct fixture *f, const char *text)
{
	fake_write(f, text, strlen(text));
}

static inline void fake_answer(struct fixture *f, const char *text)
{
	(void)fake_take(f);
	fake_say(f, text);
}

static inline void fake_take_and_close(struct fixture *f)
{
	uint64_t until_us = clock_us() + FIXTURE_PATIENCE_US;

	while (!fake_accept(f)) {
		assert_true(clock_us() < until_us);
		turn(f);
	}
	f->current = f->clients - 1;
	fake_forget(f);
}

/* Connections are neither made nor refused any more: the listener's queue is full. */
static inline void fake_refuse_quietly(struct fixture *f)
{
	struct sockaddr_in at = fake_address(f);

	fake_close_all(f);
	fake_stop_listening(f);
	for (int i = 0; i < 10; i++)
		turn(f);
	fake_listen_with(f, 0);
	for (size_t i = 0; i < sizeof(f->stuffed) / sizeof(f->stuffed[0]); i++) {
		f->stuffed[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(f->stuffed[i], (struct sockaddr *)&at, sizeof(at));
	}
}

/* --- from beginning to end */

static inline int fixture_begin(void **state)
{
	/* The seat in it begins a cache line, which calloc() does not promise. */
	struct fixture *f = aligned_alloc(_Alignof(struct fixture), sizeof(*f));

	if (!f)
		return -1;
	memset(f, 0, sizeof(*f));
	(void)signal(SIGPIPE, SIG_IGN);
	f->current = f->listener = -1;
	for (size_t i = 0; i < sizeof(f->stuffed) / sizeof(f->stuffed[0]); i++)
		f->stuffed[i] = -1;
	fake_listen(f);
	f->base = event_base_new();
	f->server = (struct http_server){.base = f->base, .stats = &f->seat, .closed = true};
	TAILQ_INIT(&f->server.dead);
	(void)snprintf(f->address, sizeof(f->address), "127.0.0.1:%u", f->port);
	*state = f;
	return backend_new(&f->backend, &f->server, f->address, 5000000);
}

static inline int fixture_end(void **state)
{
	struct fixture *f = *state;

	backend_free(f->backend);
	fake_close_all(f);
	fake_stop_listening(f);
	for (size_t i = 0; i < sizeof(f->stuffed) / sizeof(f->stuffed[0]); i++)
		if (f->stuffed[i] >= 0)
			(void)close(f->stuffed[i]);
	event_base_free(f->base);
	free(f);
	return 0;
}

#endif
