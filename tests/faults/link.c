#include "tests/faults/link.h"

#include "lib/clock.h"
#include "tests/faults/answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define READ_BYTES 65536u

int links_init(struct links *s, struct tally *tally, size_t keep, size_t max)
{
	*s = (struct links){.tally = tally, .keep = keep, .max = max};
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	s->all = calloc(max, sizeof(struct link *));
	if (!s->all) {
		close(s->epoll);
		return -ENOMEM;
	}
	return 0;
}

bool links_busy(const struct links *s)
{
	return s->count > s->idle;
}

/* --- the list of idle connections; whoever has been idle longest is used first, so that all are in use */

static bool is_idle(const struct link *l)
{
	return l->requests == 0 && !l->connecting;
}

static void idle_add(struct links *s, struct link *l)
{
	l->older = s->newest;
	l->newer = NULL;
	if (s->newest)
		s->newest->newer = l;
	else
		s->oldest = l;
	s->newest = l;
	s->idle++;
}

static void idle_remove(struct links *s, struct link *l)
{
	if (s->oldest == l)
		s->oldest = l->newer;
	else
		l->older->newer = l->newer;
	if (s->newest == l)
		s->newest = l->older;
	else
		l->newer->older = l->older;
	s->idle--;
}

/* --- ends */

/* Of a connection that is not in the list of idle ones. */
static void link_close(struct links *s, struct link *l)
{
	s->paused -= l->out_stop > 0;
	s->all[l->index] = s->all[--s->count];
	s->all[l->index]->index = l->index;
	close(l->fd);
	free(l->in);
	free(l->out);
	free(l);
}

void links_done(struct links *s)
{
	while (s->count > 0)
		link_close(s, s->all[0]);
	free(s->all);
	close(s->epoll);
}

static void tell(struct links *s, const struct link *l, const struct request *r,
	enum outcome outcome, const char *detail, const struct answer *a)
{
	const struct ending e = {.outcome = outcome,
		.detail = detail,
		.target = r->target,
		.answer = a,
		.intended_us = r->intended_us,
		.sent_us = r->sent_us,
		.opened_us = l ? l->opened_us : 0,
		.asked_before = l ? l->answered : 0,
		.port = l ? l->port : 0,
		.bytes = l ? l->in_bytes : 0};

	if (tally_add(s->tally, &e, clock_us()) != 0)
		s->failure = -ENOMEM;
}

/* All that was asked on it has come to nothing. */
static void link_fail(struct links *s, struct link *l, enum outcome outcome, const char *detail)
{
	const bool silent = l->in_bytes == 0 && (outcome == RESET || outcome == CLOSED);

	for (unsigned i = 0; i < l->requests; i++) {
		const struct request *r = &l->request[i];
		const bool raced = silent && l->answered > 0 &&
				   (r->sent_us == 0 || clock_us() - r->sent_us < TALLY_RACE_US);

		tell(s, l, r, raced ? RACED : outcome, detail, NULL);
	}
	link_close(s, l);
}

/* The peer has ended it: quietly where nothing was asked. */
static void link_ended(struct links *s, struct link *l, int error)
{
	if (l->connecting) {
		link_fail(s, l, REFUSED, strerrorname_np(error));
	} else if (is_idle(l)) {
		s->tally->idle_closed++;
		idle_remove(s, l);
		link_close(s, l);
	} else {
		link_fail(s, l, error ? RESET : CLOSED, error ? strerrorname_np(error) : NULL);
	}
}

/* --- sending */

static bool make_room(char **bytes, size_t *room, size_t need)
{
	if (*bytes && need <= *room)
		return true;
	char *more = realloc(*bytes, 2 * need);
	if (!more)
		return false;
	*bytes = more;
	*room = 2 * need;
	return true;
}

/* False: the connection has gone. */
static bool link_send(struct links *s, struct link *l)
{
	const size_t stop = l->out_stop ? l->out_stop : l->out_bytes;
	const uint64_t now_us = clock_us();

	for (unsigned i = 0; i < l->requests; i++)
		if (l->request[i].sent_us == 0)
			l->request[i].sent_us = now_us;
	while (l->out_sent < stop) {
		const ssize_t n =
			send(l->fd, l->out + l->out_sent, stop - l->out_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			link_ended(s, l, errno);
			return false;
		}
		l->out_sent += (size_t)n;
	}
	return true;
}

void links_resume(struct links *s, uint64_t now_us)
{
	for (size_t i = s->count; s->paused > 0 && i-- > 0;) {
		struct link *l = s->all[i];

		if (l->out_stop == 0 || l->connecting || now_us < l->resume_us)
			continue;
		l->out_stop = 0;
		s->paused--;
		(void)link_send(s, l);
	}
}

/* --- receiving */

/* The first request's answer is whole. False: the connection has gone. */
static bool take_answer(struct links *s, struct link *l, const struct answer *a)
{
	const size_t bytes = a->head_bytes + a->body_bytes;
	const struct request *r = &l->request[0];
	const char *differs = answer_differs(a, l->in, r->target);
	const bool half_sent = l->out_sent < l->out_bytes && l->requests == 1;

	tell(s, l, r, !differs ? RIGHT : answer_is_shed(a) ? SHED : WRONG, differs, a);
	l->answered++;
	l->requests--;
	memmove(l->request, l->request + 1, l->requests * sizeof *l->request);
	l->in_bytes -= bytes;
	memmove(l->in, l->in + bytes, l->in_bytes);
	if (!a->close && !half_sent && (!l->once || l->requests > 0))
		return true;
	for (unsigned i = 0; i < l->requests; i++)
		tell(s, l, &l->request[i], CUT, NULL, NULL);
	link_close(s, l);
	return false;
}

