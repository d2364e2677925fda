#include "server/succession.h"

#include "lib/log.h"
#include "lib/number.h"
#include "server/guardian.h"
#include "server/restart.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long the old master may take to end its admin process. */
#define TAKE_OVER_US 10000000u
#define LEAVE_US 1000000u /* what a new master that is given up may take beyond its drain */
#define SCALED " scaled"  /* in WORKERS_VARIABLE */

static void read_workers(struct succession *s)
{
	const char *text = getenv(WORKERS_VARIABLE);
	const size_t digits = text ? strspn(text, "0123456789") : 0;
	int64_t n;

	if (digits > 0 && s->heir.fd >= 0 &&
		number_parse_int(&n, text, digits, 1, s->fleet->slots) == 0) {
		s->old_workers = (uint32_t)n;
		s->scaled = strcmp(text + digits, SCALED) == 0;
	}
	(void)unsetenv(WORKERS_VARIABLE);
}

/* For the new master, which inherits the environment. 0 or -errno. */
static int leave_workers(const struct succession *s)
{
	char text[32];
	uint32_t wanted = s->fleet->wanted;
	bool scaled = wanted != (uint32_t)config_worker_count(s->legacy->config);

	(void)snprintf(text, sizeof(text), "%u%s", wanted, scaled ? SCALED : "");
	return setenv(WORKERS_VARIABLE, text, 1) != 0 ? -errno : 0;
}

int succession_init(struct succession *s, struct fleet *f, struct legacy *l, char *const *argv)
{
	*s = (struct succession){.fleet = f, .legacy = l, .argv = argv, .upgrade = {.fd = -1}};
	int error = upgrade_program(s->program, sizeof(s->program));
	if (error) {
		log_error("cannot find out which program this is (/proc/self/exe): %s",
			strerror(-error));
		return error;
	}
	error = heir_init(&s->heir);
	read_workers(s);
	if (error)
		log_error(UPGRADE_VARIABLE
			" in the environment is not what an old master leaves there");
	l->heir_fd = s->heir.fd;
	s->predecessor = s->heir.parent;
	s->guardian = guardian_of_us();
	return error;
}

/* We do not take over, or have done so: the old master sees the end of the pair. */
static void renounce(struct succession *s)
{
	heir_done(&s->heir);
	s->legacy->heir_fd = -1;
}

void succession_done(struct succession *s)
{
	renounce(s);
	if (s->upgrade.pid > 0)
		upgrade_end(&s->upgrade, true);
}

/* --- the old master's end */

static void end(struct succession *s, enum change_state state, const char *text, uint64_t now_us)
{
	change_end(&s->legacy->stats->changes, &s->change, state, now_us, "%s", text);
	s->asked = s->pending = false;
	s->legacy->upgrade_fd = -1;
	log_line(state == CHANGE_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "upgrade %s: %s",
		change_state_name(state), s->change.text);
}

/* Its workers may serve clients already, so it is asked to stop, as anybody would ask it. */
static void give_up(struct succession *s, uint64_t now_us)
{
	pid_t pid = s->upgrade.pid;

	upgrade_refuse(&s->upgrade);
	upgrade_end(&s->upgrade, false);
	if (pid == 0)
		return;
	if (s->leaving > 0)
		(void)kill(s->leaving, SIGKILL);
	s->leaving = pid;
	s->leaving_until_us = now_us + legacy_drain_us(s->legacy) + LEAVE_US;
	if (kill(pid, SIGTERM) != 0)
		log_error("cannot stop the new quernd (pid %d): %s", (int)pid, strerror(errno));
}

void succession_enforce(struct succession *s, uint64_t now_us)
{
	if (s->leaving == 0 || now_us < s->leaving_until_us)
		return;
	(void)kill(s->leaving, SIGKILL);
	s->leaving_until_us = UINT64_MAX;
}

static void fail(struct succession *s, const char *why, uint64_t now_us)
{
	char text[STATS_CHANGE_BYTES];

	give_up(s, now_us);
	(void)snprintf(text, sizeof(text), "%s; this quernd (pid %d) carries on", why,
		(int)s->legacy->master);
	end(s, CHANGE_FAILED, text, now_us);
}

void succession_begin(struct succession *s, uint64_t now_us)
{
	struct stats_changes *all = &s->legacy->stats->changes;

	if (succession_runs(s)) {
		struct change refused;

		change_begin(all, &refused, CHANGE_UPGRADE, now_us, "refused");
		change_end(all, &refused, CHANGE_FAILED, now_us, "an upgrade is under way already");
		return;
	}
	change_begin(all, &s->change, CHANGE_UPGRADE, now_us, "starting %s", s->program);
	log_info("upgrading: starting %s", s->program);
	s->pending = true;
}

/* Slots that are being left would have to be left to a master that does not know of them. */
static void start(struct succession *s, uint64_t now_us)
{
	char why[UPGRADE_TEXT_BYTES] = "out of memory";

	if (!s->pending || fleet_is_shrinking(s->fleet))
		return;
	s->pending = false;
	if (leave_workers(s) != 0 ||
		upgrade_start(&s->upgrade, s->program, s->argv, &s->legacy->sockets,
			s->change.number, s->change.begun_us, now_us, why) != 0) {
		end(s, CHANGE_FAILED, why, now_us);
		return;
	}
	s->legacy->upgrade_fd = s->upgrade.fd;
}

