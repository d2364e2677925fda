#include "server/backend/link.h"

#include "lib/clock.h"
#include "server/backend/came.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Reads of CAME_BYTES, as much as hiredis takes at a time, in a turn while there is more: a bound, and enough for any answer
 * that the lab makes. */
#define READS_PER_TURN 8

/* --- how it ends */

static void die(struct backend_link *l, enum link_end end, int error)
{
	redisAsyncContext *ac = l->ac;

	l->state = LINK_DEAD;
	l->ending.end = end;
	l->ending.error = error;
	l->ending.heard = l->heard;
	l->ac = NULL;
	if (ac)
		redisAsyncFree(ac);
}

static void note_words(struct backend_link *l)
{
	const char *words = l->ac->errstr ? l->ac->errstr : "";

	(void)snprintf(l->ending.text, sizeof(l->ending.text), "%s", words);
}

/* hiredis has found an error, and is about to free its part. */
static enum link_end end_of(const struct backend_link *l)
{
	switch (l->ac->err) {
	case REDIS_ERR_IO:
		return l->was_open ? LINK_BROKEN : LINK_REFUSED;
	case REDIS_ERR_PROTOCOL:
		return LINK_GARBAGE;
	case REDIS_ERR_OOM:
		return l->bound.exceeded ? LINK_TOO_MUCH : LINK_NO_MEMORY;
	default:
		return l->was_open ? LINK_CLOSED : LINK_REFUSED;
	}
}

static void free_events(struct backend_link *l)
{
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	l->readable = l->writable = NULL;
}

/* --- what hiredis calls */

/* Reading is always watched, and writing only if something could not be written at once: see write_now(). */
static void hook_nothing(void *arg)
{
	(void)arg;
}

static void hook_add_write(void *arg)
{
	((struct backend_link *)arg)->wants_write = true;
}

static void hook_del_write(void *arg)
{
	((struct backend_link *)arg)->wants_write = false;
}

static void hook_cleanup(void *arg)
{
	struct backend_link *l = arg;

	free_events(l);
	if (l->state != LINK_DEAD) {
		l->state = LINK_DEAD;
		l->ending.end = end_of(l);
		l->ending.heard = l->heard;
		note_words(l);
	}
	l->ac = NULL;
}

/*
 * Only notes the answer: hiredis is in the midst of its own work. Whatever comes behind an answer was not asked for, and
 * hiredis would assert that it cannot be.
 */
static void on_answer(redisAsyncContext *ac, void *reply, void *unused)
{
	struct backend_link *l = ac->data;
	const redisReader *reader = ac->c.reader;
	(void)unused;

	if (!reply)
		return;
	l->answer = reply;
	l->answer->kept = true;
	if (reader->len > reader->pos)
		redisAsyncFree(ac);
}

/* --- connecting and writing */

static bool is_writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1;
}

static void watch_writing(struct backend_link *l)
{
	if (l->ac && (l->wants_write || l->state == LINK_CONNECTING) &&
		event_add(l->writable, NULL) != 0)
		die(l, LINK_NO_MEMORY, 0);
}

/* The socket takes a command at once, unless the network is slow; so most of them need no turn of the loop for it. */
static void write_now(struct backend_link *l)
{
	if (l->ac && l->state == LINK_OPEN && l->wants_write)
		redisAsyncHandleWrite(l->ac);
	watch_writing(l);
}

/* The kernel has come to an end with connecting. hiredis takes a look for itself when it first writes. */
static void take_connection(struct backend_link *l)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->ac->c.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error) {
		die(l, LINK_REFUSED, error);
		return;
	}
	l->state = LINK_OPEN;
	l->was_open = true;
	if (event_add(l->readable, NULL) != 0)
		die(l, LINK_NO_MEMORY, 0);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct backend_link *l = arg;
	struct http_server *server = l->server;
	bool was_connecting = l->state == LINK_CONNECTING;
	(void)fd;
	(void)what;

	http_server_wake(server);
	if (was_connecting)
		take_connection(l);
	write_now(l);
	if (was_connecting || l->state == LINK_DEAD)
		l->on_change(l, l->arg);
	http_server_settle(server);
}

/* --- reading */

static void note_time(struct backend_link *l)
{
	l->seen_us = clock_us();
	l->came_us =
		came_us(l->stamp_ns, l->offset_ns, came_offset_ns(), l->call->sent_us, l->seen_us);
}

