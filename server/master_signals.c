#include "server/master_state.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define HURRY_US 500000u

/* --- deaths */

static void bury_admin(struct master *m, int status, const struct rusage *usage, uint64_t now_us)
{
	/* It does its work from its first moment, so it counts as ready when it was born. */
	bool told = m->admin.leave != CHILD_STAYS;
	bool quick = !told && restart_was_quick(status, m->admin.spawned_us, now_us);

	if (!told)
		stats_add(&m->legacy.stats->admin_restarts, 1);
	restart_schedule(&m->admin_restart, quick, now_us);
	child_bury(&m->admin, &m->legacy, status, usage, SLOT_UNUSED, "");
}

static void bury(struct master *m, pid_t pid, int status, const struct rusage *usage)
{
	uint64_t now_us = clock_us();

	if (pid == m->admin.pid)
		bury_admin(m, status, usage, now_us);
	else if (!fleet_bury(&m->fleet, pid, status, usage))
		/* As PID 1 of a container we also inherit other people's orphans: reaped, and no more. */
		(void)succession_bury(&m->succession, pid, status, now_us);
}

/* Once another master is in charge, it is the guardian's to reap. */
static void reap_our_own(struct master *m)
{
	struct rusage usage;
	int status;

	for (uint32_t i = 0; i < m->fleet.slots; i++) {
		for (unsigned n = 0; n < STATS_SEATS; n++) {
			pid_t pid = m->fleet.slot[i].seat[n].pid;

			if (pid > 0 && wait4(pid, &status, WNOHANG, &usage) == pid)
				bury(m, pid, status, &usage);
		}
	}
	pid_t leaving = m->succession.leaving;
	if (leaving > 0 && wait4(leaving, &status, WNOHANG, &usage) == leaving)
		bury(m, leaving, status, &usage);
}

static void reap(struct master *m)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (m->phase == PHASE_YIELDED) {
		reap_our_own(m);
		return;
	}
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		bury(m, pid, status, &usage);
}

/* --- stopping */

void master_stop(struct master *m, const char *why)
{
	uint64_t now_us = clock_us();
	/* Where an old master carries on, its workers serve on the same sockets, and no check is to hear that these leave. */
	const uint32_t handed_over = succession_is_heir(&m->succession) ? m->fleet.wanted : 0;

	log_info("%s: stopping, at most %lld ms", why,
		(long long)m->legacy.config->workers_drain_ms);
	m->phase = PHASE_STOPPING;
	atomic_store(&m->legacy.stats->stopping, 1);
	operations_end(&m->operations, "quernd is stopping", now_us);
	succession_abandon(&m->succession, "quernd is stopping", now_us);
	fleet_leave(&m->fleet, handed_over, legacy_drain_us(&m->legacy), now_us);
	/* Without HAProxy the workers let go of it when they have emptied it, and then clients must be refused. */
	if (m->legacy.config->balancer_kind == BALANCER_NONE)
		sockets_close_shared(&m->legacy.sockets);
}

static void force_stop(struct master *m)
{
	log_warn("second SIGINT: ending at once");
	m->exit_code = 1;
	fleet_signal(&m->fleet, SIGKILL);
	child_signal(&m->admin, SIGKILL);
	/* A new master that was given up, and its workers with it. */
	if (m->succession.leaving > 0)
		(void)kill(m->succession.leaving, SIGKILL);
}

/* Nobody serves, and whoever watches starts another quernd only when this one has ended. Workers know that they leave. */
static void hurry(struct master *m)
{
	uint64_t until_us = clock_us() + HURRY_US;

	for (uint32_t i = 0; i < m->fleet.slots; i++) {
		for (unsigned n = 0; n < STATS_SEATS; n++) {
			struct child *c = &m->fleet.slot[i].seat[n];

			if (c->pid > 0 && c->deadline_us > until_us)
				c->deadline_us = until_us;
		}
	}
}

/* --- what operators ask for */

void master_reopen_logs(struct master *m)
{
	log_rotate();
	fleet_signal(&m->fleet, SIGUSR1);
	child_signal(&m->admin, SIGUSR1);
}

/*
 * To the master in charge. Only the guardian knows who that is; what it sends to us it has sent before it knew that we are
 * not any more. Where the sender is unknown it may be the guardian, so that does not get it again, either.
 */
