/*
 * A new configuration for a running master: read again from where the old one came from, and told apart into what is taken
 * at once, what needs new workers, and what cannot be taken. Nothing here touches a process.
 */
#ifndef QUERN_SERVER_RELOAD_H
#define QUERN_SERVER_RELOAD_H

#include "config/config.h"
#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Where the configuration comes from; everything is borrowed for the process's life. */
struct reload_source {
	const char *file;	/* NULL: none */
	const char *const *set; /* of --set */
	size_t settings;
	char *const *environment; /* as it was at the start */
};

struct reload {
	struct config
		config; /* the new one; options that cannot be taken have their old values, and it fits together so */
	bool changed;	/* anything at all that quernd takes */
	bool rolls;	/* workers have to be replaced */
	bool admin_too; /* the admin process as well */
};

/*
 * Reads it and compares with the one in force. 0: *ret is filled, its config the caller's, and text has appended what is
 * taken how, in one line for people. -EINVAL, -ENOMEM: text says what is wrong, one mistake a line.
 */
int reload_read(struct reload *ret, const struct reload_source *from, const struct config *old,
	struct buffer *text) __attribute__((warn_unused_result));

#endif
