/* In place of the backend where this program is built without hiredis. */
#include "server/backend/backend.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct backend {
	bool wanted;
};

int backend_new(
	struct backend **ret, struct http_server *server, const char *address, uint64_t timeout_us)
{
	struct backend *b = calloc(1, sizeof(*b));
	(void)server;
	(void)timeout_us;

	if (!b)
		return -ENOMEM;
	b->wanted = address[0] != '\0';
	*ret = b;
	return 0;
}

void backend_set_timeout(struct backend *b, uint64_t timeout_us)
{
	(void)b;
	(void)timeout_us;
}

void backend_free(struct backend *b)
{
	free(b);
}

void backend_start(struct backend *b, struct backend_call *call)
{
	const uint64_t now_us = clock_us();
	struct backend_reply reply = {
		.outcome = BACKEND_ABSENT, .sent_us = now_us, .seen_us = now_us};

	(void)snprintf(reply.reason, sizeof(reply.reason), "%s",
		b->wanted ? "this quernd was built without hiredis" : "lab.redis is not set");
	call->on_reply(call, &reply, call->arg);
}

void backend_cancel(struct backend *b, struct backend_call *call)
{
	(void)b;
	(void)call;
}

bool backend_is_built(void)
{
	return false;
}