static void pass_on(struct master *m, const siginfo_t *info)
{
	pid_t guardian = m->succession.guardian;

	if (guardian == 0)
		guardian_signal(&m->guardian, info);
	else if (info->si_pid == guardian || info->si_pid == 0)
		guardian_pass_on(m->successor, info);
	else
		guardian_pass_on(guardian, info);
}

/* Another master is in charge, and our workers finish what they have. */
static void handle_yielded(struct master *m, const struct signalfd_siginfo *info)
{
	siginfo_t copy = {.si_signo = (int)info->ssi_signo, .si_code = info->ssi_code};

	copy.si_pid = (pid_t)info->ssi_pid;
	copy.si_uid = info->ssi_uid;
	copy.si_value.sival_int = info->ssi_int;
	bool for_us_alone = guardian_means_us(m->succession.guardian, &copy);
	if (!for_us_alone)
		pass_on(m, &copy);
	if (copy.si_signo == SIGUSR1)
		master_reopen_logs(m);
	if (copy.si_signo == SIGTERM && for_us_alone)
		hurry(m);
	if (copy.si_signo != SIGINT)
		return;
	if (for_us_alone || m->interrupted)
		force_stop(m);
	m->interrupted = true;
}

static void handle_stop(struct master *m, int number)
{
	char why[16];

	if (m->phase == PHASE_SERVING) {
		(void)snprintf(why, sizeof(why), "SIG%s", sigabbrev_np(number));
		master_stop(m, why);
	} else if (number == SIGINT) {
		force_stop(m);
	}
}

/* The new master has read the configuration, and would not know of what changes here now. */
static const char upgrading[] = "an upgrade is under way";

static void scale(struct master *m, int64_t wanted, uint64_t now_us)
{
	if (succession_runs(&m->succession))
		operations_refuse(
			&m->operations, CHANGE_SCALE, (uint32_t)wanted, upgrading, now_us);
	else
		operations_scale(&m->operations, wanted, now_us);
}

static void reload(struct master *m, uint64_t now_us)
{
	if (succession_runs(&m->succession))
		operations_refuse(&m->operations, CHANGE_RELOAD, 0, upgrading, now_us);
	else
		operations_reload(&m->operations, now_us);
}

/* Of a fleet that serves. */
static void handle_wish(struct master *m, const struct signalfd_siginfo *info, uint64_t now_us)
{
	int number = (int)info->ssi_signo;

	if (number == SIGHUP)
		reload(m, now_us);
	else if (number == SIGUSR2)
		succession_begin(&m->succession, now_us);
	else if (number == SIGTTIN)
		scale(m, (int64_t)m->fleet.wanted + 1, now_us);
	else if (number == SIGTTOU)
		scale(m, (int64_t)m->fleet.wanted - 1, now_us);
	else if (number == MASTER_SCALE)
		scale(m, info->ssi_int, now_us);
}

static void look_at_successor(struct master *m)
{
	pid_t guardian = m->succession.guardian;
	int error = guardian ? guardian_tell_failure(guardian, m->successor) : 0;

	if (error)
		log_error("cannot tell the guardian (pid %d) that the new master has failed: %s",
			(int)guardian, strerror(-error));
	if (error || (!guardian && guardian_has_failed(&m->guardian)))
		hurry(m);
}

static void take_deaths(struct master *m)
{
	reap(m);
	/* An orphan that nobody can stop by the pid that they know. */
	if (m->succession.guardian && m->phase == PHASE_SERVING &&
		guardian_is_lost(m->succession.guardian, m->succession.predecessor))
		master_stop(m, "the process that watched over this one has ended");
}

static void handle(struct master *m, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;

	if (number == SIGCHLD)
		take_deaths(m);
	else if (m->phase == PHASE_YIELDED)
		handle_yielded(m, info);
	else if (number == SIGTERM || number == SIGINT)
		handle_stop(m, number);
	else if (number == SIGUSR1)
		master_reopen_logs(m);
	else if (m->phase == PHASE_SERVING)
		handle_wish(m, info, clock_us());
}

/* Handles the signals that have come. */
void master_take_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->legacy.signals_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		handle(m, &info);
	/* Also when a later master says so. */
	if (m->phase == PHASE_YIELDED)
		look_at_successor(m);
}
