#include "bench/chapter/run.h"

#include "bench/chapter/extras.h"
#include "bench/chapter/run_engine.h"
#include "bench/chapter/stage_load.h"
#include "bench/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- loads ----------------------------------------------------------------------------------------------------- */

static void show(void *own, double elapsed_s)
{
	const struct run_engine *e = own;

	progress_show("%s: %s %.0f s", e->what, elapsed_s < 0 ? "warming up" : "measuring",
		elapsed_s < 0 ? -elapsed_s : elapsed_s);
}

static double in_ms(double us)
{
	return us / 1000;
}

static void print_load(
	const struct run_engine *e, const struct stage_load_options *o, const struct stage_load *m)
{
	const struct chapter_load *load = &o->stage->load;

	(void)printf("%s, %.4g/s: ", e->what, o->rate_rps);
	for (size_t i = 0; i <= load->templates; i++) {
		const bool all = i == load->templates;
		const struct quantiles *q =
			all ? &m->recorder.latency.all : &m->recorder.of_template[i];

		if (all || load->name[i])
			(void)printf("%s p50 %.4g p95 %.4g p99 %.4g ms; ",
				all ? "all" : load->name[i], in_ms(quantiles_at(q, 0.5)),
				in_ms(quantiles_at(q, 0.95)), in_ms(quantiles_at(q, 0.99)));
	}
	(void)printf("busy %.0f %%\n", 100 * m->shares.busy_mean);
	if (m->void_reason.len > 0)
		(void)printf("    void: %.*s\n", (int)m->void_reason.len, m->void_reason.data);
	(void)fflush(stdout);
}

struct load_at {
	size_t stage, step;
	unsigned repetition;
};

static json_t *load_line(struct run_engine *e, const struct load_at *at,
	const struct stage_load_options *o, const struct stage_load *m)
{
	const struct run_known *k = &e->known[at->stage];
	json_t *line = run_new_line(e, at->stage, "load");
	json_t *more = json_pack("{s:i, s:i, s:I, s:f, s:s, s:o}", "repetition",
		(int)at->repetition, "step", (int)at->step, "seed", (json_int_t)o->seed, "rate_rps",
		o->rate_rps, "rate_from", chapter_rate_words[o->stage->load.rate[at->step].kind],
		"capacity_rps", k->capacity_rps > 0 ? json_real(k->capacity_rps) : json_null());

	if (line && json_object_update_new(line, more) == 0 &&
		json_object_update_new(line, stage_load_json(o, m)) == 0)
		return line;
	json_decref(line);
	return NULL;
}

static int run_load(struct run_engine *e, const struct load_at *at, struct stand *stand)
{
	const struct chapter_stage *s = &e->o->chapter->stage[at->stage];
	const struct stage_load_options o = {.stage = s,
		.stand = stand,
		.rate_rps = e->known[at->stage].rate_rps[at->step],
		.requests = s->load.requests,
		.seconds = s->load.seconds,
		.warmup_s = s->load.warmup_s,
		.seed = s->load.seed + at->repetition + 1000 * at->step,
		.rest_cpus = e->places.rest_cpus,
		.samples = &s->samples,
		.stop = e->o->stop,
		.show = show,
		.own = e};
	struct stage_load m;
	struct buffer why;

	(void)snprintf(
		e->what, sizeof e->what, "[%u/%u] %s", at->repetition + 1, e->o->repeat, s->name);
	buffer_init(&why);
	int result = run_tell(e, at->stage, stage_load_run(&o, &m, &why), &why);
	buffer_done(&why);
	if (result < 0)
		return result;
	print_load(e, &o, &m);
	json_t *line = load_line(e, at, &o, &m);
	const struct extras_at place = {.directory = e->o->directory,
		.stage = s,
		.stand = stand,
		.repetition = at->repetition,
		.step = at->step};
	if (line && extras_add(&place, line, m.trace, at->step + 1 == s->load.rates, e->error) < 0)
		result = -EIO;
	e->run->loads++;
	e->run->voids += m.void_reason.len > 0;
	stage_load_done(&m);
	if (result == 0)
		return run_add_line(e, line);
	json_decref(line);
	return result;
}

static int run_stage(struct run_engine *e, size_t stage, unsigned repetition)
{
	struct load_at at = {.stage = stage, .repetition = repetition};
	struct stand *stand;

	if (e->known[stage].unable)
		return 0;
	int result = run_bring_up(e, stage, &stand);
	if (result < 0 || !stand)
		return result;
	for (; at.step < e->o->chapter->stage[stage].load.rates && result == 0; at.step++)
		result = run_load(e, &at, stand);
	stand_stop(stand);
	return result;
}

/* --- together -------------------------------------------------------------------------------------------------- */

static int make_directory(struct run_engine *e, const char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	const int why = errno;
	buffer_printf(e->error, "%s: %s", path, strerror(why));
	return -why;
}

static int begin(struct run_engine *e)
{
	const int logs = snprintf(e->logs, sizeof e->logs, "%s/logs", e->o->directory);
	const int results =
		snprintf(e->results, sizeof e->results, "%s/results.jsonl", e->o->directory);

	if (logs >= PATH_MAX || results >= PATH_MAX) {
		buffer_printf(e->error, "%s: %s", e->o->directory, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	if (unlink(e->results) != 0 && errno != ENOENT) {
		const int why = errno;
		buffer_printf(e->error, "%s: %s", e->results, strerror(why));
		return -why;
	}
	e->places = (struct stand_places){.build = e->o->build,
		.services = e->o->services,
		.peers = e->o->peers,
		.logs = e->logs,
		.server_cpus = e->run->cpus.first,
		.all_but_last = e->run->cpus.all_but_last,
		.stop = e->o->stop};
	e->known = calloc(e->o->chapter->stages, sizeof *e->known);
	return e->known ? make_directory(e, e->logs) : run_out_of_memory(e);
}

static int run_all(struct run_engine *e)
{
	int result = begin(e);

	for (size_t i = 0; i < e->o->chapter->stages && result == 0; i++)
		result = run_prepare(e, i);
	for (unsigned repetition = 0; repetition < e->o->repeat; repetition++)
		for (size_t i = 0; i < e->o->chapter->stages && result == 0; i++)
			result = run_stage(e, i, repetition);
	return result;
}

int run_stages(struct run *ret, const struct run_options *o, struct buffer *error)
{
	struct run_engine e = {.run = ret, .o = o, .error = error};

	*ret = (struct run){.o = o, .lines = json_array()};
	cpus_find(&ret->cpus);
	const int result = ret->lines ? run_all(&e) : run_out_of_memory(&e);
	progress_clear();
	for (size_t i = 0; e.known && i < o->chapter->stages; i++)
		free(e.known[i].rate_rps);
	free(e.known);
	return result;
}

void run_done(struct run *r)
{
	json_decref(r->lines);
	r->lines = NULL;
}
