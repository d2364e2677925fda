#include "server/child.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "server/admin.h"
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: dies with the master, whatever ends that, and speaks under its own name. */
static void become(const struct legacy *l, const char *role)
{
	log_set_role(role);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != l->master)
		_exit(1);
}

static _Noreturn void be_worker(struct legacy *l, int slot)
{
	char role[24];

	(void)snprintf(role, sizeof(role), "worker %d", slot);
	become(l, role);
	int listener = l->sockets.worker[slot];
	sockets_close(&l->sockets, listener);
	exit(worker_run(l->config, &l->stats->slot[slot], slot, listener));
}

static _Noreturn void be_admin(struct legacy *l)
{
	become(l, "admin");
	int listener = l->sockets.admin;
	sockets_close(&l->sockets, listener);
	exit(admin_run(l->config, l->config_path, l->stats, listener));
}

/* Before the fork: the slot has no worker, so its fields are the master's to write. */
static void announce(struct child *c, struct legacy *l)
{
	if (c->slot == CHILD_ADMIN)
		return;
	struct stats_slot *s = &l->stats->slot[c->slot];

	c->requests = stats_slot_requests(s);
	stats_set(&s->ready_us, 0);
	stats_set(&s->spawned_us, c->restart.spawned_us);
	atomic_store(&s->state, SLOT_STARTING);
}

static void publish_birth(const struct child *c, struct legacy *l)
{
	uint64_t restarts = c->spawned > 1 ? 1 : 0;

	if (c->slot == CHILD_ADMIN) {
		stats_add(&l->stats->admin_restarts, restarts);
		return;
	}
	atomic_store(&l->stats->slot[c->slot].pid, c->pid);
	stats_add(&l->stats->slot[c->slot].restarts, restarts);
}

static void give_up_for_now(struct child *c, struct legacy *l)
{
	log_error("cannot fork: %s", strerror(errno));
	restart_schedule(&c->restart, true, c->restart.spawned_us);
	if (c->slot == CHILD_ADMIN)
		return;
	atomic_store(&l->stats->slot[c->slot].state, SLOT_WAITING);
}

void child_spawn(struct child *c, struct legacy *l)
{
	c->restart.spawned_us = clock_us();
	announce(c, l);
	pid_t pid = fork();
	if (pid == 0) {
		if (c->slot == CHILD_ADMIN)
			be_admin(l);
		else
			be_worker(l, c->slot);
	}
	if (pid < 0) {
		give_up_for_now(c, l);
		return;
	}
	c->pid = pid;
	c->spawned++;
	publish_birth(c, l);
}

/* The slot has no worker now, so the master is the writer of all its fields. */
static void publish_death(
	const struct child *c, struct legacy *l, const struct rusage *usage, uint64_t now_us)
{
	struct stats_slot *s = &l->stats->slot[c->slot];
	uint64_t since = stats_get(&s->idle_since_us);
	uint64_t cpu_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000u +
			  (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);

	atomic_store(&s->pid, 0);
	stats_add(&s->dead_cpu_us, cpu_us);
	if (since > 0 && since < now_us)
		stats_add(&s->idle_us, now_us - since);
	stats_set(&s->idle_since_us, 0);
	stats_set(&s->connections, 0);
	stats_set(&s->active, 0);
	stats_set(&s->queue, 0);
	stats_set(&s->lag_us, 0);
	stats_set(&s->lag_due_us, 0);
	atomic_store(&s->state, l->stopping ? SLOT_UNUSED : SLOT_WAITING);
}

/* What comes after this death, as the end of the obituary. */
static void describe_next(
	const struct child *c, const struct legacy *l, uint64_t now_us, char *text, size_t n)
{
	uint64_t start_us = c->restart.start_us;

	text[0] = '\0';
	if (l->stopping)
		return;
	if (start_us <= now_us)
		(void)snprintf(text, n, "; next one at once");
	else
		(void)snprintf(text, n, "; next one in %llu ms",
			(unsigned long long)((start_us - now_us) / 1000u));
}

static void write_obituary(
	const struct child *c, const struct legacy *l, int status, uint64_t now_us)
{
	char cause[64], next[48];
	double age_s = (double)(now_us - c->restart.spawned_us) / 1e6;
	enum log_level level = l->stopping && WIFEXITED(status) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;

	(void)restart_cause(status, cause, sizeof(cause));
	describe_next(c, l, now_us, next, sizeof(next));
	if (c->slot == CHILD_ADMIN) {
		log_line(
			level, "admin (pid %d) %s after %.3f s%s", (int)c->pid, cause, age_s, next);
		return;
	}
	uint64_t served = stats_slot_requests(&l->stats->slot[c->slot]) - c->requests;
	log_line(level, "worker %d (pid %d) %s after %.3f s, %llu requests served%s", c->slot,
		(int)c->pid, cause, age_s, (unsigned long long)served, next);
}

void child_bury(struct child *c, struct legacy *l, int wait_status, const struct rusage *usage)
{
	uint64_t now_us = clock_us();
	/* The admin process does its work from its first moment; it counts as ready when it was born. */
	uint64_t ready_us = c->slot == CHILD_ADMIN ? c->restart.spawned_us
						   : stats_get(&l->stats->slot[c->slot].ready_us);

	restart_schedule(&c->restart, restart_was_quick(wait_status, ready_us, now_us), now_us);
	write_obituary(c, l, wait_status, now_us);
	if (c->slot != CHILD_ADMIN)
		publish_death(c, l, usage, now_us);
	c->pid = 0;
}
