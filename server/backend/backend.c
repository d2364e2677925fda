#include "server/backend/backend.h"

#include "lib/address.h"
#include "lib/clock.h"
#include "server/backend/backoff.h"
#include "server/backend/calls.h"
#include "server/backend/link.h"
#include "server/backend/reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 1024u
#define PROBE_US 1000000u
/* The loop's clock is coarse, and firing early must not become a spin. */
#define SOON_US 1000u

TAILQ_HEAD(link_list, backend_link);

struct backend {
	struct http_server *server; /* borrowed */
	bool absent;
	char where[ADDRESS_TEXT_BYTES], host[INET6_ADDRSTRLEN];
	int port;
	uint64_t timeout_us;
	struct calls calls;
	struct link_list idle, busy; /* idle: the one that was used last is first */
	unsigned links;
	struct backoff backoff;
	bool silent; /* a call has had no answer at all, and nothing has been heard since */
	/* That call's connection, on which the answer may still come. On no list, but it counts. NULL: it was given up. */
	struct backend_link *probe;
	uint64_t probe_until_us;
	bool serving; /* those that wait */
	struct event *timer;
	uint64_t armed_us; /* 0: it is not */
};

static void on_change(struct backend_link *l, void *arg);
static void place(struct backend *b, struct backend_call *call);

/* --- calls begin and end */

static void publish(struct backend *b)
{
	stats_set(&b->server->stats->calls, b->calls.number);
}

static void arm(struct backend *b)
{
	const struct backend_call *first = TAILQ_FIRST(&b->calls.under_way);
	uint64_t now_us = clock_us();

	if (!first || (b->armed_us != 0 && b->armed_us <= first->deadline_us))
		return;
	uint64_t left_us =
		first->deadline_us > now_us + SOON_US ? first->deadline_us - now_us : SOON_US;
	struct timeval delay = {.tv_sec = (time_t)(left_us / 1000000u),
		.tv_usec = (suseconds_t)(left_us % 1000000u)};
	if (event_add(b->timer, &delay) == 0)
		b->armed_us = first->deadline_us;
}

static void enter(struct backend *b, struct backend_call *call)
{
	calls_enter(&b->calls, call, b->timeout_us);
	publish(b);
	arm(b);
}

static void withdraw(struct backend *b, struct backend_call *call)
{
	calls_leave(&b->calls, call);
	publish(b);
}

static struct backend_reply reply_to(const struct backend_call *call, enum backend_outcome outcome)
{
	return (struct backend_reply){
		.outcome = outcome, .sent_us = call->sent_us, .seen_us = clock_us()};
}

static void hand_over(
	struct backend *b, struct backend_call *call, const struct backend_reply *reply)
{
	struct stats_seat *stats = b->server->stats;

	if (reply->outcome == BACKEND_LATE)
		stats_add(&stats->calls_late, 1);
	else if (reply->outcome != BACKEND_OK && reply->outcome != BACKEND_ABSENT)
		stats_add(&stats->calls_failed, 1);
	if (call->place != BACKEND_NOWHERE)
		withdraw(b, call);
	call->on_reply(call, reply, call->arg);
}

static void fail(struct backend *b, struct backend_call *call, enum backend_outcome outcome,
	const char *reason)
{
	struct backend_reply reply = reply_to(call, outcome);

	(void)snprintf(reply.reason, sizeof(reply.reason), "%s", reason);
	hand_over(b, call, &reply);
}

/* How the connection ended that it was on, or would have been on. */
static void fail_by_end(struct backend *b, struct backend_call *call, const struct link_ending *end)
{
	bool nonsense = end->end == LINK_GARBAGE || end->end == LINK_TOO_MUCH;
	struct backend_reply reply =
		reply_to(call, nonsense ? BACKEND_NONSENSE : BACKEND_UNREACHABLE);

	reason_of_end(reply.reason, sizeof(reply.reason), b->where, end,
		backoff_left_us(&b->backoff, reply.seen_us));
	hand_over(b, call, &reply);
}

/* --- connections */

/* The call that was on it, which is on none now. */
static struct backend_call *take_call(struct backend *b, struct backend_link *l)
{
	struct backend_call *call = l->call;

	if (!call)
		return NULL;
	TAILQ_REMOVE(&b->busy, l, links);
	TAILQ_INSERT_HEAD(&b->idle, l, links);
	l->call = NULL;
	call->link = NULL;
	return call;
}

/* An idle one. */
static void drop_link(struct backend *b, struct backend_link *l)
{
	TAILQ_REMOVE(&b->idle, l, links);
	b->links--;
	link_free(l);
}

static void put_on(struct backend *b, struct backend_link *l, struct backend_call *call)
{
	TAILQ_REMOVE(&b->idle, l, links);
	TAILQ_INSERT_TAIL(&b->busy, l, links);
	l->call = call;
	call->link = l;
	if (l->state != LINK_DEAD)
		link_send(l);
	if (l->state == LINK_DEAD)
		on_change(l, b);
}

