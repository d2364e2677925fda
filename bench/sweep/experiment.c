#include "bench/sweep/experiment.h"

#include "bench/load/mix.h"
#include "bench/sweep/experiment_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UTILIZATION_MOST 0.99
#define WORKERS_MOST 256
#define SECONDS_MOST 3600
#define NAME_BYTES 40

static const char *const service_words[] = {"emulated", "real", "foreign", NULL};

/* --- a group --------------------------------------------------------------------------------------------------- */

/* A list of values, each read by `read` into its place; NULL where there is none, or it is wrong (told). */
static void *read_list(struct experiment_reader *r, const char *key, bool needed, size_t size,
	size_t *ret_count,
	void (*read)(struct experiment_reader *r, const json_t *value, void *place))
{
	const json_t *list = experiment_value(r, key);

	if (!list && needed)
		experiment_complain(r, key, "is missing; allowed: a list");
	if (!list)
		return NULL;
	const size_t n = json_array_size(list);
	if (n == 0) {
		experiment_complain(r, key, "is not allowed; allowed: a list with one or more");
		return NULL;
	}
	char *all = calloc(n, size);
	if (!all) {
		r->no_memory = true;
		return NULL;
	}
	*ret_count = n;
	for (size_t i = 0; i < n; i++) {
		const size_t before = experiment_enter(r, "%s[%zu]", key, i);

		read(r, json_array_get(list, i), all + i * size);
		experiment_leave(r, before);
	}
	return all;
}

static void read_policy(struct experiment_reader *r, const json_t *value, void *place)
{
	struct policy *p = place;
	struct buffer why;

	buffer_init(&why);
	if (!json_is_string(value))
		experiment_complain(r, NULL, "is not allowed; allowed: " POLICY_NAMES);
	else if (policy_parse(p, json_string_value(value), &why) != 0)
		experiment_complain(r, NULL, "%s", buffer_cstring(&why));
	else if (p->kind == POLICY_RANDOM_OF && p->parameter > 2)
		experiment_complain(r, NULL,
			"\"%s\" is not allowed: a fleet knows random and random(2) only",
			json_string_value(value));
	buffer_done(&why);
}

static void read_workers(struct experiment_reader *r, const json_t *value, void *place)
{
	const json_int_t n = json_integer_value(value);
	const char *word = json_string_value(value);

	if (word && strcmp(word, "spare") == 0) {
		*(unsigned *)place = 0;
		return;
	}
	if (json_is_integer(value) && n >= 1 && n <= WORKERS_MOST) {
		*(unsigned *)place = (unsigned)n;
		return;
	}
	experiment_complain(r, NULL,
		"is not allowed; allowed: a whole number from 1 to %d, or \"spare\"", WORKERS_MOST);
	*(unsigned *)place = 1;
}

static void read_utilization(struct experiment_reader *r, const json_t *value, void *place)
{
	const double u = json_number_value(value);

	if (json_is_number(value) && u > 0 && u <= UTILIZATION_MOST) {
		*(double *)place = u;
		return;
	}
	experiment_complain(
		r, NULL, "is not allowed; allowed: above 0, at most %g", UTILIZATION_MOST);
}

static void read_distribution(struct experiment_reader *r, struct experiment_group *g)
{
	struct service service;
	struct buffer why;

	g->distribution = experiment_string(r, "distribution", g->service == EXPERIMENT_EMULATED);
	if (!g->distribution)
		return;
	buffer_init(&why);
	if (service_parse(&service, g->distribution, &why) == 0)
		service_done(&service);
	else
		experiment_complain(r, "distribution", "%s", buffer_cstring(&why));
	buffer_done(&why);
}

