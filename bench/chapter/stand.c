#include "bench/chapter/stand.h"

#include "bench/chapter/program.h"
#include "bench/chapter/service_ports.h"
#include "bench/chapter/sessions.h"
#include "bench/fleet/awake.h"
#include "bench/fleet/fleet.h"
#include "bench/fleet/ports.h"
#include "bench/fleet/process.h"
#include "server/backend/backend.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PREPARE_MS 900000
#define FILL_MS 300000
#define READY_MS 60000
#define GRACE_MS 3000
#define ADDRESS_BYTES 32

/* A program of a folder, running. */
struct running {
	char folder[PATH_MAX], log[PATH_MAX], own_build[PATH_MAX];
	pid_t pid; /* 0: not started */
};

struct stand {
	const struct chapter_stage *stage;
	const struct stand_places *places;
	struct variables variables;
	struct running *service; /* as many as the stage has */
	struct running peer;
	struct fleet *fleet; /* NULL: a peer */
	struct awake awake;  /* of a peer: a fleet has its own */
	char address[ADDRESS_BYTES], admin[ADDRESS_BYTES], url[ADDRESS_BYTES + 8];
};

/* --- one program ----------------------------------------------------------------------------------------------- */

static int out_of_memory(struct buffer *error)
{
	buffer_puts(error, "no memory is left");
	return -ENOMEM;
}

static int make_directories(char *path, struct buffer *error)
{
	for (char *at = path + 1;; at++) {
		const char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		const int result = mkdir(path, 0777) != 0 && errno != EEXIST ? -errno : 0;
		*at = c;
		if (result < 0)
			buffer_printf(error, "%s: %s", path, strerror(-result));
		if (result < 0 || c == '\0')
			return result;
	}
}