static void put_on_new(struct backend *b, struct backend_call *call)
{
	static const struct link_ending no_memory = {.end = LINK_NO_MEMORY};
	struct backend_link *l = link_new(b->server, b->host, b->port, on_change, b);

	if (!l) {
		fail_by_end(b, call, &no_memory);
		return;
	}
	b->links++;
	TAILQ_INSERT_HEAD(&b->idle, l, links);
	put_on(b, l, call);
}

/*
 * A Redis that is frozen accepts nothing, but its kernel does, until its queue is full; and then connecting takes seconds, even
 * after it has come back. So while it is silent, no connections are made but one in PROBE_US, and calls wait.
 */
static unsigned links_allowed(const struct backend *b)
{
	return b->silent ? 1 : BACKEND_LINKS;
}

static void drop_probe(struct backend *b)
{
	struct backend_link *l = b->probe;

	b->probe = NULL;
	b->links--;
	link_free(l);
}

/* An idle one. */
static void make_probe(struct backend *b, struct backend_link *l)
{
	TAILQ_REMOVE(&b->idle, l, links);
	b->silent = true;
	b->probe = l;
	b->probe_until_us = clock_us() + PROBE_US;
}

static void place(struct backend *b, struct backend_call *call)
{
	/* One that met a closed connection is given a fresh one: the other kept ones may be closed as well. */
	const bool fresh = call->again && b->links < links_allowed(b);
	struct backend_link *kept = fresh ? NULL : TAILQ_FIRST(&b->idle);

	if (kept)
		put_on(b, kept, call);
	else if (backoff_left_us(&b->backoff, clock_us()) > 0)
		fail_by_end(b, call, &b->backoff.last);
	else if (b->links < links_allowed(b))
		put_on_new(b, call);
	else
		calls_wait(&b->calls, call);
}

/* What their owners begin meanwhile waits behind them. */
static void serve_waiting(struct backend *b)
{
	struct backend_call *call;

	if (b->serving)
		return;
	if (b->probe && clock_us() >= b->probe_until_us)
		drop_probe(b);
	b->serving = true;
	while ((call = TAILQ_FIRST(&b->calls.waiting)) &&
		(!TAILQ_EMPTY(&b->idle) || b->links < links_allowed(b))) {
		calls_wait_no_more(&b->calls, call);
		place(b, call);
	}
	b->serving = false;
}

/* --- answers */

static void answer(struct backend *b, struct backend_call *call, const struct answer *a,
	uint64_t seen_us, uint64_t came_us)
{
	struct backend_reply reply = {.sent_us = call->sent_us,
		.seen_us = seen_us,
		.came_us = came_us,
		.value = a,
		.rows = a->rows,
		.row = answer_row};

	if (reason_of_answer(reply.reason, sizeof(reply.reason), b->where, a, call->wants_list))
		reply.outcome = BACKEND_NONSENSE;
	else if (a->kind == ANSWER_TEXT)
		reply.text = (struct backend_text){
			.at = a->text.len > 0 ? a->text.data : "", .len = a->text.len};
	hand_over(b, call, &reply);
}

static void take_answer(struct backend *b, struct backend_link *l)
{
	struct answer *a = l->answer;
	uint64_t seen_us = l->seen_us, came_us = l->came_us;
	struct backend_call *call = take_call(b, l);

	l->answer = NULL;
	l->used = true;
	if (l->state == LINK_DEAD)
		drop_link(b, l);
	answer(b, call, a, seen_us, came_us);
	answer_free(a);
}

/* A kept connection may have been closed by Redis before the call came to it: that is nothing that the call's owner needs
 * to know. */
static bool deserves_another(const struct backend_call *call, const struct backend_link *l)
{
	return l->used && !l->ending.heard && !call->again &&
	       (l->ending.end == LINK_CLOSED || l->ending.end == LINK_BROKEN);
}

static void bury(struct backend *b, struct backend_link *l)
{
	struct link_ending end = l->ending;
	struct backend_call *call = take_call(b, l);
	bool again = call && deserves_another(call, l);

	drop_link(b, l);
	if (end.end == LINK_REFUSED)
		backoff_note(&b->backoff, &end, clock_us());
	if (again) {
		call->again = true;
		place(b, call);
	} else if (call) {
		fail_by_end(b, call, &end);
	}
}

static void on_change(struct backend_link *l, void *arg)
{
	struct backend *b = arg;

	if (l->was_open)
		backoff_reset(&b->backoff);
	const bool was_probe = l == b->probe;
	/* Whatever has come, be it the end: it is not silent any more. */
	if (was_probe || l->heard || l->state == LINK_DEAD) {
		b->silent = false;
		if (b->probe)
			drop_probe(b);
	}
	if (was_probe) {
		serve_waiting(b);
		return;
	}
	if (l->answer)
		take_answer(b, l);
	else if (l->state == LINK_DEAD)
		bury(b, l);
	serve_waiting(b);
}

