#include "bench/load/exchange.h"

#include <errno.h>
#include <sys/epoll.h>

#define READS_IN_ONE_GO 8
#define OPENED_IN_ONE_GO 8

#define READABLE (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define ENDING (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

void exchange_end(struct engine *e, struct request *r, unsigned status, double now_us)
{
	requests_wait_no_more(&e->requests, r);
	r->on = NULL;
	r->sample.status = (uint16_t)status;
	r->sample.done_us = now_us;
	links_remove(&r->links);
	links_append(&e->requests.ended, &r->links);
	if (!r->measured)
		return;
	e->last_done_us = now_us;
	e->answers += status >= SAMPLE_FAILURES;
}

/* A connection of its own for a request whose one ended before it could answer. */
static void repeat(struct engine *e, struct request *r)
{
	const double now_us = engine_now(e);
	struct connection *c;
	int failed = pool_open(&e->pool, now_us, r, &c);

	r->repeated = true;
	if (!failed) {
		r->on = c;
	} else if (failed == -EAGAIN) {
		r->on = NULL;
		requests_wait_first(&e->requests, r);
	} else {
		exchange_end(e, r, SAMPLE_CONNECT, now_us);
	}
}

/* A busy connection has ended and its request with it, unless that may be sent again. */
static void lose(struct engine *e, struct connection *c, enum sample_failure failure)
{
	struct request *r = c->request;
	const bool again = failure == SAMPLE_RESET && c->answers && !c->response.begun &&
			   r->repeatable && !r->repeated;

	pool_close(&e->pool, c);
	if (again)
		repeat(e, r);
	else
		exchange_end(e, r, failure, engine_now(e));
}

/* An answer is complete. */
static void complete(struct engine *e, struct connection *c, bool reusable, double now_us)
{
	const struct response *answer = &c->response;
	struct request *r = c->request;
	const unsigned status = answer->status;

	r->sample.queue_us = answer->timing.queue_us;
	r->sample.service_us = answer->timing.service_us;
	r->sample.worker = answer->timing.worker;
	c->answers++;
	if (reusable && answer->keep_alive && !c->cut && c->written == r->text.len)
		pool_put(&e->pool, c);
	else
		pool_close(&e->pool, c);
	exchange_end(e, r, status, now_us);
}

/* How reading went on, over several reads. */
struct reading {
	bool answered;
	double answered_us;
	bool surplus; /* bytes came that nobody had asked for */
	bool broken;
	bool ended;
	bool more; /* is left unread */
};

static void take_bytes(struct engine *e, struct connection *c, size_t n, struct reading *got)
{
	size_t used = 0;

	e->totals.bytes_in += n;
	if (!got->answered) {
		switch (response_feed(&c->response, e->bytes, n, &used)) {
		case RESPONSE_DONE:
			got->answered = true;
			got->answered_us = engine_now(e);
			break;
		case RESPONSE_BROKEN:
			got->broken = true;
			return;
		default:
			break;
		}
	}
	got->surplus = used < n;
}

/* Edge-triggered: reads until nothing is left, within bounds. */
static struct reading read_answer(struct engine *e, struct connection *c, bool ending)
{
	struct reading got = {0};

	/* A whole answer is followed by one more look, whatever the bound: what comes then decides on the connection. */
	for (unsigned i = 0; i < READS_IN_ONE_GO || got.answered; i++) {
		size_t n = 0;

		switch (transport_read(&c->transport, e->bytes, sizeof(e->bytes), &n)) {
		case TRANSPORT_OK:
			take_bytes(e, c, n, &got);
			if (got.broken || got.surplus)
				return got;
			if (!ending && transport_drained(&c->transport, sizeof(e->bytes), n))
				return got;
			break;
		case TRANSPORT_END:
			if (!got.answered && response_end(&c->response) == RESPONSE_DONE) {
				got.answered = true;
				got.answered_us = engine_now(e);
			}
			got.ended = true;
			return got;
		case TRANSPORT_BROKEN:
			got.broken = got.ended = true;
			return got;
		case TRANSPORT_FAILED:
			got.ended = true;
			return got;
		default:
			return got;
		}
	}
	got.more = true;
	return got;
}

static void go_on_reading(struct engine *e, struct connection *c, bool ending)
{
	struct reading got = read_answer(e, c, ending || c->cut);

	if (got.answered)
		complete(e, c, !got.surplus && !got.ended && !got.more, got.answered_us);
	else if (got.broken)
		lose(e, c, SAMPLE_BROKEN);
	else if (got.more) {
		links_remove(&c->links);
		links_append(&e->pool.unread, &c->links);
	} else if (got.ended || c->cut)
		lose(e, c, SAMPLE_RESET);
}

/* Where the peer has ended the connection there may be an answer to read all the same (413, say). */
static void go_on_writing(struct engine *e, struct connection *c)
{
	const struct buffer *text = &c->request->text;

	while (c->written < text->len && !c->cut) {
		size_t n = 0;

		switch (transport_write(
			&c->transport, text->data + c->written, text->len - c->written, &n)) {
		case TRANSPORT_OK:
			c->written += n;
			e->totals.bytes_out += n;
			break;
		case TRANSPORT_WANT_READ:
		case TRANSPORT_WANT_WRITE:
			return;
		default:
			c->cut = true;
		}
	}
}

