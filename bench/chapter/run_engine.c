#include "bench/chapter/run_engine.h"

#include "bench/output.h"
#include "bench/progress.h"
#include "lib/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- lines ----------------------------------------------------------------------------------------------------- */

int run_out_of_memory(struct run_engine *e)
{
	if (e->error->len == 0)
		buffer_puts(e->error, "no memory is left");
	return -ENOMEM;
}

int run_add_line(struct run_engine *e, json_t *line)
{
	if (!line || json_array_append(e->run->lines, line) != 0) {
		json_decref(line);
		return run_out_of_memory(e);
	}
	const int result = output_append_line(e->results, line);
	json_decref(line);
	if (result < 0)
		buffer_printf(e->error, "%s: %s", e->results, strerror(-result));
	return result;
}

json_t *run_new_line(const struct run_engine *e, size_t stage, const char *kind)
{
	const struct chapter_stage *s = &e->o->chapter->stage[stage];
	char time[CLOCK_UTC_BYTES];

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:s}", "chapter", e->o->chapter->name,
		"stage", s->name, "kind", kind, "title", s->title, "full", e->o->full, "emulated",
		s->load.emulated, "workers", (int)s->server.workers, "time",
		clock_format_utc(time, sizeof time, clock_wall_us(), 3));
}

int run_add_unable(struct run_engine *e, size_t stage, const char *reason)
{
	json_t *line = run_new_line(e, stage, "unable");

	e->known[stage].unable = true;
	if (line && json_object_set_new(line, "reason", json_string(reason)) != 0) {
		json_decref(line);
		line = NULL;
	}
	(void)printf("%s: not measured: %s\n", e->o->chapter->stage[stage].name, reason);
	return run_add_line(e, line);
}

/* --- stands ---------------------------------------------------------------------------------------------------- */

void run_doing(struct run_engine *e, size_t stage, const char *what)
{
	(void)snprintf(e->what, sizeof e->what, "%s: %s", e->o->chapter->stage[stage].name, what);
	progress_show("%s", e->what);
}

int run_bring_up(struct run_engine *e, size_t stage, struct stand **ret)
{
	const struct chapter_stage *s = &e->o->chapter->stage[stage];
	struct buffer why;

	*ret = NULL;
	run_doing(e, stage, "starting");
	e->places.rest_cpus = cpus_rest(&e->run->cpus, s->server.same_core);
	buffer_init(&why);
	int result = stand_start(ret, s, &e->places, &why);
	progress_clear();
	const char *text = buffer_cstring(&why);
	if (result == -ENOPKG)
		result = run_add_unable(
			e, stage, text && *text ? text : "something is not installed");
	else if (result < 0)
		buffer_printf(e->error, "%s: %s", s->name, text ? text : "no memory is left");
	buffer_done(&why);
	return result;
}

int run_tell(struct run_engine *e, size_t stage, int result, const struct buffer *why)
{
	progress_clear();
	if (result < 0)
		buffer_printf(e->error, "%s: %.*s", e->o->chapter->stage[stage].name, (int)why->len,
			why->len ? why->data : "");
	return result;
}
