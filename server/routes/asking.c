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

bool asking_read_key(struct exchange *x, char **ret, size_t *ret_len, struct http_refusal *refusal)
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

void asking_get(struct backend_call *call, const char *key, size_t len)
{
	call->word[0] = (struct backend_text){.at = "GET", .len = 3};
	call->word[1] = (struct backend_text){.at = key, .len = len};
	call->words = 2;
	call->wants_list = false;
}

void asking_put_ms(struct buffer *out, uint64_t us)
{
	buffer_printf(out, "%llu.%03u", (unsigned long long)(us / 1000u), (unsigned)(us % 1000u));
}
