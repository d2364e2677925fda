#include "server/master.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "server/child.h"
#include "server/descriptors.h"
#include "server/sockets.h"
#include "server/stats/process.h"
#include "server/stats/stats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPARE_DESCRIPTORS 64   /* listener, epoll, timer, signal, log, and what libraries open */
#define ADMIN_STOP_US 1000000u /* the admin process has nothing to drain */

struct master {
	const struct config *config;
	struct legacy legacy;
	struct child *worker; /* config's worker count of them */
	size_t workers;
	struct child admin;
	sigset_t signals;
	bool forced;	      /* by a second SIGINT */
	uint64_t deadline_us; /* of the drain */
};

/* --- births and deaths */

static void spawn_if_due(struct master *m, struct child *c, uint64_t now_us)
{
	if (c->pid == 0 && c->restart.start_us <= now_us)
		child_spawn(c, &m->legacy);
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

static void reap(struct master *m)
{
	struct rusage usage;
	int status;
	pid_t pid;

	/* As PID 1 of a container we also inherit other people's orphans: reaped, and no more. */
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct child *c = find_child(m, pid);

		if (c)
			child_bury(c, &m->legacy, status, &usage);
	}
}

/* --- stopping */

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
	m->legacy.stopping = true;
	atomic_store(&m->legacy.stats->stopping, 1);
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

/* --- waiting */

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
		if (!m->legacy.stopping)
			begin_stop(m, number);
		else if (number == SIGINT)
			force_stop(m);
	}
}

static uint64_t next_start_us(const struct master *m)
{
	uint64_t next = m->admin.pid == 0 ? m->admin.restart.start_us : UINT64_MAX;

	for (size_t i = 0; i < m->workers; i++)
		if (m->worker[i].pid == 0 && m->worker[i].restart.start_us < next)
			next = m->worker[i].restart.start_us;
	return next;
}

static void supervise(struct master *m)
{
	while (!m->legacy.stopping) {
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

/* --- beginning */

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

/* A signal that was ignored from the start stays so: nohup(1), and background jobs of a script. */
static void take_signal(struct master *m, int number)
{
	struct sigaction action;

	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(&m->signals, number);
}

static void block_signals(struct master *m)
{
	sigemptyset(&m->signals);
	sigaddset(&m->signals, SIGCHLD);
	sigaddset(&m->signals, SIGTERM);
	take_signal(m, SIGINT);
	take_signal(m, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &m->signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A parent may have left it ignored; then the kernel would bury our children without telling us. */
	(void)signal(SIGCHLD, SIG_DFL);
}

static int make_tables(struct master *m)
{
	m->legacy.stats = stats_region_new((uint32_t)m->config->workers_max);
	m->worker = calloc(m->workers, sizeof(*m->worker));
	if (!m->legacy.stats || !m->worker) {
		log_error("out of memory");
		return -1;
	}
	for (size_t i = 0; i < m->workers; i++)
		m->worker[i].slot = (int)i;
	m->admin.slot = CHILD_ADMIN;
	m->legacy.stats->started_us = clock_us();
	m->legacy.stats->started_wall_us = clock_wall_us();
	m->legacy.stats->master_pid = m->legacy.master;
	atomic_store(&m->legacy.stats->wanted, (uint32_t)m->workers);
	int error = process_start_ticks(m->legacy.master, &m->legacy.stats->start_ticks);
	if (error)
		log_error("cannot read /proc/%d/stat: %s", (int)m->legacy.master, strerror(-error));
	return error;
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
		.legacy = {.config = config,
			.config_path = config_path,
			.sockets = {.admin = -1},
			.master = getpid()},
		.workers = (size_t)config_worker_count(config),
	};
	int code = 1;

	log_set_role("master");
	block_signals(&m);
	if (raise_descriptors(config) == 0 && make_tables(&m) == 0 &&
		sockets_open(&m.legacy.sockets, config, m.workers) == 0) {
		announce(&m);
		supervise(&m);
		drain(&m);
		log_info("stopped");
		code = m.forced ? 1 : 0;
	}
	sockets_close(&m.legacy.sockets, -1);
	stats_region_free(m.legacy.stats);
	free(m.worker);
	return code;
}
