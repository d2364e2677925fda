/*
 * The quernd that a command acts on: found by its admin address, held by a descriptor of its master
 * process, reached by signals. What fails is said on standard error.
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
};

/* 0, or -1: nothing answers there, or its process is not one of this machine. */
int running_find(struct running *t, const char *address) __attribute__((warn_unused_result));
void running_done(struct running *t);

/*
 * Signals the master, with a value for who queues it. verb: "stop", for the message. 0; or -errno,
 * told unless it is -ESRCH: the master has ended.
 */
int running_signal(const struct running *t, int number, int value, const char *verb)
	__attribute__((warn_unused_result));

/* Waits for the master's end. Whether that has come; -errno. */
int running_await_end(const struct running *t, int timeout_ms) __attribute__((warn_unused_result));

#endif
