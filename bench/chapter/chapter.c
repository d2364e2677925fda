#include "bench/chapter/chapter.h"

#include "bench/chapter/chapter_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MOST 64
#define REPEAT_MOST 50

const char *const chapter_rate_words[] = {"given", "busy", "capacity", "rate"};

size_t chapter_find_stage(const struct chapter *c, const char *name, size_t len)
{
	size_t i = 0;

	while (i < c->stages &&
		(strlen(c->stage[i].name) != len || memcmp(c->stage[i].name, name, len) != 0))
		i++;
	return i;
}

/* --- servers and services -------------------------------------------------------------------------------------- */

static void read_policy(struct chapter_reader *r, struct chapter_server *s)
{
	const char *text = chapter_text(r, "policy", "roundrobin");
	struct buffer why;

	buffer_init(&why);
	if (policy_parse(&s->policy, text, &why) != 0)
		experiment_complain(&r->r, "policy", "%s", buffer_cstring(&why));
	else if (s->policy.kind == POLICY_SHARED ||
		 (s->policy.kind == POLICY_RANDOM_OF && s->policy.parameter > 2))
		experiment_complain(
			&r->r, "policy", "\"%s\" is not allowed: HAProxy has no such policy", text);
	buffer_done(&why);
}

static void read_quern(struct chapter_reader *r, struct chapter_server *s)
{
	static const char *const known[] = {"workers", "balancer", "policy", "set", NULL};
	static const char *const balancers[] = {"none", "haproxy", NULL};
	uint64_t workers = 1;
	int balancer = 0;

	experiment_check_keys(&r->r, known);
	chapter_count(r, "workers", 1, WORKERS_MOST, &workers);
	s->workers = (unsigned)workers;
	s->set = chapter_object(r, "set", true);
	if (experiment_value(&r->r, "balancer"))
		balancer = experiment_word(&r->r, "balancer", balancers);
	if (balancer == 1)
		read_policy(r, s);
	else if (experiment_value(&r->r, "policy"))
		experiment_complain(
			&r->r, "policy", "is not allowed without \"balancer\": \"haproxy\"");
}

static void read_peer(struct chapter_reader *r, struct chapter_server *s)
{
	s->peer = chapter_needed_text(r, "peer");
	s->env = chapter_object(r, "env", false);
	s->workers = 1;
	if (*s->peer && !chapter_is_name(s->peer))
		experiment_complain(&r->r, "peer",
			"\"%s\" is not allowed; allowed: the name of a folder in bench/peers",
			s->peer);
}

static void read_server(struct chapter_reader *r, struct chapter_server *s)
{
	static const char *const of_quern[] = {"quern", "same_core", NULL};
	static const char *const of_peer[] = {"peer", "env", "same_core", NULL};
	const json_t *outer = r->r.object, *quern;
	const size_t before = experiment_enter(&r->r, "server");

	*s = (struct chapter_server){.policy = {.kind = POLICY_SHARED}, .workers = 1};
	r->r.object = json_object_get(outer, "server");
	quern = experiment_value(&r->r, "quern");
	if (!json_is_object(r->r.object) || !quern == !experiment_value(&r->r, "peer")) {
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed: {\"quern\": {...}} or {\"peer\": \"NAME\"}");
	} else {
		experiment_check_keys(&r->r, quern ? of_quern : of_peer);
		s->same_core = chapter_flag(r, "same_core", true);
		if (!quern) {
			read_peer(r, s);
		} else if (json_is_object(quern)) {
			const size_t in = experiment_enter(&r->r, "quern");
			r->r.object = quern;
			read_quern(r, s);
			experiment_leave(&r->r, in);
		} else {
			experiment_complain(&r->r, "quern", "is not allowed; allowed: an object");
		}
	}
	r->r.object = outer;
	experiment_leave(&r->r, before);
}

static void read_service(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	static const char *const known[] = {"name", "env", NULL};
	struct chapter_stage *stage = own;
	struct chapter_service *s = &stage->service[i];

	s->name = json_is_string(value) ? json_string_value(value) : "";
	if (json_is_object(value)) {
		experiment_check_keys(&r->r, known);
		s->name = chapter_needed_text(r, "name");
		s->env = chapter_object(r, "env", false);
	}
	if (!chapter_is_name(s->name))
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed: the name of a folder in bench/services, or "
			"{\"name\", \"env\"}");
	for (size_t j = 0; j < i; j++)
		if (strcmp(stage->service[j].name, s->name) == 0)
			experiment_complain(&r->r, NULL, "\"%s\" is there twice", s->name);
}

