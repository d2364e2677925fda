#include "server/operations.h"

#include "config/live.h"
#include "lib/log.h"
#include "server/descriptors.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CONFIG_IDS <= STATS_LIVE_VALUES, "shared memory has room for every option");

void operations_init(struct operations *o, struct fleet *f, const struct child *admin,
	const struct reload_source *source)
{
	*o = (struct operations){.fleet = f, .legacy = f->legacy, .admin = admin, .source = source};
	buffer_init(&o->told);
}

static void forget_before(struct operations *o)
{
	if (o->before)
		config_done(o->before);
	free(o->before);
	o->before = NULL;
}

void operations_done(struct operations *o)
{
	forget_before(o);
	buffer_done(&o->told);
}

/* What was written about the reload so far. */
static const char *told(struct operations *o)
{
	const char *text = buffer_cstring(&o->told);

	return text ? text : "out of memory";
}

static bool runs(const struct change *c)
{
	return c->number != 0 && c->state == CHANGE_RUNNING;
}

/* Ends a change that runs, in the record and in the log. */
static void end(struct operations *o, struct change *c, enum change_state state, uint64_t now_us,
	const char *text)
{
	if (!runs(c))
		return;
	change_end(&o->legacy->stats->changes, c, state, now_us, "%s", text);
	log_line(state == CHANGE_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "%s %s: %s",
		change_kind_name(c->kind), change_state_name(state), c->text);
}

/* --- scale */

void operations_scale(struct operations *o, int64_t wanted, uint64_t now_us)
{
	char text[STATS_CHANGE_BYTES];
	struct change change;

	(void)snprintf(
		text, sizeof(text), "from %u to %" PRId64 " workers", o->fleet->wanted, wanted);
	change_begin(&o->legacy->stats->changes, &change, CHANGE_SCALE, now_us, "%s", text);
	change.target = (uint32_t)wanted;
	/* One that fails leaves a change that is under way as it is. */
	if (wanted < 1 || wanted > (int64_t)o->fleet->slots) {
		(void)snprintf(text, sizeof(text),
			"%" PRId64 " workers: allowed are 1 to %u (workers.max)", wanted,
			o->fleet->slots);
		end(o, &change, CHANGE_FAILED, now_us, text);
		return;
	}
	log_info("scaling %s", text);
	int error = fleet_scale(o->fleet, (uint32_t)wanted);
	if (error) {
		(void)snprintf(text, sizeof(text),
			"cannot listen for all of %" PRId64 " workers: %s", wanted,
			strerror(-error));
		end(o, &change, CHANGE_FAILED, now_us, text);
		return;
	}
	end(o, &o->scale, CHANGE_SUPERSEDED, now_us, "another one has begun");
	o->scale = change;
	/* As many steps as there are slots that are not yet as they should be. */
	change_progress(&o->legacy->stats->changes, &o->scale, 0,
		o->fleet->slots - fleet_settled(o->fleet));
}

void operations_refuse(struct operations *o, enum change_kind kind, uint32_t target,
	const char *why, uint64_t now_us)
{
	struct change change;

	change_begin(&o->legacy->stats->changes, &change, kind, now_us, "refused");
	change.target = target;
	end(o, &change, CHANGE_FAILED, now_us, why);
}

static void step_scale(struct operations *o, uint64_t now_us)
{
	char text[STATS_CHANGE_BYTES];
	struct fleet *f = o->fleet;
	uint32_t settled = fleet_settled(f), failing = fleet_failing(f);

	if (!runs(&o->scale))
		return;
	uint32_t left = f->slots - settled, total = o->scale.total > left ? o->scale.total : left;

	change_progress(&o->legacy->stats->changes, &o->scale, total - left, total);
	if (left == 0) {
		(void)snprintf(text, sizeof(text), "%u workers", f->wanted);
		end(o, &o->scale, CHANGE_DONE, now_us, text);
	} else if (failing != UINT32_MAX) {
		(void)snprintf(text, sizeof(text),
			"no worker of slot %u becomes ready; see the log", failing);
		end(o, &o->scale, CHANGE_FAILED, now_us, text);
	}
}

/* --- reload */

static int open_log(const struct config *old, const struct config *new)
{
	if (strcmp(old->log_destination, new->log_destination) != 0)
		return log_open((enum log_level) new->log_level, new->log_destination);
	log_set_level((enum log_level) new->log_level);
	return 0;
}

/* What can fail comes first: descriptors, sockets, the log. 0 or -errno; then why is in text, and nothing has changed. */
static int prepare(struct operations *o, const struct config *new, struct buffer *text)
{
	uint64_t limit = 0, need = descriptors_needed(new);
	uint32_t wanted = (uint32_t)config_worker_count(new), before = o->fleet->wanted;
	int error = descriptors_raise(need, &limit);

	buffer_reset(text);
	if (error) {
		buffer_printf(text,
			"limits.connections needs %" PRIu64
			" open files, the hard limit is %" PRIu64 ": %s",
			need, limit, strerror(-error));
		return error;
	}
	error = fleet_scale(o->fleet, wanted);
	if (error) {
		buffer_printf(
			text, "cannot listen for all of %u workers: %s", wanted, strerror(-error));
		return error;
	}
	error = open_log(o->legacy->config, new);
	if (!error)
		return 0;
	buffer_printf(
		text, "cannot open log.destination %s: %s", new->log_destination, strerror(-error));
	/* Its sockets are there. */
	return fleet_scale(o->fleet, before) != 0 ? -EADDRINUSE : error;
}

