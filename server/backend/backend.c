#include "server/backend/backend.h"

#include "lib/address.h"
#include "lib/clock.h"
#include "server/backend/calls.h"
#include "server/backend/link_pool.h"
#include "server/backend/reason.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 1024u
/* The loop's clock is coarse, and firing early must not become a spin. */
#define SOON_US 1000u

struct backend {
	struct http_server *server; /* borrowed */
	bool absent;
	char where[ADDRESS_TEXT_BYTES], host[INET6_ADDRSTRLEN];
	int port;
	uint64_t timeout_us;
	struct calls calls;
	struct link_pool pool;
	bool serving; /* those that wait */
	struct event *timer;
	uint64_t armed_us; /* 0: it is not */
};

static void on_change(struct backend_link *l, void *arg);
static void place(struct backend *b, struct backend_call *call);
static void expire(struct backend *b, struct backend_call *call);

/* --- calls begin and end */

static void publish(struct backend *b)
{
	stats_set(&b->server->stats->calls, b->calls.number);
}

/* When something has to be done that nobody else begins: the first call's time is over, or another connection may be tried. */
static uint64_t due_us(const struct backend *b)
{
	const struct backend_call *first = TAILQ_FIRST(&b->calls.under_way);
	const bool may_try =
		b->pool.silent && b->calls.number_waiting > 0 && TAILQ_EMPTY(&b->pool.busy);
	uint64_t due = first ? first->deadline_us : UINT64_MAX;

	return may_try && b->pool.trial_us < due ? b->pool.trial_us : due;
}

static void arm(struct backend *b)
{
	uint64_t now_us = clock_us(), due = due_us(b);

	if (due == UINT64_MAX || (b->armed_us != 0 && b->armed_us <= due))
		return;
	uint64_t left_us = due > now_us + SOON_US ? due - now_us : SOON_US;
	struct timeval delay = {.tv_sec = (time_t)(left_us / 1000000u),
		.tv_usec = (suseconds_t)(left_us % 1000000u)};
	if (event_add(b->timer, &delay) == 0)
		b->armed_us = due;
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
		backoff_left_us(&b->pool.backoff, reply.seen_us));
	hand_over(b, call, &reply);
}

/* --- connections */

static void put_on(struct backend *b, struct backend_link *l, struct backend_call *call)
{
	link_pool_assign(&b->pool, l, call);
	if (l->state != LINK_DEAD)
		link_send(l);
	if (l->state == LINK_DEAD)
		on_change(l, b);
}

static void put_on_new(struct backend *b, struct backend_call *call, uint64_t now_us)
{
	static const struct link_ending no_memory = {.end = LINK_NO_MEMORY};
	struct backend_link *l = link_new(b->server, b->host, b->port, on_change, b);

	if (!l) {
		fail_by_end(b, call, &no_memory);
		return;
	}
	link_pool_add(&b->pool, l, now_us);
	put_on(b, l, call);
}

static void place(struct backend *b, struct backend_call *call)
{
	const uint64_t now_us = clock_us();
	const bool may_add = link_pool_may_add(&b->pool, now_us);
	/* One that met a closed connection is given a fresh one: the other kept ones may be closed as well. */
	struct backend_link *kept = call->again && may_add ? NULL : TAILQ_FIRST(&b->pool.idle);

	if (kept)
		put_on(b, kept, call);
	else if (backoff_left_us(&b->pool.backoff, now_us) > 0)
		fail_by_end(b, call, &b->pool.backoff.last);
	else if (may_add)
		put_on_new(b, call, now_us);
	else
		calls_wait(&b->calls, call);
}

/* Who has waited longest; but while Redis is silent who has most time left, for the one connection that is tried. */
static struct backend_call *next_waiting(const struct backend *b)
{
	return b->pool.silent ? TAILQ_LAST(&b->calls.waiting, call_list)
			      : TAILQ_FIRST(&b->calls.waiting);
}

/* What their owners begin meanwhile waits behind them. */
static void serve_waiting(struct backend *b)
{
	struct backend_call *call;

	if (b->serving)
		return;
	b->serving = true;
	while ((call = next_waiting(b)) &&
		(!TAILQ_EMPTY(&b->pool.idle) || link_pool_may_add(&b->pool, clock_us()))) {
		/* The loop was kept for so long. */
		if (call->deadline_us <= clock_us()) {
			expire(b, call);
			continue;
		}
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
	struct backend_call *call = link_pool_release(&b->pool, l);

	l->answer = NULL;
	l->used = true;
	if (l->state == LINK_DEAD)
		link_pool_drop(&b->pool, l);
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
	struct backend_call *call = link_pool_release(&b->pool, l);
	bool again = call && deserves_another(call, l);

	link_pool_drop(&b->pool, l);
	if (end.end == LINK_REFUSED)
		backoff_note(&b->pool.backoff, &end, clock_us());
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

	/* Kept ones say nothing of whether others can be made. */
	if (l->state == LINK_OPEN && !l->used)
		backoff_reset(&b->pool.backoff);
	const bool was_ear = l == b->pool.ear;
	if (link_shows_life(l))
		link_pool_note_life(&b->pool);
	else if (was_ear)
		link_pool_drop_ear(&b->pool);
	if (was_ear) {
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

/* A connection is blamed only if it had half of the call's time: the call may have waited for others before. */
static enum lateness lateness_of(const struct backend_call *call, uint64_t now_us)
{
	const uint64_t half_us = (call->deadline_us - call->sent_us) / 2u;

	if (!call->link || now_us < call->link->sent_us + half_us)
		return LATE_WAITING;
	return call->link->was_open ? LATE_ASKED : LATE_CONNECTING;
}

static void expire(struct backend *b, struct backend_call *call)
{
	static const struct link_ending timed_out = {.end = LINK_REFUSED, .error = ETIMEDOUT};
	struct backend_reply reply = reply_to(call, BACKEND_LATE);
	const uint64_t now_us = clock_us();
	const enum lateness spent = lateness_of(call, now_us);

	if (spent == LATE_CONNECTING)
		backoff_note(&b->pool.backoff, &timed_out, now_us);
	reason_of_lateness(reply.reason, sizeof(reply.reason), b->where, spent,
		call->deadline_us - call->sent_us);
	if (call->link)
		link_pool_give_up(&b->pool, call->link, spent == LATE_ASKED, now_us);
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
	calls_enter(&b->calls, call, b->timeout_us);
	publish(b);
	calls_wait(&b->calls, call);
	serve_waiting(b);
	arm(b);
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
	if (call->link)
		link_pool_give_up(&b->pool, call->link, false, clock_us());
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
	link_pool_init(&b->pool);
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

	if (!b)
		return;
	while ((call = TAILQ_FIRST(&b->calls.under_way))) {
		if (call->link)
			(void)link_pool_release(&b->pool, call->link);
		withdraw(b, call);
	}
	link_pool_close_all(&b->pool);
	if (b->timer)
		event_free(b->timer);
	free(b);
}

bool backend_is_built(void)
{
	return true;
}