static void read_services(struct chapter_reader *r, struct chapter_stage *stage)
{
	const size_t n = chapter_list(r, "services");

	stage->service = n ? chapter_room(r, n, sizeof *stage->service) : NULL;
	if (!stage->service)
		return;
	stage->services = n;
	chapter_each(r, "services", read_service, stage);
}

/* --- a stage --------------------------------------------------------------------------------------------------- */

/* What excludes each other: a stage that says the one does not mean the other, which all have. */
static void drop_other(json_t *merged, const json_t *own, const char *one, const char *other)
{
	if (json_object_get(own, one) && !json_object_get(own, other))
		(void)json_object_del(merged, other);
}

/* The stage's own keys over those of all stages; a new reference. */
static json_t *merge(struct chapter_reader *r, const char *key)
{
	const json_t *common = json_object_get(r->c->root, key);
	json_t *own = json_object_get(r->r.object, key),
	       *merged = json_is_object(common) ? json_copy((json_t *)(uintptr_t)common)
						: json_object();

	if (own && !json_is_object(own))
		experiment_complain(&r->r, key, "is not allowed; allowed: an object");
	if (!merged || (json_is_object(own) && json_object_update(merged, own) != 0))
		r->r.no_memory = true;
	drop_other(merged, own, "rate", "steps");
	drop_other(merged, own, "steps", "rate");
	drop_other(merged, own, "requests", "duration");
	drop_other(merged, own, "duration", "requests");
	drop_other(merged, own, "full_requests", "full_duration");
	drop_other(merged, own, "full_duration", "full_requests");
	return merged;
}

static void read_merged(struct chapter_reader *r, size_t i)
{
	struct chapter_stage *stage = &r->c->stage[i];
	const json_t *outer = r->r.object;

	stage->own_load = merge(r, "load");
	stage->own_samples = merge(r, "samples");
	size_t before = experiment_enter(&r->r, "load");
	r->r.object = stage->own_load;
	chapter_read_load(r, i);
	experiment_leave(&r->r, before);
	before = experiment_enter(&r->r, "samples");
	r->r.object = stage->own_samples;
	chapter_read_samples(r, stage);
	experiment_leave(&r->r, before);
	r->r.object = outer;
}

static void read_stage(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	static const char *const known[] = {
		"name", "title", "services", "server", "load", "samples", "full_only", NULL};
	struct chapter_stage *stage = &r->c->stage[i];

	(void)own;
	if (!json_is_object(value)) {
		experiment_complain(&r->r, NULL, "is not allowed; allowed: an object");
		return;
	}
	experiment_check_keys(&r->r, known);
	const char *name = chapter_needed_text(r, "name");
	if (*name && !chapter_is_name(name))
		experiment_complain(&r->r, "name",
			"\"%s\" is not allowed; allowed: a-z, 0-9 and -, at most %d", name,
			CHAPTER_NAME_BYTES - 1);
	if (chapter_find_stage(r->c, name, strlen(name)) < i)
		experiment_complain(&r->r, "name", "\"%s\" is there twice", name);
	stage->title = chapter_text(r, "title", name);
	stage->full_only = chapter_flag(r, "full_only", false);
	read_services(r, stage);
	read_server(r, &stage->server);
	read_merged(r, i);
}

/* All names first, so that a rate can tell a stage that comes later from one that there is not. */
static void name_stages(struct chapter_reader *r)
{
	const json_t *list = experiment_value(&r->r, "stages");

	for (size_t i = 0; i < r->c->stages; i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(list, i), "name"));

		(void)snprintf(r->c->stage[i].name, CHAPTER_NAME_BYTES, "%s", name ? name : "");
		r->c->stage[i].title = "";
	}
}