/* The request of a connection that has just become busy goes out. */
static void start(struct engine *e, struct connection *c, double now_us)
{
	struct request *r = c->request;

	r->on = c;
	if (r->sample.sent_us < 0)
		r->sample.sent_us = now_us;
	response_begin(&c->response, r->head);
	go_on_writing(e, c);
	if (c->cut)
		go_on_reading(e, c, true);
}

/* Those that waited longest, onto connections that have become free. */
static void serve_waiting(struct engine *e)
{
	struct request *r;

	while ((r = links_first(&e->requests.waiting, struct request, waiting_links))) {
		struct connection *c = pool_take(&e->pool, r);

		if (!c)
			return;
		requests_wait_no_more(&e->requests, r);
		start(e, c, engine_now(e));
	}
}

void exchange_submit(struct engine *e, struct request *r, double now_us)
{
	struct connection *c = links_empty(&e->requests.waiting) ? pool_take(&e->pool, r) : NULL;

	if (c) {
		start(e, c, now_us);
		return;
	}
	e->totals.waited += r->measured;
	requests_wait(&e->requests, r);
}

/* Each attempt that fails takes one request with it, so there are never more attempts than requests. */
static void opening_failed(struct engine *e, struct connection *c, enum sample_failure failure)
{
	struct request *r = c->request;

	pool_close(&e->pool, c);
	if (!r)
		r = links_first(&e->requests.waiting, struct request, waiting_links);
	if (r)
		exchange_end(e, r, failure, engine_now(e));
}

static void go_on_opening(struct engine *e, struct connection *c)
{
	switch (transport_connect(&c->transport)) {
	case TRANSPORT_OK:
		break;
	case TRANSPORT_WANT_READ:
	case TRANSPORT_WANT_WRITE:
		return;
	case TRANSPORT_BROKEN:
		opening_failed(e, c, SAMPLE_BROKEN);
		return;
	default:
		opening_failed(e, c, SAMPLE_CONNECT);
		return;
	}
	if (c->request) {
		pool_take_opened(&e->pool, c);
		start(e, c, engine_now(e));
	} else {
		pool_put(&e->pool, c);
	}
}

/* Nothing should come; what may is TLS's own (session tickets), or the end. */
static void look_at_idle(struct engine *e, struct connection *c)
{
	size_t n = 0;
	enum transport_status status =
		transport_read(&c->transport, e->bytes, sizeof(e->bytes), &n);

	if (status != TRANSPORT_WANT_READ && status != TRANSPORT_WANT_WRITE)
		pool_close(&e->pool, c);
}

void exchange_event(struct engine *e, struct connection *c, uint32_t events)
{
	switch (c->state) {
	case CONNECTION_OPENING:
		go_on_opening(e, c);
		break;
	case CONNECTION_IDLE:
		if (events & READABLE)
			look_at_idle(e, c);
		break;
	case CONNECTION_BUSY:
		go_on_writing(e, c);
		if ((events & READABLE) || c->cut)
			go_on_reading(e, c, (events & ENDING) != 0);
		break;
	case CONNECTION_CLOSED:
		return;
	}
	serve_waiting(e);
}

bool exchange_unread(struct engine *e)
{
	struct links *unread = &e->pool.unread, *last = unread->prev;
	struct connection *c = NULL;

	while ((c = links_first(unread, struct connection, links))) {
		const bool was_last = &c->links == last;

		links_remove(&c->links);
		links_append(&e->pool.busy, &c->links);
		/* What else has happened to it was told when it could not be acted upon: look for the end as well. */
		exchange_event(e, c, READABLE);
		if (was_last)
			break;
	}
	return !links_empty(unread);
}

bool exchange_top_up(struct engine *e, double now_us)
{
	const struct links *waiting = &e->requests.waiting;
	struct request *oldest;
	unsigned opened = 0;

	while ((oldest = links_first(waiting, struct request, waiting_links)) &&
		e->requests.waiting_count > e->pool.unreserved) {
		struct connection *c;
		int failed;

		if (opened++ == OPENED_IN_ONE_GO)
			return true;
		failed = pool_open(&e->pool, now_us, NULL, &c);
		if (failed == -EAGAIN)
			return false;
		if (failed)
			exchange_end(e, oldest, SAMPLE_CONNECT, engine_now(e));
	}
	return false;
}

void exchange_expire(struct engine *e, double now_us)
{
	const double late_us = now_us - (double)e->o->timeout_us;
	struct request *r;
	struct connection *c;

	while ((r = links_first(&e->requests.live, struct request, links)) &&
		r->sample.intended_us <= late_us) {
		if (r->on)
			pool_close(&e->pool, r->on);
		exchange_end(e, r, SAMPLE_TIMEOUT, now_us);
	}
	/* For whom it was begun has timed out before. */
	while ((c = links_first(&e->pool.opening, struct connection, links)) &&
		c->opened_us <= late_us)
		pool_close(&e->pool, c);
}

void exchange_break_off(struct engine *e, double now_us)
{
	struct request *r;

	while ((r = links_first(&e->requests.live, struct request, links))) {
		if (r->on)
			pool_close(&e->pool, r->on);
		exchange_end(e, r, SAMPLE_UNFINISHED, now_us);
	}
}
