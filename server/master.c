#include "server/master.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "server/admin.h"
#include "server/child.h"
#include "server/descriptors.h"
#include "server/sockets.h"
#include "server/stats/process.h"
#include "server/stats/stats.h"
#include "server/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPARE_DESCRIPTORS 64   /* listener, epoll, timer, signal, log, and what libraries open */
#define ADMIN_STOP_US 1000000u /* the admin process has nothing to drain */

struct master {
	const struct config *config;
	const char *config_path;
	struct stats_region *stats;
	struct sockets sockets;
	struct child *worker; /* config's worker count of them */
	size_t workers;
	struct child admin;
	pid_t pid;
	sigset_t signals;
	bool stopping;
	bool forced;	      /* by a second SIGINT */
	uint64_t deadline_us; /* of the drain */
};

/* --- being born
 * -------------------------------------------------------------------------------------------------
 */

/* In the child: dies with the master, whatever ends that, and speaks under its own name. */
static void become_child(const struct master *m, const char *role)
{
	log_set_role(role);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != m->pid)
		_exit(1);
}

static _Noreturn void be_worker(struct master *m, int slot)
{
	char role[24];

	(void)snprintf(role, sizeof(role), "worker %d", slot);
	become_child(m, role);
	int listener = m->sockets.worker[slot];
	sockets_close(&m->sockets, listener);
	exit(worker_run(m->config, &m->stats->slot[slot], slot, listener));
}

static _Noreturn void be_admin(struct master *m)
{
	become_child(m, "admin");
	int listener = m->sockets.admin;
	sockets_close(&m->sockets, listener);
	exit(admin_run(m->config, m->config_path, m->stats, listener));
}

static void publish_spawn(struct master *m, const struct child *c)
{
	if (c->slot == CHILD_ADMIN) {
		if (c->spawned > 1)
			stats_add(&m->stats->admin_restarts, 1);
		return;
	}
	struct stats_slot *s = &m->stats->slot[c->slot];

	stats_set(&s->ready_us, 0);
	stats_set(&s->spawned_us, c->spawned_us);
	if (c->spawned > 1)
		stats_add(&s->restarts, 1);
	atomic_store(&s->state, SLOT_STARTING);
}

static void spawn(struct master *m, struct child *c)
{
	c->spawned_us = clock_us();
	c->spawned++;
	if (c->slot != CHILD_ADMIN)
		c->requests = stats_slot_requests(&m->stats->slot[c->slot]);
	publish_spawn(m, c);
	pid_t pid = fork();
	if (pid == 0) {
		if (c->slot == CHILD_ADMIN)
			be_admin(m);
		else
			be_worker(m, c->slot);
	}
	if (pid < 0) {
		log_error("cannot fork: %s", strerror(errno));
		child_schedule(c, true, c->spawned_us);
		return;
	}
	c->pid = pid;
	if (c->slot != CHILD_ADMIN)
		atomic_store(&m->stats->slot[c->slot].pid, pid);
}

static void spawn_if_due(struct master *m, struct child *c, uint64_t now_us)
{
	if (c->pid == 0 && c->start_us <= now_us)
		spawn(m, c);
}

/* --- dying
 * ------------------------------------------------------------------------------------------------------
 */

/* The slot has no worker now, so the master is the writer of all its fields. */
static void publish_death(
	struct master *m, const struct child *c, const struct rusage *usage, uint64_t now_us)
{
	struct stats_slot *s = &m->stats->slot[c->slot];
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
	stats_set(&s->retry_us, c->start_us);
	atomic_store(&s->state, m->stopping ? SLOT_UNUSED : SLOT_WAITING);
}

/* One line per death: slot, pid, cause, age, requests served, and what comes next. */
static void write_obituary(
	const struct master *m, const struct child *c, int status, uint64_t now_us)
{
	char name[24] = "admin", cause[64], next[48] = "";
	double age_s = (double)(now_us - c->spawned_us) / 1e6;
	uint64_t served = 0;

	if (c->slot != CHILD_ADMIN) {
		(void)snprintf(name, sizeof(name), "worker %d", c->slot);
		served = stats_slot_requests(&m->stats->slot[c->slot]) - c->requests;
	}
	if (!m->stopping)
		(void)snprintf(next, sizeof(next), "; next one in %llu ms",
			(unsigned long long)((c->start_us > now_us ? c->start_us - now_us : 0) /
					     1000u));
	enum log_level level = m->stopping && WIFEXITED(status) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
	log_line(level, "%s (pid %d) %s after %.3f s, %llu requests served%s", name, (int)c->pid,
		child_cause(status, cause, sizeof(cause)), age_s, (unsigned long long)served, next);
}