/* "mix": its lines, which become one text. */
static void read_mix(struct experiment_reader *r, struct experiment_group *g)
{
	const json_t *list = experiment_value(r, "mix");
	struct buffer text, why;
	struct mix *mix;

	if (list && g->service == EXPERIMENT_EMULATED)
		experiment_complain(
			r, "mix", "is not allowed for \"emulated\": it is made from distribution");
	if (!list && g->service == EXPERIMENT_REAL)
		experiment_complain(r, "mix", "is missing; allowed: a list of a mix file's lines");
	if (!list || g->service == EXPERIMENT_EMULATED)
		return;
	buffer_init(&text);
	buffer_init(&why);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *line = json_string_value(json_array_get(list, i));

		buffer_printf(&text, "%s\n", line ? line : "?");
	}
	const char *whole = buffer_cstring(&text);
	const int result = whole ? mix_parse(&mix, "mix", whole, text.len, &why) : -ENOMEM;
	if (result == -EINVAL)
		experiment_complain(r, "mix", "%s", buffer_cstring(&why));
	else if (result == 0)
		mix_free(mix);
	g->mix = whole ? strdup(whole) : NULL;
	r->no_memory = r->no_memory || !g->mix;
	buffer_done(&text);
	buffer_done(&why);
}

static void check_spare(struct experiment_reader *r, const struct experiment_group *g)
{
	for (size_t i = 0; i < g->worker_counts; i++)
		if (g->workers && g->workers[i] == 0 && g->service == EXPERIMENT_EMULATED)
			experiment_complain(r, "workers",
				"\"spare\" is not allowed for \"emulated\", which needs no CPUs");
}

static void read_group(struct experiment_reader *r, struct experiment_group *g)
{
	static const char *const known[] = {
		"service", "distribution", "mix", "policies", "workers", "utilization", NULL};
	const int service = experiment_word(r, "service", service_words);

	experiment_check_keys(r, known);
	if (service < 0)
		return;
	g->service = (enum experiment_service)service;
	read_distribution(r, g);
	read_mix(r, g);
	g->policy = read_list(r, "policies", true, sizeof *g->policy, &g->policies, read_policy);
	/* A fleet that is not ours has as many workers as it has. */
	g->workers = read_list(r, "workers", g->service != EXPERIMENT_FOREIGN, sizeof *g->workers,
		&g->worker_counts, read_workers);
	g->utilization = read_list(
		r, "utilization", true, sizeof *g->utilization, &g->utilizations, read_utilization);
	check_spare(r, g);
}

static void free_group(struct experiment_group *g)
{
	free(g->distribution);
	free(g->mix);
	free(g->policy);
	free(g->workers);
	free(g->utilization);
}

static void free_groups(struct experiment *e)
{
	for (size_t i = 0; i < e->groups; i++)
		free_group(&e->group[i]);
	free(e->group);
	e->group = NULL;
	e->groups = 0;
}

static void read_groups(struct experiment_reader *r, struct experiment *e)
{
	const json_t *list = experiment_value(r, "groups");
	const json_t *outer = r->object;

	free_groups(e);
	if (json_array_size(list) == 0) {
		experiment_complain(
			r, "groups", "is not allowed; allowed: a list with one or more");
		return;
	}
	e->group = calloc(json_array_size(list), sizeof *e->group);
	if (!e->group) {
		r->no_memory = true;
		return;
	}
	e->groups = json_array_size(list);
	for (size_t i = 0; i < e->groups; i++) {
		const size_t before = experiment_enter(r, "groups[%zu]", i);

		r->object = json_array_get(list, i);
		if (json_is_object(r->object))
			read_group(r, &e->group[i]);
		else
			experiment_complain(r, NULL, "is not allowed; allowed: an object");
		experiment_leave(r, before);
	}
	r->object = outer;
}

/* --- a cell's limits ------------------------------------------------------------------------------------------- */

