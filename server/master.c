#include "server/master.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "server/master_state.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OLD_MASTER_US 1000000u /* what the old one may take beyond its drain */
#define ADMIN_STOP_US 1000000u /* the admin process has nothing to drain */

/* --- the admin process */

static void step_admin(struct master *m, uint64_t now_us)
{
	child_enforce(&m->admin, now_us);
	if (m->admin.pid > 0 && (m->succession.asked || m->operations.renew_admin))
		child_tell(&m->admin, CHILD_RETIRES, now_us + ADMIN_STOP_US);
	m->operations.renew_admin = false;
	/* Until we have taken over, status is the old master's to give. */
	if (m->admin.pid > 0 || m->succession.asked || succession_is_heir(&m->succession) ||
		m->admin_restart.start_us > now_us)
		return;
	m->admin_restart.spawned_us = now_us;
	if (child_spawn(&m->admin, &m->legacy) != 0)
		restart_after_fork(&m->admin_restart, now_us);
}

/* --- another master takes over */

/* It was announced to the guardian and has died at the last moment: we are in charge again. */
static void take_back(struct master *m)
{
	pid_t guardian = m->succession.guardian;
	int error = guardian ? guardian_tell(guardian, m->legacy.master) : 0;

	m->guardian = (struct guardian){0};
	if (error)
		log_error("cannot tell the guardian (pid %d) that the upgrade has failed: %s",
			(int)guardian, strerror(-error));
}

/* Without a guardian that knows of it, the new master would end as soon as we have. */
static void refuse(struct master *m, int error, uint64_t now_us)
{
	char why[UPGRADE_TEXT_BYTES];

	m->guardian = (struct guardian){0};
	(void)snprintf(why, sizeof(why), "nobody would watch over the new quernd (pid %d): %s",
		(int)m->succession.upgrade.pid, strerror(-error));
	succession_refuse(&m->succession, why, now_us);
}

static void yield(struct master *m, uint64_t now_us)
{
	pid_t successor = m->succession.upgrade.pid, guardian = m->succession.guardian;
	/* Whoever started the first master watches that process, so it stays for as long as any serves. */
	int error = guardian ? guardian_tell(guardian, successor)
			     : guardian_init(&m->guardian, successor);

	if (error) {
		refuse(m, error, now_us);
		return;
	}
	if (!succession_yield(&m->succession, now_us)) {
		take_back(m);
		return;
	}
	m->phase = PHASE_YIELDED;
	m->successor = successor;
	/* A slot that the new master gives up must refuse connections. */
	sockets_close(&m->legacy.sockets, -1);
	operations_end(&m->operations, "an upgrade has taken place", now_us);
	fleet_leave(&m->fleet, m->succession.workers, legacy_drain_us(&m->legacy), now_us);
}

/* --- waiting */

/* Waits for a signal or a word of the new master, but not beyond until_us. */
static void wait_until(const struct master *m, uint64_t until_us)
{
	uint64_t now_us = clock_us();
	uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
	struct timespec left = {.tv_sec = (time_t)(left_us / 1000000u),
		.tv_nsec = (long)(left_us % 1000000u) * 1000};
	struct pollfd what[] = {
		{.fd = m->legacy.signals_fd, .events = POLLIN},
		/* Once it has asked, what it says next is for later. */
		{.fd = m->succession.asked ? -1 : m->legacy.upgrade_fd, .events = POLLIN},
	};

	/* What came is found by those who read; EINTR is as good as a signal. */
	(void)ppoll(what, 2, until_us == UINT64_MAX ? NULL : &left, NULL);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t due_us(const struct master *m)
{
	uint64_t due = earlier(fleet_due_us(&m->fleet, clock_us()), m->admin.deadline_us);

	if (m->phase == PHASE_SERVING && m->admin.pid == 0 && !m->succession.asked &&
		!succession_is_heir(&m->succession))
		due = earlier(due, m->admin_restart.start_us);
	if (m->succession.upgrade.pid > 0)
		due = earlier(due, m->succession.upgrade.deadline_us);
	if (m->succession.leaving > 0)
		due = earlier(due, m->succession.leaving_until_us);
	return due;
}

/* --- phases */

static void stop_because_lost(struct master *m)
{
	log_error("every slot is parked: no worker lives long enough to serve");
	m->exit_code = MASTER_LOST;
	master_stop(m, "fleet lost");
}

/* We have taken over as many workers as there were; now it shall be as many as the configuration says. */
static void settle_in(struct master *m, uint64_t now_us)
{
	uint32_t workers = succession_workers_then(&m->succession);

	/* It may have been renamed since we opened it, and SIGUSR1 went to the old master then. */
	master_reopen_logs(m);
	fleet_be_patient(&m->fleet, now_us + legacy_drain_us(&m->legacy) + OLD_MASTER_US);
	if (workers != m->fleet.wanted)
		operations_scale(&m->operations, workers, now_us);
}

static void serve(struct master *m)
{
	while (m->phase == PHASE_SERVING) {
		uint64_t now_us = clock_us();
		bool failed = false;

		fleet_step(&m->fleet, now_us);
		operations_step(&m->operations, now_us);
		succession_step(&m->succession, now_us);
		/* It may have to go for what these two have found. */
		step_admin(m, now_us);
		if (succession_is_heir(&m->succession) &&
			succession_try(&m->succession, &failed, now_us)) {
			settle_in(m, now_us);
			continue;
		}
		if (failed) {
			m->exit_code = 1;
			master_stop(m, "the old master carries on");
		} else if (m->succession.asked && m->admin.pid == 0) {
			yield(m, now_us);
		} else if (fleet_is_lost(&m->fleet)) {
			stop_because_lost(m);
		} else {
			stats_set(&m->legacy.stats->log_lost, log_lost());
			wait_until(m, due_us(m));
			master_take_signals(m);
		}
	}
}

static void drain(struct master *m)
{
	while (!fleet_is_empty(&m->fleet) || m->succession.leaving > 0) {
		fleet_step(&m->fleet, clock_us());
		succession_enforce(&m->succession, clock_us());
		wait_until(m, due_us(m));
		master_take_signals(m);
	}
	/* The admin process goes last, so that the drain could be watched. */
	child_tell(&m->admin, CHILD_RETIRES, clock_us() + ADMIN_STOP_US);
	while (m->admin.pid > 0) {
		child_enforce(&m->admin, clock_us());
		wait_until(m, m->admin.deadline_us);
		master_take_signals(m);
	}
}

int master_run(const struct master_options *options)
{
	struct master m = {
		.options = options,
		.legacy = {.config = options->config,
			.config_path = options->config_path,
			.sockets = {.shared = -1, .admin = -1},
			.master = getpid(),
			.signals_fd = -1,
			.upgrade_fd = -1,
			.heir_fd = -1},
		.exit_code = 1,
	};

	log_set_role("master");
	if (master_begin(&m) == 0) {
		m.exit_code = 0;
		serve(&m);
		drain(&m);
		log_info(m.phase == PHASE_YIELDED ? "handed over" : "stopped");
	}
	master_end(&m);
	return m.guardian.in_charge ? guardian_run(&m.guardian, &m.signals) : m.exit_code;
}