static struct child *find_child(struct master *m, pid_t pid)
{
	if (m->admin.pid == pid)
		return &m->admin;
	for (size_t i = 0; i < m->workers; i++)
		if (m->worker[i].pid == pid)
			return &m->worker[i];
	return NULL;
}

static void bury(struct master *m, struct child *c, int status, const struct rusage *usage)
{
	uint64_t now_us = clock_us();
	/* The admin process does its work from its first moment; it counts as ready when it was
	 * born. */
	uint64_t ready_us = c->slot == CHILD_ADMIN ? c->spawned_us
						   : stats_get(&m->stats->slot[c->slot].ready_us);

	child_schedule(c, child_died_quickly(status, ready_us, now_us), now_us);
	write_obituary(m, c, status, now_us);
	if (c->slot != CHILD_ADMIN)
		publish_death(m, c, usage, now_us);
	c->pid = 0;
}

static void reap(struct master *m)
{
	struct rusage usage;
	int status;
	pid_t pid;

	/* As PID 1 of a container we also inherit other people's orphans: reaped, and no more. */
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct child *c = find_child(m, pid);

		if (c)
			bury(m, c, status, &usage);
	}
}

/* --- stopping
 * ---------------------------------------------------------------------------------------------------
 */

static void signal_child(const struct child *c, int number)
{
	if (c->pid > 0 && kill(c->pid, number) != 0)
		log_error("cannot signal pid %d: %s", (int)c->pid, strerror(errno));
}

static void signal_workers(const struct master *m, int number)
{
	for (size_t i = 0; i < m->workers; i++)
		signal_child(&m->worker[i], number);
}

static bool workers_alive(const struct master *m)
{
	for (size_t i = 0; i < m->workers; i++)
		if (m->worker[i].pid > 0)
			return true;
	return false;
}

static void begin_stop(struct master *m, int number)
{
	log_info("SIG%s: stopping, at most %lld ms", sigabbrev_np(number),
		(long long)m->config->workers_drain_ms);
	m->stopping = true;
	atomic_store(&m->stats->stopping, 1);
	m->deadline_us = clock_us() + (uint64_t)m->config->workers_drain_ms * 1000u;
	signal_workers(m, SIGTERM);
}

static void force_stop(struct master *m)
{
	log_warn("second SIGINT: ending at once");
	m->forced = true;
	signal_workers(m, SIGKILL);
	signal_child(&m->admin, SIGKILL);
}

/* The drain's deadline has passed. */
static void kill_workers(struct master *m)
{
	for (size_t i = 0; i < m->workers; i++) {
		if (m->worker[i].pid == 0)
			continue;
		log_warn("worker %zu has not finished in time and is killed", i);
		signal_child(&m->worker[i], SIGKILL);
	}
	m->deadline_us = UINT64_MAX;
}

/* --- waiting
 * ----------------------------------------------------------------------------------------------------
 */

/* Waits for one of our signals, but not beyond until_us. The signal's number, or 0. */
static int wait_for_signal(const struct master *m, uint64_t until_us)
{
	uint64_t now_us = clock_us();
	uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
	struct timespec left = {.tv_sec = (time_t)(left_us / 1000000u),
		.tv_nsec = (long)(left_us % 1000000u) * 1000};
	int number = until_us == UINT64_MAX ? sigwaitinfo(&m->signals, NULL)
					    : sigtimedwait(&m->signals, NULL, &left);

	return number > 0 ? number : 0;
}

static void handle(struct master *m, int number)
{
	switch (number) {
	case 0:
		break;
	case SIGCHLD:
		reap(m);
		break;
	default: /* SIGTERM, SIGINT, SIGHUP */
		if (!m->stopping)
			begin_stop(m, number);
		else if (number == SIGINT)
			force_stop(m);
	}
}

