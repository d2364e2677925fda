#include "bench/chapter/stage_load.h"

#include "bench/chapter/cpus.h"
#include "bench/fleet/fetch.h"
#include "bench/measure/measure.h"
#include "bench/measure/measure_void.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MS 20000

struct session {
	const struct stage_load_options *o;
	struct stage_load *m;
	struct observer observer;
	struct observer_look last;
	struct buffer problem; /* what could not be seen, so that the load does not count */
};

/* --- the generator's thread ------------------------------------------------------------------------------------ */

static void on_sample(void *own, const struct sample *s)
{
	struct session *session = own;

	recorder_take(&session->m->recorder, s);
}

static bool on_tick(void *own, double elapsed_us)
{
	struct session *session = own;
	const double measured_s = elapsed_us / 1e6 - session->o->warmup_s;

	if (measured_s >= 0)
		observer_begin(&session->observer);
	if (session->o->show)
		session->o->show(session->o->own, measured_s);
	return false;
}

static int load(struct session *session, struct buffer *error)
{
	const struct stage_load_options *o = session->o;
	const struct chapter_load *l = &o->stage->load;
	struct arrival arrival = {.kind = l->constant ? ARRIVAL_CONSTANT : ARRIVAL_POISSON};
	const unsigned most = measure_connections();
	struct target target;

	int result = target_parse(&target, stand_url(o->stand), error);
	if (result < 0)
		return result;
	struct load_options options = {.target = &target,
		.mix = l->mix,
		.arrival = &arrival,
		.rate_rps = o->rate_rps,
		.seed = o->seed,
		.warmup_us = (uint64_t)(o->warmup_s * 1e6),
		.duration_us = o->requests ? 0 : (uint64_t)(o->seconds * 1e6),
		.requests = o->requests,
		.timeout_us = (uint64_t)(l->timeout_s * 1e6),
		.connections = l->connections < most ? l->connections : most,
		.sink = on_sample,
		.tick = on_tick,
		.own = session,
		.stop = o->stop};
	result = measure_load(&options, &session->m->totals, error);
	target_done(&target);
	if (result == 0 && session->m->totals.interrupted) {
		buffer_puts(error, "interrupted");
		return -EINTR;
	}
	return result;
}

/* --- samples --------------------------------------------------------------------------------------------------- */

/* A page of 127.0.0.1 as JSON, or as text; NULL where it could not be had (told). */
static json_t *fetch(struct buffer *problem, const char *address, const char *path, bool text)
{
	struct buffer page, why;
	json_t *value = NULL;

	buffer_init(&page);
	buffer_init(&why);
	if (fetch_page(address, path, PAGE_MS, &page, &why) < 0)
		measure_say(problem, "%s", buffer_cstring(&why));
	else if (text)
		value = json_stringn(page.data, page.len);
	else
		value = json_loadb(page.data, page.len, 0, NULL);
	if (!value && why.len == 0)
		measure_say(problem, "http://%s%s is no JSON", address, path);
	buffer_done(&page);
	buffer_done(&why);
	return value;
}

/* {"p50_ms": 1} becomes {"p50": 1}, as everywhere else. */
static json_t *without_units(json_t *loop)
{
	json_t *plain = json_object(), *value;
	const char *name;

	json_object_foreach(loop, name, value)
	{
		char key[32];
		const size_t len = strlen(name);

		if (!json_is_number(value) || len < 4 || len > sizeof key ||
			strcmp(name + len - 3, "_ms") != 0)
			continue;
		memcpy(key, name, len - 3);
		key[len - 3] = '\0';
		(void)json_object_set(plain, key, value);
	}
	json_decref(loop);
	return plain;
}

static void sample_peer(struct session *session)
{
	const struct stage_load_options *o = session->o;

	if (!o->samples->loop)
		return;
	json_t *loop = fetch(&session->problem, stand_address(o->stand), o->samples->loop, false);
	session->m->loop = loop ? without_units(loop) : NULL;
}

static void sample_quern(struct session *session, const char *admin)
{
	struct stage_load *m = session->m;
	json_t *status = fetch(&session->problem, admin, "/status.json", false);

	m->status = json_incref(json_object_get(status, "fleet"));
	m->loop = json_incref(json_object_get(m->status, "loop_lag_ms"));
	json_decref(status);
	if (session->o->samples->trace)
		m->trace = fetch(&m->note, admin, "/trace.json", true);
}

/* Right after the load. */
static void take_samples(struct session *session)
{
	const struct stage_load_options *o = session->o;
	const char *admin = stand_admin(o->stand);

	if (!o->samples)
		return;
	if (admin)
		sample_quern(session, admin);
	else
		sample_peer(session);
	if (!o->samples->probe)
		return;
	session->m->probe = observer_probe_json(&session->observer);
	if (session->observer.unanswered > 0)
		measure_say(&session->problem,
			"%llu of the probe's %llu requests had no such answer",
			(unsigned long long)session->observer.unanswered,
			(unsigned long long)session->observer.asked);
}

