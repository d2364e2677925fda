/*
 * The listening sockets of the fleet, as the configuration names them. The master owns them; children inherit them, and
 * so does the next master at an upgrade: their numbers are in the environment variable SOCKETS_VARIABLE then, as
 * "NAME=FD" words ("worker0=5 worker1=6 admin=7", or "shared=5 ..." without HAProxy).
 */
#ifndef QUERN_SERVER_SOCKETS_H
#define QUERN_SERVER_SOCKETS_H

#include "config/config.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define SOCKETS_VARIABLE "QUERND_SOCKETS"

struct sockets {
	int *worker; /* one per slot, -1: none; the same one for all slots in use without HAProxy */
	size_t slots; /* workers.max */
	int shared;   /* without HAProxy: that one; else -1 */
	int admin;
	bool patient; /* an address that is in use is not worth a line in the log: it will be free soon */
	/* Inherited and not taken yet; sockets_forget() closes what is left. */
	struct sockets_heir {
		int fd;
	} * heir;
	size_t heirs;
};

/*
 * Prepares the table, and takes over what `inherited` (the value of SOCKETS_VARIABLE, or NULL) names: descriptors that are
 * listening sockets, and others are refused. 0 or -1, logged.
 */
int sockets_init(struct sockets *s, const struct config *config, const char *inherited)
	__attribute__((warn_unused_result));

/*
 * Opens those that do not belong to one slot: shared, admin. Here, as in sockets_open_slot(), an inherited socket
 * that is bound to the wanted address is used, else a new one is opened. Logs each one that cannot be had. 0 or -1.
 */
int sockets_open_common(struct sockets *s, const struct config *config)
	__attribute__((warn_unused_result));

/* Opens the socket of a slot, if it is not open. 0 or -errno, and then it is logged. */
int sockets_open_slot(struct sockets *s, const struct config *config, size_t slot)
	__attribute__((warn_unused_result));

/* Closes that of a slot, so that connecting to it is refused; nothing happens without HAProxy. */
void sockets_close_slot(struct sockets *s, size_t slot);

/* Closes the shared one, where there is one. */
void sockets_close_shared(struct sockets *s);

/* Closes inherited sockets that nothing was found for. */
void sockets_forget(struct sockets *s);

/* Appends the value of SOCKETS_VARIABLE for a successor, and makes the sockets survive exec(): to be called in the child
 * that will become it. 0 or -errno. */
int sockets_bequeath(const struct sockets *s, struct buffer *out)
	__attribute__((warn_unused_result));

/* Closes all but the one given (-1: none), each once, and frees the table; in a child, only its own copies. */
void sockets_close(struct sockets *s, int keep);

#endif
