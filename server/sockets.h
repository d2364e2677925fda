/* The listening sockets of the fleet, as the configuration names them. The master owns them. */
#ifndef QUERN_SERVER_SOCKETS_H
#define QUERN_SERVER_SOCKETS_H

#include "config/config.h"

#include <stddef.h>

struct sockets {
	int *worker; /* one per slot in use; the same one for all without HAProxy */
	size_t workers;
	int admin;
};

/* Opens all of them; logs each one that cannot be had. 0 or -1, and then none is left open. */
int sockets_open(struct sockets *s, const struct config *config, size_t workers)
	__attribute__((warn_unused_result));

/* Closes all but `keep` (-1: all), each once; in a child, only its own copies. */
void sockets_close(struct sockets *s, int keep);

#endif