/* What was in force becomes what to go back to, unless there is such a thing already: that one worked. */
static bool keep_before(struct operations *o)
{
	if (o->before)
		return true;
	o->before = malloc(sizeof(*o->before));
	if (o->before && config_copy(o->before, o->legacy->config) == 0) {
		o->before_generation = o->fleet->generation;
		o->before_wanted = o->fleet->wanted;
		return true;
	}
	free(o->before);
	o->before = NULL;
	return false;
}

static void put_in_force(struct operations *o, struct config *new, uint64_t now_us)
{
	config_done(o->legacy->config);
	*o->legacy->config = *new;
	config_live_put(o->legacy->config, o->legacy->stats->live.value);
	fleet_take(o->fleet, now_us);
	fleet_signal(o->fleet, SIGHUP);
	child_signal(o->admin, SIGHUP);
}

static void take(
	struct operations *o, struct reload *r, uint32_t were, bool still_rolls, uint64_t now_us)
{
	/* What an earlier one began goes on. */
	o->rolls = (still_rolls && o->rolls) || r->rolls;
	put_in_force(o, &r->config, now_us);
	o->renew_admin |= r->admin_too;
	fleet_forgive(o->fleet);
	o->taken_wanted = o->fleet->wanted;
	if (o->rolls)
		fleet_roll(o->fleet);
	if (o->fleet->wanted == were)
		return;
	end(o, &o->scale, CHANGE_SUPERSEDED, now_us, "a reload has set the number of workers");
	buffer_printf(&o->told, "; workers: %u, were %u", o->fleet->wanted, were);
}

static void fail(struct operations *o, struct change *c, struct buffer *text, uint64_t now_us)
{
	const char *why = buffer_cstring(text);

	end(o, c, CHANGE_FAILED, now_us, why ? why : "out of memory");
	buffer_done(text);
}

void operations_reload(struct operations *o, uint64_t now_us)
{
	struct change change;
	struct buffer text;
	struct reload r;

	log_info("reloading %s",
		o->source->file ? o->source->file : "the environment (there is no file)");
	/* One that fails leaves a reload that is under way as it is. */
	change_begin(&o->legacy->stats->changes, &change, CHANGE_RELOAD, now_us,
		"reading the configuration");
	buffer_init(&text);
	if (reload_read(&r, o->source, o->legacy->config, &text) != 0) {
		fail(o, &change, &text, now_us);
		return;
	}
	struct buffer why;
	uint32_t were = o->fleet->wanted;

	buffer_init(&why);
	if (!keep_before(o) || prepare(o, &r.config, &why) != 0) {
		why.failed |= !o->before;
		if (!runs(&o->reload))
			forget_before(o);
		config_done(&r.config);
		buffer_done(&text);
		fail(o, &change, &why, now_us);
		return;
	}
	buffer_done(&why);
	bool still_rolls = runs(&o->reload);
	end(o, &o->reload, CHANGE_SUPERSEDED, now_us, "another one has begun");
	buffer_done(&o->told);
	o->told = text;
	o->reload = change;
	take(o, &r, were, still_rolls, now_us);
	change_tell(&o->legacy->stats->changes, &o->reload, told(o));
}

/* The new configuration kills workers at their start: back to the one that worked. */
static void go_back(struct operations *o, uint32_t failing, uint64_t now_us)
{
	char text[STATS_CHANGE_BYTES];

	(void)snprintf(text, sizeof(text),
		"no worker of slot %u becomes ready with the new configuration, so the old one is "
		"in force again; see the log",
		failing);
	if (o->before) {
		o->renew_admin = true;
		if (open_log(o->legacy->config, o->before) != 0)
			log_error(
				"cannot open log.destination %s again", o->before->log_destination);
		put_in_force(o, o->before, now_us);
		free(o->before);
		o->before = NULL;
		fleet_roll_back(o->fleet, o->before_generation);
		/* A number that was asked for meanwhile stays. */
		if (o->fleet->wanted == o->taken_wanted &&
			fleet_scale(o->fleet, o->before_wanted) != 0)
			log_error("the number of workers stays %u", o->fleet->wanted);
	}
	end(o, &o->reload, CHANGE_FAILED, now_us, text);
}

static void step_reload(struct operations *o, uint64_t now_us)
{
	struct fleet *f = o->fleet;
	uint32_t settled = fleet_settled(f), ready = fleet_ready(f, true),
		 failing = fleet_failing(f);

	if (!runs(&o->reload))
		return;
	change_progress(&o->legacy->stats->changes, &o->reload, ready, f->wanted);
	if (settled == f->slots && ready == f->wanted) {
		end(o, &o->reload, CHANGE_DONE, now_us, told(o));
		forget_before(o);
	} else if (failing != UINT32_MAX && o->rolls) {
		go_back(o, failing, now_us);
	} else if (failing != UINT32_MAX) {
		/* It is not what was changed that keeps the slot from coming up. */
		buffer_printf(
			&o->told, "; no worker of slot %u becomes ready, see the log", failing);
		end(o, &o->reload, CHANGE_DONE, now_us, told(o));
		forget_before(o);
	}
}

void operations_step(struct operations *o, uint64_t now_us)
{
	step_scale(o, now_us);
	step_reload(o, now_us);
}

void operations_end(struct operations *o, const char *why, uint64_t now_us)
{
	end(o, &o->scale, CHANGE_SUPERSEDED, now_us, why);
	end(o, &o->reload, CHANGE_SUPERSEDED, now_us, why);
}
