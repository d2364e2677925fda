/* The rates of a stage: given, or measured before the first repetition. */
#include "bench/chapter/rates.h"
#include "bench/chapter/run_engine.h"
#include "bench/progress.h"

#include <stdio.h>
#include <stdlib.h>

#define ONE_CPU "this machine has one CPU, and the server needs one for itself"
#define NOT_FULL "only with --full"

static int find_capacity(struct run_engine *e, size_t stage, const struct rates_options *o)
{
	struct run_known *k = &e->known[stage];
	struct buffer why;

	if (k->capacity_rps > 0)
		return 0;
	buffer_init(&why);
	run_doing(e, stage, "at full speed");
	const int result = run_tell(e, stage, rates_capacity(o, &k->capacity_rps, &why), &why);
	buffer_done(&why);
	if (result < 0)
		return result;
	(void)printf("%s: can do %.4g requests a second\n", e->o->chapter->stage[stage].name,
		k->capacity_rps);
	json_t *line = run_new_line(e, stage, "capacity");
	if (line)
		(void)json_object_set_new(line, "capacity_rps", json_real(k->capacity_rps));
	return run_add_line(e, line);
}

static int find_busy(struct run_engine *e, size_t stage, size_t step, const struct rates_options *o)
{
	const double wanted = e->o->chapter->stage[stage].load.rate[step].value;
	double seen = 0, *rate_rps = &e->known[stage].rate_rps[step];
	struct buffer why;

	buffer_init(&why);
	run_doing(e, stage, "calibrating");
	const int result = run_tell(e, stage, rates_busy(o, wanted, rate_rps, &seen, &why), &why);
	buffer_done(&why);
	if (result < 0)
		return result;
	(void)printf("%s: is %.1f %% busy at %.4g requests a second\n",
		e->o->chapter->stage[stage].name, 100 * seen, *rate_rps);
	json_t *line = run_new_line(e, stage, "calibration");
	if (line && json_object_update_new(
			    line, json_pack("{s:i, s:f, s:f, s:f}", "step", (int)step, "wanted",
					  wanted, "seen", seen, "rate_rps", *rate_rps)) != 0) {
		json_decref(line);
		line = NULL;
	}
	return run_add_line(e, line);
}

static bool asks_capacity(const struct chapter *c, size_t of)
{
	for (size_t i = 0; i < c->stages; i++)
		for (size_t step = 0; step < c->stage[i].load.rates; step++) {
			const struct chapter_rate *rate = &c->stage[i].load.rate[step];

			if (rate->kind == CHAPTER_RATE_CAPACITY && rate->stage == of)
				return true;
		}
	return false;
}

static bool asks_busy(const struct chapter_stage *s)
{
	bool asks = false;

	for (size_t step = 0; step < s->load.rates; step++)
		asks = asks || s->load.rate[step].kind == CHAPTER_RATE_BUSY;
	return asks;
}

/* What has to be measured of this stage for its own rates, or for those of others. */
static int calibrate_stage(struct run_engine *e, size_t stage)
{
	const struct chapter_stage *s = &e->o->chapter->stage[stage];
	const bool capacity = asks_capacity(e->o->chapter, stage);
	struct stand *stand;

	if (!capacity && !asks_busy(s))
		return 0;
	int result = run_bring_up(e, stage, &stand);
	if (result < 0 || !stand)
		return result;
	const struct rates_options o = {.stage = s,
		.stand = stand,
		.rest_cpus = e->places.rest_cpus,
		.full = e->o->full,
		.stop = e->o->stop};
	if (capacity)
		result = find_capacity(e, stage, &o);
	for (size_t step = 0; step < s->load.rates && result == 0; step++)
		if (s->load.rate[step].kind == CHAPTER_RATE_BUSY)
			result = find_busy(e, stage, step, &o);
	stand_stop(stand);
	return result;
}

/* false: it depends on a stage that could not be run. */
static bool conclude_rate(struct run_engine *e, size_t stage, size_t step)
{
	const struct chapter_rate *rate = &e->o->chapter->stage[stage].load.rate[step];
	const struct run_known *of = &e->known[rate->stage];
	double *rps = &e->known[stage].rate_rps[step];

	if (rate->kind == CHAPTER_RATE_GIVEN)
		*rps = rate->value;
	if (rate->kind == CHAPTER_RATE_CAPACITY)
		*rps = rate->value * of->capacity_rps;
	if (rate->kind == CHAPTER_RATE_SAME)
		*rps = rate->value * of->rate_rps[0];
	return *rps > 0;
}

int run_prepare(struct run_engine *e, size_t stage)
{
	const struct chapter_stage *s = &e->o->chapter->stage[stage];
	struct run_known *k = &e->known[stage];

	k->rate_rps = calloc(s->load.rates, sizeof *k->rate_rps);
	if (!k->rate_rps)
		return run_out_of_memory(e);
	if (e->run->cpus.count < 2)
		return run_add_unable(e, stage, ONE_CPU);
	if (s->full_only && !e->o->full)
		return run_add_unable(e, stage, NOT_FULL);
	const int result = calibrate_stage(e, stage);
	for (size_t step = 0; step < s->load.rates && result == 0 && !k->unable; step++)
		if (!conclude_rate(e, stage, step))
			return run_add_unable(
				e, stage, "its rate depends on a stage that was not measured");
	return result;
}
