#include "server/routes/routes.h"

void route_healthz(struct exchange *x)
{
	/* HAProxy's disable-on-404: no new work, but what is under way may finish. */
	if (x->draining)
		http_reply_json(x->reply, 404, "{\"status\":\"draining\"}\n");
	else
		http_reply_json(x->reply, 200, "{\"status\":\"ok\"}\n");
}
