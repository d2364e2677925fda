#include "server/route.h"

#include "server/routes/routes.h"

#include <string.h>

#define METHOD(m) (1u << (m))
#define READS (METHOD(HTTP_GET) | METHOD(HTTP_HEAD))

static const struct route routes[] = {
	{
		.path = "/",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_ROOT,
		.work = "qr",
		.handle = route_root,
		.class = &work_root,
	},
	{
		.path = "/qr",
		.methods = READS | METHOD(HTTP_POST),
		.allow = "GET, HEAD, POST, OPTIONS",
		.id = ROUTE_QR,
		.work = "qr",
		.handle = route_qr,
		.class = &work_qr,
	},
	{
		.path = "/healthz",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_HEALTHZ,
		.at_once = true,
		.work = "health",
		.handle = route_healthz,
	},
	{
		.path = "/lab/sleep",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_SLEEP,
		.lab = true,
		.work = "lab",
		.class = &work_sleep,
	},
	{
		.path = "/lab/burn",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_BURN,
		.lab = true,
		.work = "lab",
		.class = &work_burn,
	},
	{
		.path = "/lab/constant",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_CONSTANT,
		.lab = true,
		.work = "lab",
		.handle = route_lab_constant,
	},
	{
		.path = "/lab/hash",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_HASH,
		.lab = true,
		.work = "lab",
		.class = &work_hash,
	},
	{
		.path = "/lab/lookup",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_LOOKUP,
		.lab = true,
		.work = "lab",
		.class = &work_lookup,
	},
	{
		.path = "/lab/history",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_HISTORY,
		.lab = true,
		.work = "lab",
		.class = &work_history,
	},
	{
		.path = "/lab/latency",
		.methods = READS,
		.allow = "GET, HEAD, OPTIONS",
		.id = ROUTE_LAB_LATENCY,
		.lab = true,
		.work = "lab",
		.class = &work_latency,
	},
};

static const struct route *lookup(const char *path, size_t len, const struct config *config)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *r = &routes[i];

		if (strlen(r->path) == len && memcmp(r->path, path, len) == 0)
			return r->lab && !config->lab_enabled ? NULL : r;
	}
	return NULL;
}

static void answer_options(struct http_reply *reply, const char *allow)
{
	http_reply_reset(reply);
	reply->status = 204;
	reply->allow = allow;
	reply->preflight = true;
}

const struct route *route_find(const struct http_request *request, const char *data,
	const struct config *config, struct http_reply *reply, enum stats_route *ret_id)
{
	*ret_id = ROUTE_NONE;
	if (request->method == HTTP_UNKNOWN) {
		http_reply_error(reply, 501, "not_implemented",
			"this server does not know the request's method");
		return NULL;
	}
	if (request->method == HTTP_OPTIONS && request->path.len == 1 &&
		data[request->path.at] == '*') {
		answer_options(reply, "GET, HEAD, POST, OPTIONS");
		return NULL;
	}
	const struct route *r = lookup(data + request->path.at, request->path.len, config);
	if (!r) {
		http_reply_error(
			reply, 404, "not_found", "there is nothing at this path; see / and /qr");
		return NULL;
	}
	*ret_id = r->id;
	if (request->method == HTTP_OPTIONS) {
		answer_options(reply, r->allow);
		return NULL;
	}
	if (!(r->methods & METHOD(request->method))) {
		http_reply_error(reply, 405, "method_not_allowed",
			"this path does not take the request's method; see Allow");
		reply->allow = r->allow;
		return NULL;
	}
	return r;
}