/* --- time */

/* Its connection is closed: what may still come on it would be the answer to this. */
static void abandon(struct backend *b, struct backend_call *call)
{
	struct backend_link *l = call->link;

	if (!l)
		return;
	(void)take_call(b, l);
	drop_link(b, l);
}

/* The same for one that was not answered in time. */
static void abandon_late(struct backend *b, struct backend_call *call)
{
	struct backend_link *l = call->link;

	if (!l || !l->was_open || l->heard || b->probe) {
		abandon(b, call);
		return;
	}
	(void)take_call(b, l);
	make_probe(b, l);
}

static void expire(struct backend *b, struct backend_call *call)
{
	static const struct link_ending timed_out = {.end = LINK_REFUSED, .error = ETIMEDOUT};
	struct backend_reply reply = reply_to(call, BACKEND_LATE);
	const bool connecting = call->link && !call->link->was_open;

	if (connecting)
		backoff_note(&b->backoff, &timed_out, clock_us());
	reason_of_lateness(reply.reason, sizeof(reply.reason), b->where, call, connecting);
	abandon_late(b, call);
	hand_over(b, call, &reply);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct backend *b = arg;
	struct http_server *server = b->server;
	struct backend_call *call;
	(void)fd;
	(void)what;

	http_server_wake(server);
	b->armed_us = 0;
	while ((call = TAILQ_FIRST(&b->calls.under_way)) && call->deadline_us <= server->now_us)
		expire(b, call);
	serve_waiting(b);
	arm(b);
	http_server_settle(server);
}

/* --- the interface */

void backend_start(struct backend *b, struct backend_call *call)
{
	call->sent_us = clock_us();
	call->link = NULL;
	call->again = false;
	call->place = BACKEND_NOWHERE;
	if (b->absent) {
		fail(b, call, BACKEND_ABSENT, "lab.redis is not set");
		return;
	}
	stats_add(&b->server->stats->calls_made, 1);
	if (b->calls.number_waiting >= WAITING_MAX) {
		fail(b, call, BACKEND_CROWDED, "too many calls wait for Redis already");
		return;
	}
	enter(b, call);
	calls_wait(&b->calls, call);
	serve_waiting(b);
}

/* Not from here: those who wait may be answered, which whoever cancels is not prepared for. */
static void wake_waiting(struct backend *b)
{
	struct timeval at_once = {0};

	if (b->calls.number_waiting > 0 && event_add(b->timer, &at_once) == 0)
		b->armed_us = 1;
}

void backend_cancel(struct backend *b, struct backend_call *call)
{
	if (call->place == BACKEND_NOWHERE)
		return;
	abandon(b, call);
	withdraw(b, call);
	wake_waiting(b);
}

void backend_set_timeout(struct backend *b, uint64_t timeout_us)
{
	b->timeout_us = timeout_us;
}

/* hiredis takes the host apart from the port, and without brackets. */
static int take_address(struct backend *b, const char *text)
{
	struct address a;

	if (address_parse(&a, text, false) != 0)
		return -EINVAL;
	(void)address_format(&a, b->where, sizeof(b->where));
	b->port = address_port(&a);
	const void *host = a.storage.ss_family == AF_INET6
				   ? (const void *)&((struct sockaddr_in6 *)&a.storage)->sin6_addr
				   : (const void *)&((struct sockaddr_in *)&a.storage)->sin_addr;
	return inet_ntop(a.storage.ss_family, host, b->host, sizeof(b->host)) ? 0 : -EINVAL;
}

static int init(struct backend *b, struct http_server *server, const char *address)
{
	b->server = server;
	TAILQ_INIT(&b->idle);
	TAILQ_INIT(&b->busy);
	calls_init(&b->calls);
	b->absent = address[0] == '\0';
	if (b->absent)
		return 0;
	b->timer = evtimer_new(server->base, on_timer, b);
	return b->timer ? take_address(b, address) : -ENOMEM;
}

int backend_new(
	struct backend **ret, struct http_server *server, const char *address, uint64_t timeout_us)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->timeout_us = timeout_us;
	int error = init(b, server, address);
	if (error) {
		backend_free(b);
		return error;
	}
	*ret = b;
	return 0;
}

void backend_free(struct backend *b)
{
	struct backend_call *call;
	struct backend_link *l;

	if (!b)
		return;
	while ((call = TAILQ_FIRST(&b->calls.under_way))) {
		abandon(b, call);
		withdraw(b, call);
	}
	while ((l = TAILQ_FIRST(&b->idle)))
		drop_link(b, l);
	if (b->probe)
		drop_probe(b);
	if (b->timer)
		event_free(b->timer);
	free(b);
}

bool backend_is_built(void)
{
	return true;
}
