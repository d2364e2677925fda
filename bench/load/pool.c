#include "bench/load/pool.h"

#include <errno.h>
#include <stdlib.h>

void pool_init(struct pool *p, const struct target *target, SSL_CTX *tls, struct waiter *waiter,
	unsigned bound)
{
	*p = (struct pool){.target = target, .tls = tls, .waiter = waiter, .bound = bound};
	links_init(&p->opening);
	links_init(&p->idle);
	links_init(&p->busy);
	links_init(&p->unread);
	links_init(&p->closed);
}

static void close_all(struct pool *p, struct links *head)
{
	struct connection *c;

	while ((c = links_first(head, struct connection, links)))
		pool_close(p, c);
}

void pool_done(struct pool *p)
{
	close_all(p, &p->opening);
	close_all(p, &p->idle);
	close_all(p, &p->busy);
	close_all(p, &p->unread);
	pool_sweep(p);
}

static bool is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM || r == -ENOSPC ||
	       r == -EAGAIN;
}

static int open_transport(struct pool *p, struct connection *c)
{
	int r = transport_open(&c->transport, p->target, p->tls);

	if (r)
		return r;
	r = waiter_add(p->waiter, c->transport.fd, c);
	if (r)
		transport_close(&c->transport);
	return r;
}

int pool_open(struct pool *p, double now_us, struct request *request, struct connection **ret)
{
	struct connection *c;
	int r;

	if (p->count >= p->bound)
		return -EAGAIN;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -EAGAIN;
	r = open_transport(p, c);
	if (r) {
		free(c);
		return is_shortage(r) ? -EAGAIN : r;
	}
	c->state = CONNECTION_OPENING;
	c->opened_us = now_us;
	c->request = request;
	links_append(&p->opening, &c->links);
	p->unreserved += !request;
	p->count++;
	if (p->most < p->count)
		p->most = p->count;
	*ret = c;
	return 0;
}

/* Out of the list of its state. */
static void leave(struct pool *p, struct connection *c)
{
	links_remove(&c->links);
	if (c->state == CONNECTION_OPENING)
		p->unreserved -= !c->request;
}

static void become_busy(struct pool *p, struct connection *c, struct request *request)
{
	c->state = CONNECTION_BUSY;
	c->request = request;
	c->written = 0;
	c->cut = false;
	links_append(&p->busy, &c->links);
}

void pool_put(struct pool *p, struct connection *c)
{
	leave(p, c);
	p->established += c->state == CONNECTION_OPENING;
	c->state = CONNECTION_IDLE;
	c->request = NULL;
	links_prepend(&p->idle, &c->links);
}

struct connection *pool_take(struct pool *p, struct request *request)
{
	struct connection *c = links_first(&p->idle, struct connection, links);

	if (c) {
		leave(p, c);
		become_busy(p, c, request);
	}
	return c;
}

void pool_take_opened(struct pool *p, struct connection *c)
{
	leave(p, c);
	p->established++;
	become_busy(p, c, c->request);
}

void pool_close(struct pool *p, struct connection *c)
{
	leave(p, c);
	transport_close(&c->transport);
	response_done(&c->response);
	c->state = CONNECTION_CLOSED;
	c->request = NULL;
	links_append(&p->closed, &c->links);
	p->count--;
}

void pool_sweep(struct pool *p)
{
	struct links *next;

	for (struct links *l = p->closed.next; l != &p->closed; l = next) {
		next = l->next;
		free(links_member(l, struct connection, links));
	}
	links_init(&p->closed);
}
