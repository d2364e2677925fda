#include "server/routes/asking.h"

#include "server/routes/query.h"

#include <stdlib.h>
#include <string.h>

void asking_refuse(struct http_refusal *refusal, const struct backend_reply *reply)
{
	switch (reply->outcome) {
	case BACKEND_LATE:
		(void)http_refuse(refusal, 504, "backend_timeout", NULL, "%s", reply->reason);
		break;
	case BACKEND_CROWDED:
		(void)http_refuse(refusal, 503, "overloaded", NULL, "%s", reply->reason);
		break;
	default:
		(void)http_refuse(refusal, 502, "backend_unavailable", NULL, "%s", reply->reason);
		break;
	}
}

uint64_t asking_seen_us(const struct backend_reply *reply)
{
	return reply->seen_us - reply->sent_us;
}

/* ?key=, copied: the caller frees it. */
static bool read_key(struct exchange *x, char **ret, size_t *ret_len, struct http_refusal *refusal)
{
	struct form_text key = {0};
	const struct query_field field = {
		.name = "key", .required = true, .max = ASKING_KEY_BYTES, .text = &key};

	if (!query_read(x, &field, 1, refusal))
		return false;
	char *copy = malloc(key.len);
	if (!copy)
		return http_refuse_memory(refusal);
	memcpy(copy, key.at, key.len);
	*ret = copy;
	*ret_len = key.len;
	return true;
}

enum work_next asking_begin(struct work *w, struct exchange *x)
{
	struct asking *a = (struct asking *)w;
	size_t len = 0;

	if (!read_key(x, &a->key, &len, &a->refusal)) {
		http_reply_refuse(x->reply, &a->refusal);
		return WORK_ANSWERED;
	}
	w->call.word[0] = (struct backend_text){.at = "GET", .len = 3};
	w->call.word[1] = (struct backend_text){.at = a->key, .len = len};
	w->call.words = 2;
	return WORK_CALL;
}

void asking_done(struct work *w)
{
	free(((struct asking *)w)->key);
}
