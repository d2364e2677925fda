/*
 * What is left of the first master after an upgrade. Whoever started quernd (a container, systemd, a script) watches that
 * process: if it ended, they would take the service for ended, and a container would be torn down. So it stays, holding
 * nothing: it forwards signals to the master that is in charge, reaps, and ends when that one ends, with its exit code.
 * Its pid never changes, so systemd needs no notification (Type=exec: MAINPID is the process that it started).
 *
 * It is a child subreaper (prctl(2)), so that later masters, whose parents leave after an upgrade, become its children.
 * They tell it who is in charge by GUARDIAN_SIGNAL, which carries the pid, and it believes that only of the master in
 * charge so far.
 *
 * What masters do for that:
 *   - GUARDIAN_SIGNAL is blocked in every process that may become a guardian, from its start: its default is death.
 *   - A master that hands over names its successor (guardian_init() in the first one, guardian_tell() in later ones)
 *     before it tells that one (upgrade_yield()), so that no signal goes to one that is no longer in charge. If that
 *     fails, it names itself before it reaps the dead successor, and carries on.
 *   - From then on it reaps its own workers by their pids and leaves its successor alone, so that the exit code goes to
 *     the guardian. What it is sent is for the one in charge: guardian_signal() in the first one, guardian_pass_on() in
 *     later ones. If its successor fails, the guardian has to know (guardian_tell_failure()).
 *   - A master with a guardian asks guardian_watch() at its start, and guardian_is_lost() at every SIGCHLD.
 *
 * What the guardian tells former masters, by signals with the value GUARDIAN_YOU_ALONE, which they do not pass on: SIGUSR1,
 * reopen your logs; SIGINT, it was the second one, end at once; SIGTERM, the master in charge has failed: nobody serves,
 * and nobody else can begin before your drain has ended, so cut it short.
 */
#ifndef QUERN_SERVER_GUARDIAN_H
#define QUERN_SERVER_GUARDIAN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define GUARDIAN_SIGNAL (SIGRTMIN + 1)
/* In the environment of masters that have a guardian: its pid. */
#define GUARDIAN_VARIABLE "QUERND_GUARDIAN"
#define GUARDIAN_FORMER 16
#define GUARDIAN_YOU_ALONE 1

struct guardian {
	pid_t in_charge;	       /* 0: nobody; we are no guardian */
	pid_t former[GUARDIAN_FORMER]; /* that may still drain; the last ones */
	size_t formers;
	bool interrupted; /* a SIGINT was forwarded */
	bool failed;	  /* the one in charge ended, and not with 0 */
};

/* --- for the first master */

/* We are `successor`'s guardian now. 0 or -errno: this kernel has no subreapers. */
int guardian_init(struct guardian *g, pid_t successor) __attribute__((warn_unused_result));

/*
 * Deals with a signal that this process has got, while it drains: a GUARDIAN_SIGNAL names the next one in charge, others
 * but SIGCHLD are passed on as guardian_pass_on() does.
 */
void guardian_signal(struct guardian *g, const siginfo_t *info);

/*
 * To be asked after signals, SIGCHLD included: whether the master in charge has failed. Then this process must not drain
 * for long; former masters have been told so. One that ended with 0 was stopped, and then drains may take their time.
 */
bool guardian_has_failed(struct guardian *g);

/*
 * Stays until the master in charge has ended, and those before it whose parent we are have finished their drain. All of
 * `signals` must be blocked, as GUARDIAN_SIGNAL and SIGCHLD. Returns the exit code for this process: that of the last
 * master; 128 + n where signal n killed it; 1 where somebody else has reaped it. Logs who is in charge and how that ended;
 * SIGUSR1 opens this process's log again, too.
 */
int guardian_run(struct guardian *g, const sigset_t *signals);

/* --- for later masters */

/* The pid of this process's guardian by the environment, or 0: then this process is the first one. */
pid_t guardian_of_us(void);

/* Tells the guardian that `successor` is in charge now. 0 or -errno. */
int guardian_tell(pid_t guardian, pid_t successor) __attribute__((warn_unused_result));

/*
 * Sends what this process has got, and which is none of GUARDIAN_YOU_ALONE, to `pid` with its value; whoever has ended
 * already gets nothing. SIGINT and SIGHUP that a terminal sent (SI_KERNEL) are not passed on: all masters are in the same
 * process group and had them as well, and a second SIGINT means to end at once.
 */
void guardian_pass_on(pid_t pid, const siginfo_t *info);

/* Whether this signal is one of the guardian's for us alone. */
bool guardian_means_us(pid_t guardian, const siginfo_t *info);

/*
 * To be called at SIGCHLD by a master that has handed over: if `successor` has ended, and not with 0, tells the guardian,
 * which cannot see that while we are its parent. 0 or -errno.
 */
int guardian_tell_failure(pid_t guardian, pid_t successor) __attribute__((warn_unused_result));

/*
 * From now on there is a SIGCHLD, too, when our parent ends: the guardian, or the master before us. And one in any case,
 * as it may have ended already; SIGCHLD must be blocked. 0 or -errno.
 */
int guardian_watch(void) __attribute__((warn_unused_result));

/*
 * Whether the guardian has ended before us: then nobody watches over this service any more, and it must not stay. `parent`
 * is the master before us (struct heir), which is our parent for as long as it drains.
 */
bool guardian_is_lost(pid_t guardian, pid_t parent);

#endif
