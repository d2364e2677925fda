#include "bench/sweep/schedule.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"emulated", "real", "foreign"};

/* FNV-1a (Fowler, Noll, Vo), 32 bits. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

/* Mixes are too long for a name; other lines give another name. */
static void put_service(struct buffer *out, const struct schedule_cell *c)
{
	const struct experiment_group *g = c->group;

	buffer_printf(out, "%s/", kinds[c->service]);
	if (g->distribution)
		buffer_puts(out, g->distribution);
	if (g->mix)
		buffer_printf(out, "%smix-%08x", g->distribution ? "," : "", hash(g->mix));
	if (!g->distribution && !g->mix)
		buffer_puts(out, "url");
}

/* 0 or -ENOMEM. */
static int make_name(struct schedule_cell *c)
{
	char policy[POLICY_TEXT_BYTES];
	struct buffer name;

	buffer_init(&name);
	put_service(&name, c);
	/* Two that differ in the third decimal are two cells. */
	const int decimals =
		fabs(c->utilization - round(c->utilization * 100) / 100) < 1e-9 ? 2 : 6;
	buffer_printf(&name, "/%s/k%u/rho%.*f", policy_format(&c->policy, policy, sizeof policy),
		c->workers, decimals, c->utilization);
	const char *text = buffer_cstring(&name);
	c->name = text ? strdup(text) : NULL;
	buffer_done(&name);
	return c->name ? 0 : -ENOMEM;
}

static bool has(const struct schedule *s, const char *name)
{
	for (size_t i = 0; i < s->cells; i++)
		if (strcmp(s->cell[i].name, name) == 0)
			return true;
	return false;
}

static int add(struct schedule *s, struct schedule_cell c, const struct schedule_options *o)
{
	const int result = make_name(&c);

	if (result < 0)
		return result;
	const bool wanted = !has(s, c.name) && (!o->pattern || fnmatch(o->pattern, c.name, 0) == 0);
	const bool able =
		c.service != EXPERIMENT_REAL || (c.workers > 0 && c.workers <= o->spare_cpus);
	s->unable += wanted && !able;
	if (!wanted || !able) {
		free(c.name);
		return 0;
	}
	struct schedule_cell *grown = reallocarray(s->cell, s->cells + 1, sizeof *grown);
	if (!grown) {
		free(c.name);
		return -ENOMEM;
	}
	s->cell = grown;
	s->cell[s->cells++] = c;
	return 0;
}

static int add_workers(struct schedule *s, const struct experiment_group *g,
	const struct policy *policy, unsigned workers, const struct schedule_options *o)
{
	const bool foreign = o->foreign_workers > 0;
	int result = 0;

	for (size_t u = 0; u < g->utilizations && result == 0; u++)
		result = add(s,
			(struct schedule_cell){.group = g,
				.service = foreign ? EXPERIMENT_FOREIGN : g->service,
				.policy = *policy,
				.workers = workers,
				.utilization = g->utilization[u]},
			o);
	return result;
}

/* A foreign fleet has the number of workers that it has, and the policy that the file names first. */
static int add_group(
	struct schedule *s, const struct experiment_group *g, const struct schedule_options *o)
{
	int result = 0;

	if (o->foreign_workers > 0)
		return add_workers(s, g, &g->policy[0], o->foreign_workers, o);
	for (size_t p = 0; p < g->policies; p++)
		for (size_t w = 0; w < g->worker_counts && result == 0; w++)
			result = add_workers(s, g, &g->policy[p],
				g->workers[w] ? g->workers[w] : o->spare_cpus, o);
	return result;
}

int schedule_init(
	struct schedule *ret, const struct experiment *e, const struct schedule_options *o)
{
	struct schedule s = {.cells = 0};
	int result = 0;

	for (size_t i = 0; i < e->groups && result == 0; i++)
		result = add_group(&s, &e->group[i], o);
	if (result < 0)
		schedule_done(&s);
	else
		*ret = s;
	return result;
}

void schedule_done(struct schedule *s)
{
	for (size_t i = 0; i < s->cells; i++)
		free(s->cell[i].name);
	free(s->cell);
	*s = (struct schedule){.cells = 0};
}

uint64_t schedule_seed(const struct schedule_cell *c, uint64_t seed)
{
	/* 32 bits: exact in every reader of JSON. */
	return (seed * 2654435761u + hash(c->name)) & UINT32_MAX;
}