/* --- the looks ------------------------------------------------------------------------------------------------- */

static double cpus(uint64_t later_us, uint64_t earlier_us, double wall_us)
{
	return later_us > earlier_us ? (double)(later_us - earlier_us) / wall_us : 0;
}

static double not_below_0(double value)
{
	return value > 0 ? value : 0;
}

/* The services are known to this side only, so a watch takes them for other programs; so are a peer's other processes. */
static void compare_looks(struct session *session)
{
	const struct observer_look *a = &session->observer.first, *b = &session->last;
	struct stage_load *m = session->m;
	struct watch_shares *s = &m->shares;

	if (a->result < 0 || b->result < 0)
		return;
	const double wall_us =
		b->look.at_us > a->look.at_us ? (double)(b->look.at_us - a->look.at_us) : 1;
	watch_between(&a->look, &b->look, s);
	for (unsigned i = 0; i < s->workers; i++)
		m->server += s->cpu[i];
	const double peer = cpus(b->peer_us, a->peer_us, wall_us),
		     more = not_below_0(peer - m->server);
	m->services = cpus(b->services_us, a->services_us, wall_us);
	if (peer > 0) {
		m->server += more;
		s->others = not_below_0(s->others - more);
	}
	s->others = not_below_0(s->others - m->services);
	m->looked = true;
}

/* --- whether it counts ----------------------------------------------------------------------------------------- */

static void judge_errors(const struct session *session)
{
	const struct recorder *r = &session->m->recorder;
	const double most = session->o->stage->load.errors_most, n = (double)r->latency.all.count;

	if ((double)r->errors > most * n)
		measure_say(&session->m->void_reason,
			"%llu of %.0f requests failed, at most %g %% are allowed",
			(unsigned long long)r->errors, n, 100 * most);
}

static void judge(struct session *session)
{
	const struct stage_load_options *o = session->o;
	struct stage_load *m = session->m;
	struct buffer death;

	buffer_init(&death);
	(void)recorder_is_void(&m->recorder, &m->totals, &recorder_default_limits, &m->void_reason);
	judge_errors(session);
	if (session->m->looked)
		measure_check_machine(&session->m->shares, false, &session->m->void_reason);
	if (stand_check(o->stand, &death) < 0)
		measure_say(&m->void_reason, "%s", buffer_cstring(&death));
	if (session->problem.len > 0)
		measure_say(&m->void_reason, "%s", buffer_cstring(&session->problem));
	buffer_done(&death);
}

/* --- together -------------------------------------------------------------------------------------------------- */

static int run(struct session *session, struct buffer *error)
{
	const struct stage_load_options *o = session->o;
	struct cpus_place before;
	int result = cpus_move(o->rest_cpus, &before, error);

	if (result < 0)
		return result;
	result = observer_start(&session->observer, o->stand, o->samples, o->seed, error);
	if (result == 0) {
		result = load(session, error);
		observer_look(o->stand, &session->last, &session->problem);
		observer_end(&session->observer);
	}
	if (result == 0 && session->observer.no_memory)
		result = -ENOMEM;
	if (result == 0) {
		if (session->observer.why.len > 0)
			measure_say(
				&session->problem, "%s", buffer_cstring(&session->observer.why));
		take_samples(session);
		compare_looks(session);
		judge(session);
	}
	observer_done(&session->observer);
	cpus_return(&before);
	return result;
}

int stage_load_run(const struct stage_load_options *o, struct stage_load *ret, struct buffer *error)
{
	struct stage_load *m = calloc(1, sizeof *m);
	struct session *session = calloc(1, sizeof *session);
	int result = m && session ? recorder_init(&m->recorder, mix_templates(o->stage->load.mix),
					    false, NULL)
				  : -ENOMEM;

	if (result == 0) {
		*session = (struct session){.o = o, .m = m, .observer = {.event = -1}};
		result = run(session, error);
		buffer_done(&session->problem);
	}
	if (result == -ENOMEM && error->len == 0)
		buffer_puts(error, "no memory is left");
	if (result == 0)
		*ret = *m;
	else if (m)
		stage_load_done(m);
	free(session);
	free(m);
	return result;
}

void stage_load_done(struct stage_load *m)
{
	recorder_done(&m->recorder);
	json_decref(m->loop);
	json_decref(m->status);
	json_decref(m->probe);
	json_decref(m->trace);
	buffer_done(&m->void_reason);
	buffer_done(&m->note);
	*m = (struct stage_load){.looked = false};
}
