/* The lab's lookup: one GET to the backend, with nothing to compute. */
#include "server/routes/asking.h"
#include "server/routes/routes.h"
#include "server/work.h"

#include <stdlib.h>

struct lookup {
	struct work work;
	char *key;
	size_t key_bytes;
	struct http_refusal refusal; /* status 0: the answer is what follows */
	bool found;
	size_t bytes;
	uint64_t seen_us;
};

static enum work_next begin(struct work *w, struct exchange *x)
{
	struct lookup *l = (struct lookup *)w;

	if (!asking_read_key(x, &l->key, &l->key_bytes, &l->refusal)) {
		http_reply_refuse(x->reply, &l->refusal);
		return WORK_ANSWERED;
	}
	asking_get(&w->call, l->key, l->key_bytes);
	return WORK_CALL;
}

static enum work_next on_reply(struct work *w, const struct backend_reply *reply)
{
	struct lookup *l = (struct lookup *)w;

	if (reply->outcome != BACKEND_OK) {
		asking_refuse(&l->refusal, reply);
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

	if (l->refusal.status) {
		http_reply_refuse(x->reply, &l->refusal);
		return;
	}
	http_reply_json(x->reply, 200, "");
	buffer_printf(body,
		"{\"found\":%s,\"bytes\":%zu,\"backend_ms\":", l->found ? "true" : "false",
		l->bytes);
	asking_put_ms(body, l->seen_us);
	buffer_puts(body, "}\n");
}

static void done(struct work *w)
{
	free(((struct lookup *)w)->key);
}

const struct work_class work_lookup = {.bytes = sizeof(struct lookup),
	.begin = begin,
	.on_reply = on_reply,
	.finish = finish,
	.done = done};
