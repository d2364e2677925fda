/*
 * The quernd that a command acts on: found by its admin address, held by a descriptor of its master
 * process, reached by signals. What fails is said on standard error.
 *
 * After an upgrade there is a guardian as well (server/guardian.h), which forwards signals to the
 * master in charge and ends when that one and all before it have ended.
 */
#ifndef QUERN_SERVER_CTL_RUNNING_H
#define QUERN_SERVER_CTL_RUNNING_H

#include "server/ctl/report.h"

#include <stdbool.h>
#include <stdint.h>

struct running {
	const char *address;  /* borrowed */
	struct report report; /* its status when it was found */
	int pidfd;	      /* readable once the master has ended */
	int guardian_fd;      /* readable once the guardian has ended; -1: none lives */
};

/*
 * 0, or -1: nothing answers there, or its process is not one of this machine. hint: added to the
 * message where the address refuses connections; NULL: nothing.
 */
int running_find(struct running *t, const char *address, const char *hint)
	__attribute__((warn_unused_result));
void running_done(struct running *t);

/*
 * Signals the master, with a value for who queues it. verb: "stop", for the message. 0; or -errno,
 * told unless it is -ESRCH: the master has ended.
 */
int running_signal(const struct running *t, int number, int value, const char *verb)
	__attribute__((warn_unused_result));

/* SIGTERM to the guardian, and where there is none to the master. 0 or -errno, as running_signal(). */
int running_stop(const struct running *t) __attribute__((warn_unused_result));

/* Waits for the master's end. Whether that has come; -errno. */
int running_await_end(const struct running *t, int timeout_ms) __attribute__((warn_unused_result));

/* The same for the master and then the guardian. *ret_pid: who has not ended. */
int running_await_all(const struct running *t, int timeout_ms, pid_t *ret_pid)
	__attribute__((warn_unused_result));

#endif
