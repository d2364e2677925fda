/*
 * The table of options, for the files in config/: what options.def says about each of them, and one
 * value at a time in a struct config.
 */
#ifndef QUERN_CONFIG_OPTION_H
#define QUERN_CONFIG_OPTION_H

#include "config/config.h"
#include "lib/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_VARIABLE_PREFIX "QUERN_"
#define CONFIG_NAME_BYTES 64	 /* enough for any "section.key" or variable name, NUL included */
#define CONFIG_STRING_BYTES 1024 /* longest value of an OPTION_STRING */

enum config_type {
	TYPE_COUNT,
	TYPE_INT,
	TYPE_BOOL,
	TYPE_ENUM,
	TYPE_HOST,
	TYPE_ADDRESS,
	TYPE_STRING,
};

/* How a running fleet takes a new value: see options.def. */
enum config_takes { TAKES_LIVE, TAKES_ROLL, TAKES_UPGRADE, TAKES_BALANCER };

/* ID_workers_count and so on: indexes into config_options, in the order of options.def. */
enum config_id {
#define OPTION_COUNT(section, key, ...) ID_##section##_##key,
#define OPTION_INT(section, key, ...) ID_##section##_##key,
#define OPTION_BOOL(section, key, ...) ID_##section##_##key,
#define OPTION_ENUM(section, key, ...) ID_##section##_##key,
#define OPTION_HOST(section, key, ...) ID_##section##_##key,
#define OPTION_ADDRESS(section, key, ...) ID_##section##_##key,
#define OPTION_STRING(section, key, ...) ID_##section##_##key,
#include "config/options.def"
#undef OPTION_COUNT
#undef OPTION_INT
#undef OPTION_BOOL
#undef OPTION_ENUM
#undef OPTION_HOST
#undef OPTION_ADDRESS
#undef OPTION_STRING
	CONFIG_IDS
};

struct config_option {
	const char *section;
	const char *key;
	enum config_type type;
	enum config_takes takes;
	size_t offset;	     /* of the field in struct config */
	const char *text;    /* default of an enum, host, address or string */
	int64_t number;	     /* default of a count, int or bool */
	int64_t low, high;   /* of a count or int */
	const char *choices; /* of an enum */
	const char *help;
};

extern const struct config_option config_options[CONFIG_IDS];

/* --- option.c: names
 * ------------------------------------------------------------------------------------------- */

/* "workers.count" and "QUERN_WORKERS_COUNT", into name[CONFIG_NAME_BYTES], which is returned. */
const char *config_option_name(const struct config_option *o, char *name);
const char *config_option_variable(const struct config_option *o, char *name);

/* The option of that section and key, given as byte strings, or NULL. */
const struct config_option *config_option_find(
	const char *section, size_t section_len, const char *key);

/* The option of "section.key" (not NUL-terminated), or NULL. */
const struct config_option *config_option_find_name(const char *name, size_t len);
const struct config_option *config_option_find_variable(const char *name, size_t len);

/* The option or section that somebody who wrote this may have meant, or NULL. */
const struct config_option *config_option_nearest(const char *section, const char *key);
const struct config_option *config_option_nearest_name(const char *name, size_t len);
const struct config_option *config_option_nearest_variable(const char *name, size_t len);
const char *config_section_nearest(const char *section);

/* The index-th word of an enum's choices, with its length, or NULL after the last. */
const char *config_choice(const struct config_option *o, int index, size_t *ret_len);

/* --- value.c: one value
 * ---------------------------------------------------------------------------------------- */

/* Whether the field is text on the heap: a host, an address or a string. */
bool config_is_text(const struct config_option *o);

/* Sets the field from the default. 0 or -ENOMEM. */
int config_value_default(const struct config_option *o, struct config *c);

/*
 * Sets the field from text (NUL-terminated, len bytes) or from JSON. 0, -EINVAL: not of the
 * option's form; -ERANGE: a number outside its range; -ENOMEM. On failure the field is as it was.
 */
int config_value_from_text(const struct config_option *o, struct config *c, const char *text,
	size_t len) __attribute__((warn_unused_result));
int config_value_from_json(const struct config_option *o, struct config *c, const json_t *json)
	__attribute__((warn_unused_result));

/* The field, or the option's default, as a new JSON value that the caller owns; NULL when memory
 * ran out. */
json_t *config_value_to_json(const struct config_option *o, const struct config *c);
json_t *config_value_default_json(const struct config_option *o);

/* Frees what the field holds. */
void config_value_done(const struct config_option *o, struct config *c);

/* --- describe.c: for people
 * ------------------------------------------------------------------------------------ */

/* Appends what is allowed: "a whole number from 1 to 1024". */
void config_put_allowed(struct buffer *out, const struct config_option *o);

/* How a running fleet takes a new value, as the documentation says it: "at once", "rolling", "upgrade", "HAProxy". */
const char *config_takes_name(enum config_takes takes);

/* Appends text between double quotes, cut when long, with everything but printable ASCII escaped:
 * always one line. */
void config_put_quoted(struct buffer *out, const char *text, size_t len);

/* Appends JSON on one line, cut when long. */
void config_put_json(struct buffer *out, const json_t *json);

#endif
