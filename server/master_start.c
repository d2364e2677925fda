#include "config/live.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "server/descriptors.h"
#include "server/master_state.h"
#include "server/stats/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int raise_descriptors(const struct config *c)
{
	uint64_t need = descriptors_needed(c), limit = 0;
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
static void take_unless_ignored(struct master *m, int number)
{
	struct sigaction action;

	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(&m->signals, number);
}

/* Those that ask for something. */
static void add_wishes(sigset_t *set)
{
	const int wishes[] = {SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, MASTER_SCALE, GUARDIAN_SIGNAL};

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		sigaddset(set, wishes[i]);
}

void master_hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	add_wishes(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static int block_signals(struct master *m)
{
	sigemptyset(&m->signals);
	add_wishes(&m->signals);
	sigaddset(&m->signals, SIGCHLD);
	sigaddset(&m->signals, SIGTERM);
	take_unless_ignored(m, SIGINT);
	take_unless_ignored(m, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &m->signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A parent may have left it ignored; then the kernel would bury our children without telling us. */
	(void)signal(SIGCHLD, SIG_DFL);
	m->legacy.signals_fd = signalfd(-1, &m->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->legacy.signals_fd >= 0)
		return 0;
	log_error("cannot wait for signals: %s", strerror(errno));
	return -1;
}

static int make_tables(struct master *m)
{
	struct stats_region *r = stats_region_new((uint32_t)m->legacy.config->workers_max);

	m->legacy.stats = r;
	if (!r || fleet_init(&m->fleet, &m->legacy) != 0) {
		log_error("out of memory");
		return -1;
	}
	operations_init(&m->operations, &m->fleet, &m->admin, &m->options->source);
	m->admin = (struct child){.slot = CHILD_ADMIN, .deadline_us = UINT64_MAX};
	r->started_us = clock_us();
	r->started_wall_us = clock_wall_us();
	r->master_pid = m->legacy.master;
	config_live_put(m->legacy.config, r->live.value);
	int error = process_start_ticks(m->legacy.master, &r->start_ticks);
	if (error)
		log_error("cannot read /proc/%d/stat: %s", (int)m->legacy.master, strerror(-error));
	return error;
}

/* For whoever ends the service and waits until the last of its processes has gone. */
static void tell_guardian(struct master *m)
{
	struct stats_region *r = m->legacy.stats;
	int error = process_start_ticks(m->succession.guardian, &r->guardian_ticks);

	if (error)
		log_error("cannot read /proc/%d/stat: %s", (int)m->succession.guardian,
			strerror(-error));
	else
		r->guardian_pid = m->succession.guardian;
}

static int open_sockets(struct master *m)
{
	int error = sockets_open_common(&m->legacy.sockets, m->legacy.config);

	if (error == 0)
		error = fleet_scale(&m->fleet, succession_workers(&m->succession));
	sockets_forget(&m->legacy.sockets);
	return error;
}

static void announce(const struct master *m)
{
	const struct config *c = m->legacy.config;

	if (c->balancer_kind == BALANCER_NONE)
		log_info("quernd %s: %u workers on %s, admin on %s", QUERN_VERSION, m->fleet.wanted,
			c->balancer_listen, c->admin_address);
	else
		log_info("quernd %s: %u workers on %s, ports %lld to %lld, admin on %s",
			QUERN_VERSION, m->fleet.wanted, c->workers_address,
			(long long)c->workers_base_port,
			(long long)c->workers_base_port + (long long)m->fleet.wanted - 1,
			c->admin_address);
}

int master_begin(struct master *m)
{
	if (block_signals(m) != 0 || raise_descriptors(m->legacy.config) != 0 ||
		make_tables(m) != 0)
		return -1;
	/* The variable goes with those of the upgrade. */
	if (sockets_init(&m->legacy.sockets, m->legacy.config, getenv(SOCKETS_VARIABLE)) != 0)
		return -1;
	/* Before anything is asked of the network: a program that is started for an upgrade takes what it is given. */
	if (succession_init(&m->succession, &m->fleet, &m->legacy, m->options->argv) != 0)
		return -1;
	if (m->succession.guardian)
		tell_guardian(m);
	int error = m->succession.guardian ? guardian_watch() : 0;
	if (error)
		log_error("cannot notice the end of the process that watches over this one: %s",
			strerror(-error));
	if (open_sockets(m) != 0) {
		heir_failed(&m->succession.heir,
			"it cannot listen where its configuration says; see the log");
		return -1;
	}
	announce(m);
	return 0;
}

void master_end(struct master *m)
{
	if (m->succession.legacy)
		succession_done(&m->succession);
	operations_done(&m->operations);
	sockets_close(&m->legacy.sockets, -1);
	fleet_done(&m->fleet);
	stats_region_free(m->legacy.stats);
	if (m->legacy.signals_fd >= 0)
		(void)close(m->legacy.signals_fd);
}
