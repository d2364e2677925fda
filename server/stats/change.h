/*
 * What an operator asked of the running fleet (reload, scale, upgrade) and what has come of it: a few records in shared
 * memory, written by the master, read by the admin process, and waited for by quernctl.
 *
 * Changes are told apart by their number and by when they began: a signal that was sent at a time (CLOCK_MONOTONIC) has
 * its outcome in the first record of its kind that began no earlier.
 */
#ifndef QUERN_SERVER_STATS_CHANGE_H
#define QUERN_SERVER_STATS_CHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STATS_CHANGES 32       /* the last ones are kept */
#define STATS_CHANGE_BYTES 512 /* of text, NUL included; longer ones are cut */

enum change_kind { CHANGE_RELOAD, CHANGE_SCALE, CHANGE_UPGRADE, CHANGE_KINDS };
const char *change_kind_name(enum change_kind kind); /* "reload" */

enum change_state {
	CHANGE_RUNNING,
	CHANGE_DONE,	   /* and in force */
	CHANGE_FAILED,	   /* it is not as it was asked for; text says why */
	CHANGE_SUPERSEDED, /* another change took its place before it was through */
	CHANGE_STATES
};
const char *change_state_name(enum change_state state); /* "running" */

/* One change, as it is read and written. */
struct change {
	uint64_t number;   /* 1, 2, ...; 0: none */
	uint64_t begun_us; /* clock_us() */
	uint64_t ended_us; /* 0 while it runs */
	enum change_kind kind;
	enum change_state state;
	uint32_t target;      /* of a scale: workers wanted, as asked for */
	uint32_t done, total; /* progress, in workers */
	/* What was asked for, then what came of it; one or several lines, for people. */
	char text[STATS_CHANGE_BYTES];
};

/* In shared memory. One writer; a reader that meets a write tries again (a sequence lock). */
struct stats_changes {
	_Atomic uint64_t count; /* changes begun so far */
	struct stats_change {
		_Atomic uint32_t sequence; /* odd while it is being written */
		struct change change;
	} ring[STATS_CHANGES];
};

/*
 * --- for the master: all of them write at once, and the caller's struct is the truth. What has fallen out of the ring
 * meanwhile, since STATS_CHANGES others have begun, stays out.
 */

/* Fills c, with the next number, and publishes it. */
void change_begin(struct stats_changes *all, struct change *c, enum change_kind kind,
	uint64_t now_us, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Replaces its text. */
void change_tell(struct stats_changes *all, struct change *c, const char *text);

/* Publishes new progress, if it is new. */
void change_progress(struct stats_changes *all, struct change *c, uint32_t done, uint32_t total);

/* Ends c, which must be running, and replaces its text. */
void change_end(struct stats_changes *all, struct change *c, enum change_state state,
	uint64_t now_us, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* --- for readers */

/* How many have begun so far: their numbers are 1 to that. */
uint64_t change_count(const struct stats_changes *all);

/* A copy of change `number`. False, and *ret untouched: it is not kept any more, or never was. */
bool change_read(const struct stats_changes *all, uint64_t number, struct change *ret)
	__attribute__((warn_unused_result));

#endif
