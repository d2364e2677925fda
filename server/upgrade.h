/*
 * Replacing the program under a running fleet. The old master starts the new one as its child, which inherits the
 * listening sockets; the new one starts its workers beside the old ones and says over a socket pair how far it is. When
 * all are ready it asks to take over: the old master hands the admin sockets over by ending its admin process, answers,
 * and drains its workers. If the new one dies, says that it failed, or takes longer than UPGRADE_TIMEOUT_US, the old one
 * carries on as if nothing had been.
 *
 * Messages are short lines on a SOCK_SEQPACKET pair, whose descriptor the new master finds in UPGRADE_VARIABLE as
 * "FD NUMBER BEGUN_US" (the change's number and begin, so that its record goes on over there):
 *
 *   new -> old   "progress DONE TOTAL"   workers ready
 *   new -> old   "failed TEXT"           and it exits
 *   new -> old   "ready"                 all are; it waits for the answer
 *   old -> new   "yours"                 the old admin process has gone: take over
 *   old -> new   "no"                    the old one carries on: end
 */
#ifndef QUERN_SERVER_UPGRADE_H
#define QUERN_SERVER_UPGRADE_H

#include "server/sockets.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define UPGRADE_VARIABLE "QUERND_UPGRADE"
#define UPGRADE_TIMEOUT_US UINT64_C(30000000)
#define UPGRADE_TEXT_BYTES 256

/* --- the old master's side */

struct upgrade {
	pid_t pid; /* of the new master; 0: none */
	int fd; /* our end; -1: none. Readable when there is something to read; the master polls it */
	uint64_t deadline_us;
};

/*
 * The program that is running, by the absolute path that it was started by, symbolic links kept: at an upgrade another
 * file may be there. Into path[n]. 0 or -errno. To be called at the start, as the file may be replaced later.
 */
int upgrade_program(char *path, size_t n) __attribute__((warn_unused_result));

/*
 * Starts `program` with our argv and environment, SOCKETS_VARIABLE and UPGRADE_VARIABLE set, and where we are the guardian
 * from then on, GUARDIAN_VARIABLE. 0, or -errno with ret_why filled: nothing was
 * started. That exec() itself fails shows at once, too.
 */
int upgrade_start(struct upgrade *u, const char *program, char *const *argv,
	const struct sockets *sockets, uint64_t number, uint64_t begun_us, uint64_t now_us,
	char ret_why[UPGRADE_TEXT_BYTES]) __attribute__((warn_unused_result));

enum upgrade_event { UPGRADE_NOTHING, UPGRADE_PROGRESS, UPGRADE_READY, UPGRADE_FAILED };

/* Reads one message, if there is one. PROGRESS: *ret_done and *ret_total; FAILED (also: the other end has closed): ret_why. */
enum upgrade_event upgrade_read(struct upgrade *u, uint32_t *ret_done, uint32_t *ret_total,
	char ret_why[UPGRADE_TEXT_BYTES]);

/* Answers "yours". 0 or -errno. */
int upgrade_yield(struct upgrade *u) __attribute__((warn_unused_result));

/* Answers "no", where it can; that the pair closes alone would mean that we are gone. */
void upgrade_refuse(struct upgrade *u);

/*
 * Forgets it; kill_it: ends a new master that did not come up, with its children, by SIGKILL. It has to be reaped all the
 * same; where that has happened already, u->pid must be 0 by then, since its number may be somebody else's.
 */
void upgrade_end(struct upgrade *u, bool kill_it);

/* --- the new master's side */

struct heir {
	int fd;		 /* -1: we are nobody's successor */
	uint64_t number; /* the change's, over there */
	uint64_t begun_us;
	pid_t parent; /* the old master */
};

/*
 * Reads the environment, and takes UPGRADE_VARIABLE and SOCKETS_VARIABLE out of it; where we are nobody's successor,
 * GUARDIAN_VARIABLE as well, which is somebody else's then. 0, or -EINVAL where UPGRADE_VARIABLE is not one of ours:
 * malformed, not our parent's socket pair.
 */
int heir_init(struct heir *h) __attribute__((warn_unused_result));

/* Tells; nothing happens when there is no old master. */
void heir_progress(struct heir *h, uint32_t done, uint32_t total);
void heir_failed(struct heir *h, const char *text);

/*
 * Says "ready" and waits, at most timeout_us, for "yours". 0; -ECANCELED: the old one carries on; or -errno: it is gone
 * (-EPIPE) or says nothing.
 */
int heir_take_over(struct heir *h, uint64_t timeout_us) __attribute__((warn_unused_result));

void heir_done(struct heir *h);

#endif