static void read_cell(struct experiment_reader *r, struct experiment_cell_limits *c)
{
	static const char *const known[] = {
		"seconds", "least_seconds", "warmup_s", "precision", NULL};
	const json_t *outer = r->object;

	if (!experiment_value(r, "cell"))
		return;
	const size_t before = experiment_enter(r, "cell");
	r->object = json_object_get(outer, "cell");
	if (json_is_object(r->object)) {
		experiment_check_keys(r, known);
		experiment_number(r, "seconds", 0.1, SECONDS_MOST, &c->seconds);
		experiment_number(r, "least_seconds", 0.1, SECONDS_MOST, &c->least_seconds);
		experiment_number(r, "warmup_s", 0, SECONDS_MOST, &c->warmup_s);
		experiment_number(r, "precision", 0.001, 1, &c->precision);
	} else {
		experiment_complain(r, NULL, "is not allowed; allowed: an object");
	}
	experiment_leave(r, before);
	r->object = outer;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static void check_name(struct experiment_reader *r, const char *name)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (name && (!*name || strlen(name) > NAME_BYTES || strspn(name, legal) != strlen(name)))
		experiment_complain(r, "name",
			"is not allowed; allowed: a-z, 0-9 and '-', at most %d characters",
			NAME_BYTES);
}

/* What "quick" has takes the place of what stood outside. Read, and so checked, in both cases. */
static void read_quick(struct experiment_reader *r, struct experiment *e, bool wanted)
{
	static const char *const known[] = {"groups", "cell", NULL};
	const json_t *outer = r->object;
	struct experiment other = {.cell = e->cell};
	struct experiment *to = wanted ? e : &other;

	if (!experiment_value(r, "quick"))
		return;
	const size_t before = experiment_enter(r, "quick");
	r->object = json_object_get(outer, "quick");
	if (json_is_object(r->object)) {
		experiment_check_keys(r, known);
		if (experiment_value(r, "groups"))
			read_groups(r, to);
		read_cell(r, &to->cell);
	} else {
		experiment_complain(r, NULL, "is not allowed; allowed: an object");
	}
	experiment_leave(r, before);
	r->object = outer;
	free_groups(&other);
}

static void read_experiment(struct experiment_reader *r, struct experiment *e, bool quick)
{
	static const char *const known[] = {
		"name", "title", "claim", "derived", "groups", "cell", "quick", NULL};

	experiment_check_keys(r, known);
	e->name = experiment_string(r, "name", true);
	check_name(r, e->name);
	e->title = experiment_string(r, "title", true);
	e->claim = experiment_string(r, "claim", true);
	e->cell = (struct experiment_cell_limits){
		.seconds = 30, .least_seconds = 8, .warmup_s = 2, .precision = 0.05};
	const json_t *derived = experiment_value(r, "derived");
	if (derived && !json_is_boolean(derived))
		experiment_complain(r, "derived", "is not allowed; allowed: true or false");
	e->derived = json_is_true(derived);
	if (!e->derived)
		read_groups(r, e);
	else if (experiment_value(r, "groups"))
		experiment_complain(r, "groups", "is not allowed with \"derived\": true");
	read_cell(r, &e->cell);
	read_quick(r, e, quick);
	if (e->cell.least_seconds > e->cell.seconds)
		experiment_complain(r, "cell.least_seconds",
			"is not allowed: %g is above cell.seconds, %g", e->cell.least_seconds,
			e->cell.seconds);
}

int experiment_read(struct experiment *ret, const char *path, bool quick, struct buffer *errors)
{
	struct experiment_reader r = {.path = path, .errors = errors};
	struct experiment e = {.name = NULL};
	json_t *root;

	int result = experiment_load(&root, path, errors);
	if (result < 0)
		return result;
	buffer_init(&r.at);
	r.object = root;
	read_experiment(&r, &e, quick);
	result = r.no_memory || errors->failed ? -ENOMEM : r.wrong ? -EINVAL : 0;
	buffer_done(&r.at);
	json_decref(root);
	if (result == 0)
		*ret = e;
	else
		experiment_done(&e);
	return result;
}

void experiment_done(struct experiment *e)
{
	free_groups(e);
	free(e->name);
	free(e->title);
	free(e->claim);
	*e = (struct experiment){.name = NULL};
}