/* Bytes on a connection, not in the list of idle ones, on which nothing was asked. */
static void link_unasked(struct links *s, struct link *l)
{
	static const struct target none = {.name = "none"};

	l->request[l->requests++] = (struct request){.target = &none, .intended_us = clock_us()};
	link_fail(s, l, MALFORMED, "unasked");
}

/* False: the connection has gone. */
static bool take_answers(struct links *s, struct link *l)
{
	struct answer a;

	while (l->requests > 0 && l->in_bytes > 0) {
		switch (answer_parse(l->in, l->in_bytes, l->request[0].target->head, &a)) {
		case ANSWER_MORE:
			return true;
		case ANSWER_MALFORMED:
			link_fail(s, l, MALFORMED, NULL);
			return false;
		case ANSWER_WHOLE:
			if (!take_answer(s, l, &a))
				return false;
		}
	}
	if (l->in_bytes == 0)
		return true;
	link_unasked(s, l);
	return false;
}

/* Reads what there is. False: the connection has gone. */
static bool link_receive(struct links *s, struct link *l)
{
	for (;;) {
		if (!make_room(&l->in, &l->in_room, l->in_bytes + READ_BYTES / 4)) {
			s->failure = -ENOMEM;
			return true;
		}
		const ssize_t n = recv(l->fd, l->in + l->in_bytes, l->in_room - l->in_bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			link_ended(s, l, n < 0 ? errno : 0);
			return false;
		}
		l->in_bytes += (size_t)n;
		const bool was_idle = is_idle(l);
		if (was_idle)
			idle_remove(s, l);
		if (!take_answers(s, l))
			return false;
		if (l->requests > 0)
			continue;
		l->out_bytes = l->out_sent = 0;
		if (s->idle >= s->keep) {
			link_close(s, l);
			return false;
		}
		idle_add(s, l);
	}
}

void links_event(struct links *s, struct link *l, uint32_t events)
{
	if (l->connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
		int error = 0;
		socklen_t n = sizeof error;

		if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
			error = errno;
		if (error) {
			link_ended(s, l, error);
			return;
		}
		l->connecting = false;
	}
	if ((events & EPOLLOUT) && l->out_sent < l->out_bytes && !link_send(s, l))
		return;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		(void)link_receive(s, l);
}

/* --- connections for requests */

static unsigned local_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};
	socklen_t n = sizeof a;

	if (getsockname(fd, &a.any, &n) != 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* NULL with errno set where none can be had. */
static struct link *link_open(struct links *s, uint64_t now_us)
{
	struct link *l = NULL;
	const int on = 1;
	const int fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return NULL;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
		!(l = calloc(1, sizeof *l)) ||
		(connect(fd, (struct sockaddr *)&s->address, s->address_bytes) != 0 &&
			errno != EINPROGRESS))
		goto failed;
	*l = (struct link){.fd = fd, .connecting = true, .opened_us = now_us, .index = s->count};
	l->port = local_port(fd);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = l};
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		goto failed;
	s->all[s->count++] = l;
	s->tally->connections++;
	return l;
failed:
	free(l);
	close(fd);
	return NULL;
}

/* An idle one whose end has not come already, as any careful client looks before it sends. */
static struct link *link_idle(struct links *s)
{
	struct link *l;
	char byte;

	while ((l = s->oldest)) {
		const ssize_t n = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		if (n > 0) {
			idle_remove(s, l);
			link_unasked(s, l);
		} else if (n < 0 && errno == EAGAIN) {
			idle_remove(s, l);
			return l;
		} else {
			link_ended(s, l, n < 0 ? errno : 0);
		}
	}
	return NULL;
}

static struct link *link_for(struct links *s, const struct manner *how, uint64_t now_us)
{
	struct link *l = how->fresh ? NULL : link_idle(s);

	if (l || s->failure)
		return l;
	if (s->count == s->max) {
		errno = EMFILE;
		return NULL;
	}
	l = link_open(s, now_us);
	if (l)
		l->once = how->fresh;
	return l;
}

void links_ask(struct links *s, const struct target *const *target, unsigned n,
	const struct manner *how, uint64_t intended_us, uint64_t now_us)
{
	struct link *l = link_for(s, how, now_us);
	const int error = errno;

	for (unsigned i = 0; i < n; i++) {
		const struct request r = {
			.target = target[i], .intended_us = intended_us + how->pause_us};

		if (!l) {
			tell(s, NULL, &r, REFUSED, strerrorname_np(error), NULL);
			continue;
		}
		if (!make_room(&l->out, &l->out_room, l->out_bytes + r.target->request_bytes)) {
			s->failure = -ENOMEM;
			return;
		}
		memcpy(l->out + l->out_bytes, r.target->request, r.target->request_bytes);
		l->out_bytes += r.target->request_bytes;
		l->request[l->requests++] = r;
	}
	if (!l)
		return;
	if (how->pause_us > 0) {
		l->out_stop = l->out_bytes / 2;
		l->resume_us = now_us + how->pause_us;
		s->paused++;
	}
	if (!l->connecting)
		(void)link_send(s, l);
}

void links_expire(struct links *s, uint64_t timeout_us, uint64_t now_us)
{
	for (size_t i = s->count; i-- > 0;) {
		struct link *l = s->all[i];

		if (l->requests > 0 && now_us > l->request[0].intended_us + timeout_us)
			link_fail(s, l, TIMEOUT, l->connecting ? "connecting" : NULL);
	}
}