/* parent/name; kind: "services" or "peers". */
static int locate(struct running *r, const struct stand *s, const char *parent, const char *kind,
	const char *name, struct buffer *error)
{
	const int folder = snprintf(r->folder, sizeof r->folder, "%s/%s", parent, name);
	const int own = snprintf(
		r->own_build, sizeof r->own_build, "%s/%s/%s", s->places->build, kind, name);
	const int log = snprintf(
		r->log, sizeof r->log, "%s/%s-%s.log", s->places->logs, s->stage->name, name);

	if (folder >= PATH_MAX || own >= PATH_MAX || log >= PATH_MAX) {
		buffer_printf(error, "%s/%s: %s", parent, name, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	return make_directories(r->own_build, error);
}

/* own: what it has in its environment. */
static struct program program_of(const struct running *r, const struct stand_places *places,
	const struct variables *own, const json_t *env)
{
	return (struct program){.folder = r->folder,
		.log = r->log,
		.own_variable = "SERVICE_BUILD",
		.own_build = r->own_build,
		.build = places->build,
		.variables = own,
		.env = env,
		.cpus = places->rest_cpus};
}

/* Once for each folder in the life of this process. */
static int prepare(const struct program *p, const volatile sig_atomic_t *stop, struct buffer *error)
{
	static json_t *prepared;

	if (!program_has(p, "start")) {
		buffer_printf(error, "%s has no executable \"start\"", p->folder);
		return -ENOENT;
	}
	if (!program_has(p, "prepare") || json_object_get(prepared, p->folder))
		return 0;
	const int result = program_run(p, "prepare", PREPARE_MS, stop, error);
	/* Be it a package that is not there or a registry that does not answer: the other stages do not need it. */
	if (result == -EIO || result == -ETIMEDOUT)
		return -ENOPKG;
	if (result < 0)
		return result;
	if (!prepared)
		prepared = json_object();
	return json_object_set_new(prepared, p->folder, json_true()) == 0 ? 0
									  : out_of_memory(error);
}

/* --- services -------------------------------------------------------------------------------------------------- */

/* Each port has two names: as the service itself knows it (PORT), and as those after it do (REDIS_PORT). */
static int name_port(struct stand *s, struct variables *own, const char *service, const char *name,
	unsigned port)
{
	const int result = variables_set_port(own, "", name, port);

	return result < 0 ? result : variables_set_port(&s->variables, service, name, port);
}

static int choose_ports(struct stand *s, struct variables *own, const char *service,
	const json_t *names, unsigned *ret_port, struct buffer *error)
{
	uint16_t first;
	int result = ports_find(1 + (unsigned)json_array_size(names), &first);

	if (result < 0) {
		buffer_puts(error, "no free ports on 127.0.0.1");
		return result;
	}
	*ret_port = first;
	*own = s->variables;
	result = name_port(s, own, service, "PORT", first);
	for (size_t i = 0; result == 0 && i < json_array_size(names); i++) {
		char name[VARIABLE_NAME_BYTES];

		(void)snprintf(
			name, sizeof name, "%s_PORT", json_string_value(json_array_get(names, i)));
		result = name_port(s, own, service, name, first + 1u + (unsigned)i);
	}
	if (result < 0)
		buffer_printf(
			error, "service %s: too many ports, or a name that is too long", service);
	return result;
}

static int start_and_fill(struct stand *s, struct running *r, const struct program *p,
	unsigned port, struct buffer *error)
{
	int result = prepare(p, s->places->stop, error);

	if (result == 0)
		result = program_start(p, "start", &r->pid, error);
	if (result == 0)
		result = program_await_port(p, r->pid, port, READY_MS, s->places->stop, error);
	if (result == 0 && program_has(p, "fill"))
		result = program_run(p, "fill", FILL_MS, s->places->stop, error);
	return result;
}

static int start_service(struct stand *s, size_t i, struct buffer *error)
{
	const struct chapter_service *service = &s->stage->service[i];
	struct running *r = &s->service[i];
	json_t *names = NULL, *env = NULL;
	struct variables own;
	unsigned port = 0;

	int result = locate(r, s, s->places->services, "services", service->name, error);
	if (result == 0)
		result = service_ports(r->folder, &names, error);
	if (result == 0)
		result = choose_ports(s, &own, service->name, names, &port, error);
	if (result == 0) {
		env = variables_replace_all(&own, service->env, error);
		result = env ? 0 : -EINVAL;
	}
	if (result == 0) {
		const struct program p = program_of(r, s->places, &own, env);
		result = start_and_fill(s, r, &p, port, error);
	}
	json_decref(names);
	json_decref(env);
	return result;
}

/* --- the server ------------------------------------------------------------------------------------------------ */

static const char *server_cpus(const struct stand *s)
{
	return s->stage->server.same_core ? s->places->server_cpus : s->places->all_but_last;
}

static int set_server_ports(struct stand *s, struct buffer *error)
{
	const char *port = strrchr(s->address, ':'), *admin = strrchr(s->admin, ':');
	int result = variables_set_port(
		&s->variables, "SERVER", "PORT", (unsigned)strtoul(port + 1, NULL, 10));

	if (result == 0 && admin)
		result = variables_set_port(
			&s->variables, "ADMIN", "PORT", (unsigned)strtoul(admin + 1, NULL, 10));
	return result < 0 ? out_of_memory(error) : 0;
}

static int start_quern(struct stand *s, struct buffer *error)
{
	const struct chapter_server *server = &s->stage->server;
	json_t *set = variables_replace_all(&s->variables, server->set, error);
	const struct fleet_options options = {.policy = server->policy,
		.workers = server->workers,
		.cpus_workers = server_cpus(s),
		.cpus_balancer = s->places->rest_cpus,
		.stop = s->places->stop,
		.set = set};
	struct watch watch;

	if (!set)
		return -EINVAL;
	const bool lacks_backend = json_object_get(set, "lab.redis") && !backend_is_built();
	const int result = lacks_backend ? -ENOPKG : fleet_start(&s->fleet, &options, error);
	json_decref(set);
	if (lacks_backend)
		buffer_puts(error, "quernd was built without hiredis, and cannot ask a Redis");
	if (result < 0) {
		s->fleet = NULL;
		return result;
	}
	fleet_watch(s->fleet, &watch);
	(void)snprintf(s->url, sizeof s->url, "%s", fleet_url(s->fleet));
	(void)snprintf(s->address, sizeof s->address, "%s", s->url + strlen("http://"));
	(void)snprintf(s->admin, sizeof s->admin, "%s", watch.admin);
	return set_server_ports(s, error);
}

static int start_peer_on(
	struct stand *s, const struct variables *own, unsigned port, struct buffer *error)
{
	json_t *env = variables_replace_all(own, s->stage->server.env, error);
	struct program p = program_of(&s->peer, s->places, own, env);

	p.own_variable = "PEER_BUILD";
	p.cpus = server_cpus(s);
	(void)snprintf(s->address, sizeof s->address, "127.0.0.1:%u", port);
	(void)snprintf(s->admin, sizeof s->admin, "127.0.0.1:%u", port + 1);
	(void)snprintf(s->url, sizeof s->url, "http://%s", s->address);
	const int result = env ? start_and_fill(s, &s->peer, &p, port, error) : -EINVAL;
	json_decref(env);
	return result;
}

static int start_peer(struct stand *s, struct buffer *error)
{
	struct variables own = s->variables;
	uint16_t port;
	int result = locate(&s->peer, s, s->places->peers, "peers", s->stage->server.peer, error);

	if (result < 0)
		return result;
	if (ports_find(2, &port) < 0 || variables_set_port(&own, "", "PORT", port) < 0 ||
		variables_set_port(&own, "", "ADMIN_PORT", port + 1u) < 0) {
		buffer_puts(error, "no free ports on 127.0.0.1, or too many variables");
		return -EADDRINUSE;
	}
	result = start_peer_on(s, &own, port, error);
	if (result < 0)
		return result;
	awake_start(&s->awake);
	return set_server_ports(s, error);
}

/* --- together -------------------------------------------------------------------------------------------------- */

int stand_start(struct stand **ret, const struct chapter_stage *stage,
	const struct stand_places *places, struct buffer *error)
{
	struct stand *s = calloc(1, sizeof *s);
	int result = 0;

	if (!s)
		return out_of_memory(error);
	s->stage = stage;
	s->places = places;
	s->service = calloc(stage->services + 1, sizeof *s->service);
	if (!s->service)
		result = out_of_memory(error);
	for (size_t i = 0; i < stage->services && result == 0; i++)
		result = start_service(s, i, error);
	if (result == 0)
		result = stage->server.peer ? start_peer(s, error) : start_quern(s, error);
	if (result < 0)
		stand_stop(s);
	else
		*ret = s;
	return result;
}

static void end(struct running *r)
{
	if (r->pid)
		(void)process_end(r->pid, GRACE_MS);
	r->pid = 0;
}

void stand_stop(struct stand *s)
{
	if (!s)
		return;
	awake_stop(&s->awake);
	fleet_stop(s->fleet);
	end(&s->peer);
	for (size_t i = s->service ? s->stage->services : 0; i > 0; i--)
		end(&s->service[i - 1]);
	free(s->service);
	free(s);
}

/* --- what others ask ------------------------------------------------------------------------------------------- */

const char *stand_url(const struct stand *s)
{
	return s->url;
}

const char *stand_address(const struct stand *s)
{
	return s->address;
}

const char *stand_admin(const struct stand *s)
{
	return s->fleet ? s->admin : NULL;
}

const struct variables *stand_variables(const struct stand *s)
{
	return &s->variables;
}

void stand_watch(const struct stand *s, struct watch *ret)
{
	if (s->fleet)
		fleet_watch(s->fleet, ret);
	else
		*ret = (struct watch){.pids = &s->peer.pid, .pid_count = 1, .awake = &s->awake};
}

void stand_cpu(const struct stand *s, uint64_t *ret_services_us, uint64_t *ret_peer_us)
{
	*ret_services_us = 0;
	*ret_peer_us = s->peer.pid ? sessions_cpu_us(s->peer.pid) : 0;
	for (size_t i = 0; i < s->stage->services; i++)
		*ret_services_us += sessions_cpu_us(s->service[i].pid);
}

static int tell_death(
	const struct stand *s, const struct running *r, const char *name, struct buffer *error)
{
	const struct program p = program_of(r, s->places, &s->variables, NULL);

	buffer_printf(error, "%s has ended; the end of its log:\n", name);
	program_put_log(&p, error);
	return -ECHILD;
}

int stand_check(struct stand *s, struct buffer *error)
{
	for (size_t i = 0; i < s->stage->services; i++)
		if (!process_runs(s->service[i].pid))
			return tell_death(s, &s->service[i], s->stage->service[i].name, error);
	if (s->fleet)
		return fleet_check(s->fleet, error);
	return process_runs(s->peer.pid) ? 0
					 : tell_death(s, &s->peer, s->stage->server.peer, error);
}
