/* The lab's lookup: one GET to the backend, with nothing to compute. */
#include "server/routes/asking.h"
#include "server/routes/routes.h"

struct lookup {
	struct asking asking; /* no refusal: what follows is known */
	bool found;
	size_t bytes;
	uint64_t seen_us;
};

static enum work_next on_reply(struct work *w, const struct backend_reply *reply)
{
	struct lookup *l = (struct lookup *)w;

	if (reply->outcome != BACKEND_OK) {
		asking_refuse(&l->asking.refusal, reply);
		return WORK_FINISH;
	}
	l->found = reply->text.at;
	l->bytes = reply->text.len;
	l->seen_us = asking_seen_us(reply);
	return WORK_FINISH;
}

/* Not what it says: that may be anything, and be long. */
static void finish(struct work *w, struct exchange *x)
{
	const struct lookup *l = (const struct lookup *)w;
	struct buffer *body = &x->reply->body;

	if (l->asking.refusal.status) {
		http_reply_refuse(x->reply, &l->asking.refusal);
		return;
	}
	http_reply_json(x->reply, 200, "");
	buffer_printf(body,
		"{\"found\":%s,\"bytes\":%zu,\"backend_ms\":", l->found ? "true" : "false",
		l->bytes);
	buffer_put_ms(body, l->seen_us);
	buffer_puts(body, "}\n");
}

const struct work_class work_lookup = {.bytes = sizeof(struct lookup),
	.begin = asking_begin,
	.on_reply = on_reply,
	.finish = finish,
	.done = asking_done};
