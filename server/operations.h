/*
 * What operators ask of a running fleet, reload and scale: each is a change record (server/stats/change.h) from the
 * moment it is asked for until the fleet is as asked, or until that has failed and the old configuration is in force again.
 * A later one supersedes an earlier one of its kind; nothing waits in a queue.
 */
#ifndef QUERN_SERVER_OPERATIONS_H
#define QUERN_SERVER_OPERATIONS_H

#include "server/fleet.h"
#include "server/reload.h"
#include "server/stats/change.h"

#include <stdbool.h>
#include <stdint.h>

struct operations {
	struct fleet *fleet; /* borrowed, as the next three */
	struct legacy *legacy;
	const struct child *admin;
	const struct reload_source *source;
	struct change reload, scale;
	struct buffer told; /* of the reload: what is taken how */
	struct config *
		before; /* the configuration to go back to while the workers are being replaced; NULL: none */
	uint64_t before_generation;
	uint32_t before_wanted, taken_wanted; /* workers then, and since the reload */
	bool rolls;			      /* the reload that runs replaces the workers */
	bool renew_admin; /* for the master, who clears it: the admin process shows what has changed */
};

void operations_init(struct operations *o, struct fleet *f, const struct child *admin,
	const struct reload_source *source);
void operations_done(struct operations *o);

/* Reads the configuration again and takes it, or says why not. */
void operations_reload(struct operations *o, uint64_t now_us);

/* `wanted` workers from now on, if that is a number that may be. */
void operations_scale(struct operations *o, int64_t wanted, uint64_t now_us);

/* Records that it was asked for, and why it is not done. */
void operations_refuse(struct operations *o, enum change_kind kind, uint32_t target,
	const char *why, uint64_t now_us);

/* Publishes progress, and ends what is through. */
void operations_step(struct operations *o, uint64_t now_us);

/* Another master has taken over, or the fleet is being stopped: what runs ends as superseded. */
void operations_end(struct operations *o, const char *why, uint64_t now_us);

#endif
