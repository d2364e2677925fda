/*
 * The lab's two clocks: two GETs in series, each timed as a program does it, until its callback runs, and as it was, until the
 * kernel had the answer. The difference is what the loop's other work has added to a figure that is meant to be the backend's.
 */
#include "server/routes/asking.h"
#include "server/routes/routes.h"

#define CALLS 2

struct latency {
	struct asking asking; /* no refusal: what follows is known */
	unsigned answered;
	struct {
		uint64_t seen_us, true_us;
		bool known; /* true_us is */
	} call[CALLS];
};

static enum work_next on_reply(struct work *w, const struct backend_reply *reply)
{
	struct latency *l = (struct latency *)w;

	if (reply->outcome != BACKEND_OK) {
		asking_refuse(&l->asking.refusal, reply);
		return WORK_FINISH;
	}
	l->call[l->answered].seen_us = asking_seen_us(reply);
	l->call[l->answered].known = reply->came_us > 0;
	if (reply->came_us > 0)
		l->call[l->answered].true_us = reply->came_us - reply->sent_us;
	l->answered++;
	return l->answered < CALLS ? WORK_CALL : WORK_FINISH;
}

static void put_known(struct buffer *out, const char *name, bool known, uint64_t us)
{
	if (known)
		buffer_printf(out, ",\"%s\":%llu", name, (unsigned long long)us);
	else
		buffer_printf(out, ",\"%s\":null", name);
}

static void put_calls(struct buffer *out, const struct latency *l)
{
	uint64_t seen_us = 0, true_us = 0;
	bool known = true;

	buffer_puts(out, "{\"calls\":[");
	for (unsigned i = 0; i < CALLS; i++) {
		buffer_printf(out, "%s{\"seen_us\":%llu", i > 0 ? "," : "",
			(unsigned long long)l->call[i].seen_us);
		put_known(out, "true_us", l->call[i].known, l->call[i].true_us);
		buffer_putc(out, '}');
		seen_us += l->call[i].seen_us;
		true_us += l->call[i].true_us;
		known = known && l->call[i].known;
	}
	buffer_printf(out, "],\"seen_us\":%llu", (unsigned long long)seen_us);
	put_known(out, "true_us", known, true_us);
	put_known(out, "error_us", known, seen_us - true_us);
	buffer_puts(out, "}\n");
}

static void finish(struct work *w, struct exchange *x)
{
	const struct latency *l = (const struct latency *)w;

	if (l->asking.refusal.status) {
		http_reply_refuse(x->reply, &l->asking.refusal);
		return;
	}
	http_reply_json(x->reply, 200, "");
	put_calls(&x->reply->body, l);
}

const struct work_class work_latency = {.bytes = sizeof(struct latency),
	.begin = asking_begin,
	.on_reply = on_reply,
	.finish = finish,
	.done = asking_done};
