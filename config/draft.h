/*
 * A configuration in the making: the values so far, where each of them came from, and the lines
 * that are written about them. config.c and file.c fill it, check.c judges it.
 */
#ifndef QUERN_CONFIG_DRAFT_H
#define QUERN_CONFIG_DRAFT_H

#include "config/config.h"
#include "config/option.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>

enum config_origin {
	ORIGIN_DEFAULT,
	ORIGIN_FILE,
	ORIGIN_ENVIRONMENT,
	ORIGIN_SET,
	ORIGIN_RUNNING, /* kept by a running fleet, whatever the others say */
};

struct config_draft {
	struct config values;
	enum config_origin origin[CONFIG_IDS];
	bool wrong[CONFIG_IDS]; /* the last value given was refused: what values holds is not what
				   was meant */
	const char *file;	/* NULL: none */
	bool waits;		/* for a pipe to be written, up to its end */
	bool file_wrong;	/* it could not be read at all */
	bool out_of_memory;
	struct buffer *errors;
	struct buffer *warnings;
};

/*
 * Notes that the option was given a value, as text or (text NULL) as JSON, and what came of it: 0,
 * or the error of config_value_from_text() or _json(), which becomes a line of d->errors.
 */
void draft_settle(struct config_draft *d, const struct config_option *o, enum config_origin origin,
	int result, const char *text, const json_t *json);

/*
 * Appends to out (d->errors or d->warnings) the line `ORIGIN: section.key: VALUE TEXT`, and after
 * it, in parentheses, the value and the origin of another option that it depends on, if `other` is
 * not CONFIG_IDS.
 */
void draft_complain(const struct config_draft *d, struct buffer *out, enum config_id id,
	enum config_id other, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Reads d->file into the draft (file.c). What is wrong goes to d->errors. */
void draft_read_file(struct config_draft *d);

/*
 * Reports what only shows between options, or in values whose type says too little, to d->errors
 * and d->warnings (check.c). Options that are wrong already are left out, with everything that
 * depends on them.
 */
void draft_check(const struct config_draft *d);

/* The part of it that is about who listens where (listeners.c). */
void draft_check_listeners(const struct config_draft *d);

#endif
