/* Starting the next master's program, as a child that inherits the listening sockets and one end of a socket pair. */
#ifndef QUERN_SERVER_SUCCESSOR_H
#define QUERN_SERVER_SUCCESSOR_H

#include "server/sockets.h"

#include <stdint.h>
#include <sys/types.h>

/* What it is to be given; all borrowed. */
struct successor {
	const char *program; /* a path */
	char *const *argv;
	const struct sockets *sockets;
	uint64_t number, begun_us; /* of the change, see UPGRADE_VARIABLE */
};

/*
 * Our end of the pair (close-on-exec), with *ret_pid; or -errno, also that of an exec() that failed, and then there is no
 * child. It runs with our environment and SOCKETS_VARIABLE, UPGRADE_VARIABLE and GUARDIAN_VARIABLE, with no signal
 * blocked, and with all signals at their defaults but those that were ignored when this process was started.
 */
int successor_start(const struct successor *s, pid_t *ret_pid) __attribute__((warn_unused_result));

#endif
