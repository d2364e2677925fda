#include "server/child.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "server/admin.h"
#include "server/backtrace.h"
#include "server/restart.h"
#include "server/watchdog.h"
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct stats_seat *child_seat(const struct child *c, const struct legacy *l)
{
	return c->slot == CHILD_ADMIN ? NULL : &l->stats->slot[c->slot].seat[c->seat];
}

/* --- birth */

/* In the child: dies with the master, whatever ends that, and speaks under its own name. */
static void become(const struct legacy *l, const char *role)
{
	log_set_role(role);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != l->master)
		_exit(1);
	(void)close(l->signals_fd);
	if (l->upgrade_fd >= 0)
		(void)close(l->upgrade_fd);
	if (l->heir_fd >= 0)
		(void)close(l->heir_fd);
}

static _Noreturn void be_worker(struct legacy *l, int slot, unsigned seat)
{
	char role[24];

	(void)snprintf(role, sizeof(role), "worker %d", slot);
	become(l, role);
	int listener = l->sockets.worker[slot];
	sockets_close(&l->sockets, listener);
	int error = backtrace_install();
	if (error)
		log_error("cannot prepare for backtraces: %s", strerror(-error));
	exit(worker_run(l->config, l->stats, slot, seat, listener));
}

static _Noreturn void be_admin(struct legacy *l)
{
	become(l, "admin");
	int listener = l->sockets.admin;
	sockets_close(&l->sockets, listener);
	exit(admin_run(l->config, l->config_path, l->stats, listener));
}

/* Before the fork: the seat has no worker, so its fields are the master's to write. */
static void announce(struct child *c, struct legacy *l)
{
	struct stats_seat *s = child_seat(c, l);

	c->spawned_us = clock_us();
	c->leave = CHILD_STAYS;
	c->deadline_us = UINT64_MAX;
	c->silent_us = 0;
	if (!s)
		return;
	c->requests = stats_seat_requests(s);
	stats_set(&s->ready_us, 0);
	stats_set(&s->spawned_us, c->spawned_us);
	atomic_store(&s->state, SLOT_STARTING);
}

/* A worker may be told to hand over (SIGQUIT) before it listens for that. */
static pid_t fork_deaf(sigset_t *ret_before)
{
	sigset_t quit;

	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	(void)sigprocmask(SIG_BLOCK, &quit, ret_before);
	return fork();
}

int child_spawn(struct child *c, struct legacy *l)
{
	struct stats_seat *s = child_seat(c, l);
	sigset_t before;

	announce(c, l);
	pid_t pid = fork_deaf(&before);
	if (pid == 0) {
		if (c->slot == CHILD_ADMIN)
			be_admin(l);
		else
			be_worker(l, c->slot, c->seat);
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		int error = errno;

		log_error("cannot fork: %s", strerror(error));
		if (s)
			atomic_store(&s->state, SLOT_WAITING);
		return -error;
	}
	c->pid = pid;
	if (s)
		atomic_store(&s->pid, pid);
	return 0;
}

/* --- life */

bool child_is_ready(const struct child *c, const struct legacy *l)
{
	return c->pid > 0 && stats_get(&child_seat(c, l)->ready_us) != 0;
}

void child_signal(const struct child *c, int number)
{
	if (c->pid > 0 && kill(c->pid, number) != 0)
		log_error("cannot signal pid %d: %s", (int)c->pid, strerror(errno));
}

void child_tell(struct child *c, enum child_leave leave, uint64_t deadline_us)
{
	if (c->pid == 0 || c->leave != CHILD_STAYS)
		return;
	c->leave = leave;
	if (c->deadline_us > deadline_us)
		c->deadline_us = deadline_us;
	child_signal(c, leave == CHILD_RETIRES ? SIGTERM : SIGQUIT);
}

void child_accuse(struct child *c, uint64_t silent_us, bool in_thread, uint64_t now_us)
{
	if (c->silent_us != 0)
		return;
	log_warn("worker %d (pid %d) hangs: %s for %.1f s", c->slot, (int)c->pid,
		in_thread ? "a thread of it has been in one job" : "its loop has not turned",
		(double)silent_us / 1e6);
	c->silent_us = silent_us;
	child_signal(c, SIGABRT);
	c->deadline_us = now_us + WATCHDOG_GRACE_US;
}

void child_enforce(struct child *c, uint64_t now_us)
{
	if (c->pid == 0 || now_us < c->deadline_us)
		return;
	if (c->silent_us == 0 && c->slot != CHILD_ADMIN)
		log_warn("worker %d has not finished in time and is killed", c->slot);
	child_signal(c, SIGKILL);
	c->deadline_us = UINT64_MAX;
}

uint64_t child_requests(const struct child *c, const struct legacy *l)
{
	return stats_seat_requests(child_seat(c, l)) - c->requests;
}

/* --- death */

/* The seat has no worker now, so the master is the writer of all its fields. */
static void settle(
	struct stats_seat *s, const struct rusage *usage, enum slot_state state, uint64_t now_us)
{
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
	stats_set(&s->calls, 0);
	stats_set(&s->pool_threads, 0);
	stats_set(&s->pool_queue, 0);
	stats_set(&s->pool_active, 0);
	stats_set(&s->pool_since_us, 0);
	stats_set(&s->lag_us, 0);
	stats_set(&s->lag_due_us, 0);
	atomic_store(&s->state, state);
}

static void write_obituary(const struct child *c, const struct legacy *l, int status,
	uint64_t now_us, const char *next)
{
	char cause[64], hung[64] = "";
	double age_s = (double)(now_us - c->spawned_us) / 1e6;
	bool told = c->leave != CHILD_STAYS && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	enum log_level level = told ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;

	(void)restart_cause(status, cause, sizeof(cause));
	if (c->slot == CHILD_ADMIN) {
		log_line(
			level, "admin (pid %d) %s after %.3f s%s", (int)c->pid, cause, age_s, next);
		return;
	}
	if (c->silent_us)
		(void)snprintf(
			hung, sizeof(hung), "hung for %.1f s and was ", (double)c->silent_us / 1e6);
	log_line(level, "worker %d (pid %d) %s%s after %.3f s, %llu requests served%s", c->slot,
		(int)c->pid, hung, cause, age_s, (unsigned long long)child_requests(c, l), next);
}

void child_bury(struct child *c, struct legacy *l, int wait_status, const struct rusage *usage,
	enum slot_state state, const char *next)
{
	uint64_t now_us = clock_us();
	struct stats_seat *s = child_seat(c, l);

	write_obituary(c, l, wait_status, now_us, next);
	if (s)
		settle(s, usage, state, now_us);
	c->pid = 0;
	c->deadline_us = UINT64_MAX;
}