static uint64_t next_start_us(const struct master *m)
{
	uint64_t next = m->admin.pid == 0 ? m->admin.start_us : UINT64_MAX;

	for (size_t i = 0; i < m->workers; i++)
		if (m->worker[i].pid == 0 && m->worker[i].start_us < next)
			next = m->worker[i].start_us;
	return next;
}

static void supervise(struct master *m)
{
	while (!m->stopping) {
		uint64_t now_us = clock_us();

		for (size_t i = 0; i < m->workers; i++)
			spawn_if_due(m, &m->worker[i], now_us);
		spawn_if_due(m, &m->admin, now_us);
		handle(m, wait_for_signal(m, next_start_us(m)));
	}
}

static void drain(struct master *m)
{
	while (workers_alive(m)) {
		if (clock_us() >= m->deadline_us)
			kill_workers(m);
		handle(m, wait_for_signal(m, m->deadline_us));
	}
	/* The admin process goes last, so that the drain could be watched. */
	signal_child(&m->admin, SIGTERM);
	m->deadline_us = clock_us() + ADMIN_STOP_US;
	while (m->admin.pid > 0) {
		if (clock_us() >= m->deadline_us) {
			signal_child(&m->admin, SIGKILL);
			m->deadline_us = UINT64_MAX;
		}
		handle(m, wait_for_signal(m, m->deadline_us));
	}
}

/* --- beginning
 * --------------------------------------------------------------------------------------------------
 */

static int raise_descriptors(const struct config *c)
{
	uint64_t need =
		(uint64_t)c->limits_connections + (uint64_t)c->workers_max + SPARE_DESCRIPTORS;
	uint64_t limit = 0;
	int error = descriptors_raise(need, &limit);

	if (error)
		log_error("limits.connections = %lld needs %llu open files, but the hard limit is "
			  "%llu (%s): raise it "
			  "(ulimit -Hn, LimitNOFILE=) or lower limits.connections",
			(long long)c->limits_connections, (unsigned long long)need,
			(unsigned long long)limit, strerror(-error));
	return error;
}

static void block_signals(struct master *m)
{
	sigemptyset(&m->signals);
	sigaddset(&m->signals, SIGCHLD);
	sigaddset(&m->signals, SIGTERM);
	sigaddset(&m->signals, SIGINT);
	sigaddset(&m->signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &m->signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int make_tables(struct master *m)
{
	m->stats = stats_region_new((uint32_t)m->config->workers_max);
	m->worker = calloc(m->workers, sizeof(*m->worker));
	if (!m->stats || !m->worker) {
		log_error("out of memory");
		return -1;
	}
	for (size_t i = 0; i < m->workers; i++)
		m->worker[i].slot = (int)i;
	m->admin.slot = CHILD_ADMIN;
	m->stats->started_us = clock_us();
	m->stats->started_wall_us = clock_wall_us();
	m->stats->master_pid = m->pid;
	atomic_store(&m->stats->wanted, (uint32_t)m->workers);
	return process_start_ticks(m->pid, &m->stats->start_ticks);
}

static void announce(const struct master *m)
{
	const struct config *c = m->config;

	if (c->balancer_kind == BALANCER_NONE)
		log_info("quernd %s: %zu workers on %s, admin on %s", QUERN_VERSION, m->workers,
			c->balancer_listen, c->admin_address);
	else
		log_info("quernd %s: %zu workers on %s, ports %lld to %lld, admin on %s",
			QUERN_VERSION, m->workers, c->workers_address,
			(long long)c->workers_base_port,
			(long long)c->workers_base_port + (long long)m->workers - 1,
			c->admin_address);
}

int master_run(const struct config *config, const char *config_path)
{
	struct master m = {
		.config = config,
		.config_path = config_path,
		.workers = (size_t)config_worker_count(config),
		.pid = getpid(),
		.sockets = {.admin = -1},
	};
	int code = 1;

	log_set_role("master");
	block_signals(&m);
	if (raise_descriptors(config) == 0 && make_tables(&m) == 0 &&
		sockets_open(&m.sockets, config, m.workers) == 0) {
		announce(&m);
		supervise(&m);
		drain(&m);
		log_info("stopped");
		code = m.forced ? 1 : 0;
	}
	sockets_close(&m.sockets, -1);
	stats_region_free(m.stats);
	free(m.worker);
	return code;
}