static void read_stages(struct chapter_reader *r)
{
	const size_t n = chapter_list(r, "stages");

	if (n == 0) {
		experiment_complain(
			&r->r, "stages", "is missing; allowed: a list with one or more");
		return;
	}
	r->c->stage = chapter_room(r, n, sizeof *r->c->stage);
	if (!r->c->stage)
		return;
	r->c->stages = n;
	name_stages(r);
	chapter_each(r, "stages", read_stage, NULL);
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static void read_note(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	(void)own;
	r->c->note[i] = json_is_string(value) ? json_string_value(value) : "";
	if (!json_is_string(value))
		experiment_complain(&r->r, NULL, "is not allowed; allowed: a text");
}

static void read_notes(struct chapter_reader *r)
{
	const size_t n = chapter_list(r, "notes");

	r->c->note = n ? chapter_room(r, n, sizeof *r->c->note) : NULL;
	if (!r->c->note)
		return;
	r->c->notes = n;
	chapter_each(r, "notes", read_note, NULL);
}

static void read_repeat(struct chapter_reader *r)
{
	uint64_t repeat = 3;

	chapter_count(r, "repeat", 1, REPEAT_MOST, &repeat);
	uint64_t full = repeat;
	chapter_count(r, "full_repeat", 1, REPEAT_MOST, &full);
	r->c->repeat = (unsigned)(r->full ? full : repeat);
}

static void check_common(struct chapter_reader *r, const char *key)
{
	const json_t *common = experiment_value(&r->r, key);

	if (common && !json_is_object(common))
		experiment_complain(&r->r, key, "is not allowed; allowed: an object");
}

/* The chapter's name is the file's, without ".json". */
static void take_name(struct chapter_reader *r)
{
	const char *slash = strrchr(r->c->path, '/'), *base = slash ? slash + 1 : r->c->path;
	const size_t len = strlen(base),
		     ending = len > 5 && strcmp(base + len - 5, ".json") == 0 ? 5 : 0;

	(void)snprintf(r->c->name, sizeof r->c->name, "%.*s", (int)(len - ending), base);
	if (len - ending >= CHAPTER_NAME_BYTES || !chapter_is_name(r->c->name))
		experiment_complain(&r->r, NULL,
			"the file's name is not allowed; allowed: a-z, 0-9 and -, at most %d, and "
			".json",
			CHAPTER_NAME_BYTES - 1);
}

static void read_whole(struct chapter_reader *r)
{
	static const char *const known[] = {"title", "claim", "notes", "repeat", "full_repeat",
		"load", "samples", "stages", "claims", "plots", NULL};

	take_name(r);
	experiment_check_keys(&r->r, known);
	r->c->title = chapter_needed_text(r, "title");
	r->c->claim = chapter_needed_text(r, "claim");
	read_notes(r);
	read_repeat(r);
	check_common(r, "load");
	check_common(r, "samples");
	read_stages(r);
	/* An address in a claim means nothing while there are no stages. */
	if (r->c->stages > 0 && !r->r.no_memory) {
		chapter_read_claims(r);
		chapter_read_plots(r);
	}
}

int chapter_read(struct chapter *ret, const char *path, bool full, struct buffer *errors)
{
	struct chapter_reader r = {.c = ret, .full = full, .r = {.path = path, .errors = errors}};

	*ret = (struct chapter){.path = path};
	const int result = experiment_load(&ret->root, path, errors);
	if (result < 0) {
		ret->root = NULL;
		return result;
	}
	r.r.object = ret->root;
	buffer_init(&r.r.at);
	read_whole(&r);
	buffer_done(&r.r.at);
	return r.r.no_memory ? -ENOMEM : r.r.wrong ? -EINVAL : 0;
}

static void stage_done(struct chapter_stage *s)
{
	free(s->service);
	free(s->load.rate);
	if (s->load.mix)
		mix_free(s->load.mix);
	free(s->load.name);
	if (s->samples.probe)
		mix_free(s->samples.probe);
	free(s->samples.page);
	json_decref(s->own_load);
	json_decref(s->own_samples);
}

void chapter_done(struct chapter *c)
{
	for (size_t i = 0; i < c->stages; i++)
		stage_done(&c->stage[i]);
	for (size_t i = 0; i < c->claim_count; i++)
		chapter_claim_done(&c->claims[i]);
	for (size_t i = 0; i < c->plots; i++) {
		free(c->plot[i].stage);
		free(c->plot[i].figure);
	}
	free(c->stage);
	free(c->claims);
	free(c->plot);
	free(c->note);
	json_decref(c->root);
	*c = (struct chapter){.path = NULL};
}