bool succession_runs(const struct succession *s)
{
	return s->pending || s->upgrade.pid > 0;
}

void succession_step(struct succession *s, uint64_t now_us)
{
	char why[UPGRADE_TEXT_BYTES];
	enum upgrade_event event = UPGRADE_PROGRESS;
	uint32_t done, total;

	succession_enforce(s, now_us);
	start(s, now_us);
	while (s->upgrade.pid > 0 && !s->asked && event != UPGRADE_NOTHING) {
		event = upgrade_read(&s->upgrade, &done, &total, why);
		if (event == UPGRADE_PROGRESS) {
			s->workers = total;
			change_progress(&s->legacy->stats->changes, &s->change, done, total);
		} else if (event == UPGRADE_READY) {
			s->asked = true;
		} else if (event == UPGRADE_FAILED) {
			fail(s, why, now_us);
		}
	}
	if (s->upgrade.pid > 0 && now_us >= s->upgrade.deadline_us)
		fail(s, "the new quernd was not ready in time", now_us);
}

bool succession_yield(struct succession *s, uint64_t now_us)
{
	char text[STATS_CHANGE_BYTES];
	pid_t successor = s->upgrade.pid;

	if (upgrade_yield(&s->upgrade) != 0) {
		fail(s, "the new quernd went away when it was to take over", now_us);
		return false;
	}
	upgrade_end(&s->upgrade, false);
	(void)snprintf(text, sizeof(text), "quernd with pid %d has taken over", (int)successor);
	end(s, CHANGE_DONE, text, now_us);
	return true;
}

void succession_refuse(struct succession *s, const char *why, uint64_t now_us)
{
	fail(s, why, now_us);
}

bool succession_bury(struct succession *s, pid_t pid, int wait_status, uint64_t now_us)
{
	char cause[64], why[UPGRADE_TEXT_BYTES], text[2 * UPGRADE_TEXT_BYTES];
	uint32_t done, total;

	if (pid == s->leaving) {
		s->leaving = 0;
		return true;
	}
	if (s->upgrade.pid == 0 || pid != s->upgrade.pid)
		return false;
	/* Its last words may still be there. */
	enum upgrade_event event;
	do
		event = upgrade_read(&s->upgrade, &done, &total, why);
	while (event == UPGRADE_PROGRESS || event == UPGRADE_READY);
	upgrade_end(&s->upgrade, false);
	(void)snprintf(text, sizeof(text), "the new quernd (pid %d) %s%s%s", (int)pid,
		restart_cause(wait_status, cause, sizeof(cause)),
		event == UPGRADE_FAILED ? ": " : "; see the log",
		event == UPGRADE_FAILED ? why : "");
	fail(s, text, now_us);
	return true;
}

void succession_abandon(struct succession *s, const char *why, uint64_t now_us)
{
	renounce(s);
	if (!succession_runs(s))
		return;
	give_up(s, now_us);
	end(s, CHANGE_FAILED, why, now_us);
}

/* --- the new master's end */

void succession_tell(const char *why)
{
	struct heir heir;

	/* What is wrong with the variables is not the trouble here. */
	if (heir_init(&heir) == 0)
		heir_failed(&heir, why);
	heir_done(&heir);
}

uint32_t succession_workers(const struct succession *s)
{
	return s->old_workers ? s->old_workers : (uint32_t)config_worker_count(s->legacy->config);
}

uint32_t succession_workers_then(const struct succession *s)
{
	return s->scaled ? s->old_workers : (uint32_t)config_worker_count(s->legacy->config);
}

bool succession_is_heir(const struct succession *s)
{
	return s->heir.fd >= 0;
}

static void record(struct succession *s, uint64_t now_us)
{
	struct stats_changes *all = &s->legacy->stats->changes;

	change_begin(all, &s->change, CHANGE_UPGRADE, s->heir.begun_us, "taking over from pid %d",
		(int)s->heir.parent);
	change_progress(all, &s->change, s->fleet->wanted, s->fleet->wanted);
	change_end(all, &s->change, CHANGE_DONE, now_us,
		"quernd %s with pid %d has taken over from pid %d, with %u workers", QUERN_VERSION,
		(int)s->legacy->master, (int)s->heir.parent, s->fleet->wanted);
	log_info("upgrade done: %s", s->change.text);
}

bool succession_try(struct succession *s, bool *ret_failed, uint64_t now_us)
{
	struct fleet *f = s->fleet;
	uint32_t ready = fleet_ready(f, true);
	char text[UPGRADE_TEXT_BYTES];

	heir_progress(&s->heir, ready, f->wanted);
	for (uint32_t i = 0; i < f->wanted; i++) {
		if (f->slot[i].restart.quick < FLEET_TRIES)
			continue;
		(void)snprintf(text, sizeof(text),
			"its worker of slot %u does not become ready; see the log", i);
		heir_failed(&s->heir, text);
		*ret_failed = true;
		return false;
	}
	if (ready < f->wanted)
		return false;
	int error = heir_take_over(&s->heir, TAKE_OVER_US);
	if (error && error != -EPIPE) {
		log_error("the old master (pid %d) does not let us take over: %s",
			(int)s->heir.parent, strerror(-error));
		*ret_failed = true;
		return false;
	}
	/* It has no more workers either, as they die with it. */
	if (error)
		log_warn("the old master (pid %d) is gone: taking over all the same",
			(int)s->heir.parent);
	record(s, now_us);
	renounce(s);
	return true;
}