/* One read. True: there may be more of the answer right away. */
static bool read_once(struct backend_link *l)
{
	int64_t n = came_peek(l->ac->c.fd, &l->stamp_ns);

	if (n == -EAGAIN || n == -EINTR)
		return false;
	if (n < 0) {
		/* The peek has taken the error, and reading would find an end only. */
		die(l, LINK_BROKEN, (int)-n);
		return false;
	}
	l->heard = l->heard || n > 0;
	redisAsyncHandleRead(l->ac);
	if (l->answer)
		note_time(l);
	else if (l->ac && l->ac->c.reader->len > ANSWER_BYTES_MAX)
		die(l, LINK_TOO_MUCH, 0);
	return l->state == LINK_OPEN && !l->answer && n == CAME_BYTES;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct backend_link *l = arg;
	struct http_server *server = l->server;
	const bool was_heard = l->heard;
	(void)fd;
	(void)what;

	http_server_wake(server);
	/* Nothing was asked, so it is the end, or nonsense. */
	if (!l->call)
		die(l, LINK_CLOSED, 0);
	for (int i = 0; i < READS_PER_TURN && l->state == LINK_OPEN; i++)
		if (!read_once(l))
			break;
	if (l->state == LINK_DEAD || l->answer || (l->heard && !was_heard))
		l->on_change(l, l->arg);
	http_server_settle(server);
}

bool link_shows_life(const struct backend_link *l)
{
	const int error = l->ending.error;

	if (l->state != LINK_DEAD)
		return l->heard;
	return l->ending.end != LINK_NO_MEMORY && error != ETIMEDOUT && error != EHOSTUNREACH &&
	       error != ENETUNREACH;
}

/* --- from beginning to end */

static void attach(struct backend_link *l)
{
	redisAsyncContext *ac = l->ac;

	ac->data = l;
	ac->ev.data = l;
	ac->ev.addRead = ac->ev.delRead = hook_nothing;
	ac->ev.addWrite = hook_add_write;
	ac->ev.delWrite = hook_del_write;
	ac->ev.cleanup = hook_cleanup;
	ac->c.reader->fn = &answer_functions;
	ac->c.reader->privdata = &l->bound;
	(void)fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
	came_ask(ac->c.fd);
	l->readable = event_new(l->server->base, ac->c.fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(l->server->base, ac->c.fd, EV_WRITE, on_writable, l);
}

static void begin(struct backend_link *l, const char *host, int port)
{
	l->ac = redisAsyncConnect(host, port);
	if (!l->ac || !l->ac->c.reader) {
		die(l, LINK_NO_MEMORY, 0);
		return;
	}
	if (l->ac->err) {
		note_words(l);
		die(l, LINK_REFUSED, 0);
		return;
	}
	attach(l);
	if (!l->readable || !l->writable) {
		die(l, LINK_NO_MEMORY, 0);
		return;
	}
	/* On this host, connections are made, or refused, by the time that connect(2) returns. */
	if (is_writable(l->ac->c.fd))
		take_connection(l);
	watch_writing(l);
}

struct backend_link *link_new(struct http_server *server, const char *host, int port,
	void (*on_change)(struct backend_link *l, void *arg), void *arg)
{
	struct backend_link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->server = server;
	l->on_change = on_change;
	l->arg = arg;
	l->state = LINK_CONNECTING;
	begin(l, host, port);
	return l;
}

void link_free(struct backend_link *l)
{
	if (l->ac)
		die(l, LINK_CLOSED, 0);
	answer_free(l->answer);
	free(l);
}

void link_send(struct backend_link *l)
{
	const struct backend_call *call = l->call;
	const char *word[BACKEND_WORDS];
	size_t len[BACKEND_WORDS];

	for (unsigned i = 0; i < call->words; i++) {
		word[i] = call->word[i].at;
		len[i] = call->word[i].len;
	}
	l->heard = false;
	l->sent_us = clock_us();
	l->offset_ns = came_offset_ns();
	if (redisAsyncCommandArgv(l->ac, on_answer, NULL, (int)call->words, word, len) !=
		REDIS_OK) {
		die(l, LINK_NO_MEMORY, 0);
		return;
	}
	write_now(l);
}
