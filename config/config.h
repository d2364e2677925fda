/*
 * The configuration: one struct, filled from config/options.def in the order defaults < file <
 * environment < --set.
 *
 * Everything wrong is reported at once: config_load() goes on after an error and returns all of
 * them as text, one line each, that names the source (file, environment variable, --set), the key,
 * the value and what is allowed.
 */
#ifndef QUERN_CONFIG_CONFIG_H
#define QUERN_CONFIG_CONFIG_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_AUTO (-1) /* of an OPTION_COUNT: "auto" */

/* Indexes into the choices of the OPTION_ENUMs, in the order of options.def. */
enum config_balancer_kind { BALANCER_HAPROXY, BALANCER_NONE };
enum config_policy {
	POLICY_ROUNDROBIN,
	POLICY_LEASTCONN,
	POLICY_RANDOM,
	POLICY_RANDOM_2,
	POLICY_CENTRAL
};
enum config_strategy { STRATEGY_INLINE, STRATEGY_OFFLOAD, STRATEGY_YIELD };
enum config_engine { ENGINE_QUERN, ENGINE_LIBQRENCODE };
enum config_discovery { DISCOVERY_STATIC, DISCOVERY_DNS };

struct config {
#define OPTION_COUNT(section, key, ...) int64_t section##_##key;
#define OPTION_INT(section, key, ...) int64_t section##_##key;
#define OPTION_BOOL(section, key, ...) bool section##_##key;
#define OPTION_ENUM(section, key, ...) int section##_##key;
#define OPTION_HOST(section, key, ...) char *section##_##key;
#define OPTION_ADDRESS(section, key, ...) char *section##_##key;
#define OPTION_STRING(section, key, ...) char *section##_##key;
#include "config/options.def"
#undef OPTION_COUNT
#undef OPTION_INT
#undef OPTION_BOOL
#undef OPTION_ENUM
#undef OPTION_HOST
#undef OPTION_ADDRESS
#undef OPTION_STRING
};

/*
 * Fills *ret from the defaults, the file (NULL: none), the environment (NULL-terminated
 * "NAME=value" strings; NULL: none) and n `set` strings "section.key=value", and checks what only
 * shows between options. 0, or -EINVAL when anything was wrong: then errors holds one line per
 * mistake and *ret is untouched. -ENOMEM as well leaves a line. warnings receives lines about what
 * is suspicious but allowed (a QUERN_ variable that is no option). The caller owns *ret and frees
 * it with config_done(). The file is a regular one or a pipe, whose end is waited for; at most 1 MiB.
 */
int config_load(struct config *ret, const char *file, char *const *environment,
	const char *const *set, size_t n, struct buffer *errors, struct buffer *warnings)
	__attribute__((warn_unused_result));

/*
 * The same for a fleet that runs with *running: options that a running fleet cannot take (TAKES_UPGRADE) have the running
 * value in *ret. Those that were given another one are named in kept, separated by ", ". What only shows between options
 * is checked twice, as it was given and as it comes out; warnings are of the latter. Nothing is waited for: a pipe has to
 * hold the whole file, its writer gone.
 */
int config_load_beside(struct config *ret, const struct config *running, struct buffer *kept,
	const char *file, char *const *environment, const char *const *set, size_t n,
	struct buffer *errors, struct buffer *warnings) __attribute__((warn_unused_result));

void config_done(struct config *c);

/* workers.count as a number: "auto" resolved by config_usable_cpus(), never above workers.max. */
int64_t config_worker_count(const struct config *c);

/*
 * CPUs that this process may use: its affinity mask, and the cgroup v2 or v1 CPU quota of its group
 * and every group above it, rounded up; at least 1.
 */
int64_t config_usable_cpus(void);

/* The whole configuration as a JSON file that config_load() reads back to the same
 * (--print-config). */
void config_print_json(const struct config *c, struct buffer *out);

/* JSON Schema (draft-07) of the file, for editors. */
void config_print_schema(struct buffer *out);

/* One paragraph per option: key, environment variable, allowed values, default, how a reload takes it, help (--help). */
void config_print_help(struct buffer *out);

#endif
