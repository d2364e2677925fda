#include "config/option.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A name further away than this many edits is no longer a slip of the fingers. */
#define NEAR_EDITS 3

#define FIELD(section_, key_)                                                                      \
	.section = #section_, .key = #key_, .offset = offsetof(struct config, section_##_##key_)

const struct config_option config_options[CONFIG_IDS] = {
/* clang-format off */
/* Texts and initializers, which take no parentheses. NOLINTBEGIN(bugprone-macro-parentheses) */
#define OPTION_COUNT(section_, key_, takes_, default_, low_, high_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_COUNT, .number = (default_), .low = (low_), .high = (high_), .help = help_},
#define OPTION_INT(section_, key_, takes_, default_, low_, high_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_INT, .number = (default_), .low = (low_), .high = (high_), .help = help_},
#define OPTION_BOOL(section_, key_, takes_, default_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_BOOL, .number = (default_), .help = help_},
#define OPTION_ENUM(section_, key_, takes_, default_, choices_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_ENUM, .text = default_, .choices = choices_, .help = help_},
#define OPTION_HOST(section_, key_, takes_, default_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_HOST, .text = default_, .help = help_},
#define OPTION_ADDRESS(section_, key_, takes_, default_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_ADDRESS, .text = default_, .help = help_},
#define OPTION_STRING(section_, key_, takes_, default_, help_) \
	{FIELD(section_, key_), .takes = TAKES_##takes_, .type = TYPE_STRING, .text = default_, .help = help_},
#include "config/options.def"
/* NOLINTEND(bugprone-macro-parentheses) */
	/* clang-format on */
};

const char *config_option_name(const struct config_option *o, char *name)
{
	snprintf(name, CONFIG_NAME_BYTES, "%s.%s", o->section, o->key);
	return name;
}

const char *config_option_variable(const struct config_option *o, char *name)
{
	snprintf(name, CONFIG_NAME_BYTES, CONFIG_VARIABLE_PREFIX "%s_%s", o->section, o->key);
	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return name;
}

static bool same(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && memcmp(name, text, len) == 0;
}

const struct config_option *config_option_find(
	const char *section, size_t section_len, const char *key)
{
	for (int i = 0; i < CONFIG_IDS; i++) {
		const struct config_option *o = &config_options[i];
		if (same(o->section, section, section_len) && strcmp(o->key, key) == 0)
			return o;
	}
	return NULL;
}

typedef const char *(*name_of)(const struct config_option *o, char *name);

static const struct config_option *find_by(name_of make_name, const char *text, size_t len)
{
	char name[CONFIG_NAME_BYTES];

	for (int i = 0; i < CONFIG_IDS; i++)
		if (same(make_name(&config_options[i], name), text, len))
			return &config_options[i];
	return NULL;
}

const struct config_option *config_option_find_name(const char *name, size_t len)
{
	return find_by(config_option_name, name, len);
}

const struct config_option *config_option_find_variable(const char *name, size_t len)
{
	return find_by(config_option_variable, name, len);
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	const size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, one row of the table at a time; SIZE_MAX when b is longer than any name.
 */
static size_t edit_distance(const char *a, const char *b, size_t b_len)
{
	size_t row[CONFIG_NAME_BYTES + 1];

	if (b_len > CONFIG_NAME_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; *a; i++, a++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			const size_t replaced = diagonal + (*a != b[j - 1]);
			diagonal = row[j];
			row[j] = smallest(row[j] + 1, row[j - 1] + 1, replaced);
		}
	}
	return row[b_len];
}

/* Whether name is nearer to text than *best, which it then replaces. Short names must be met more
 * closely. */
static bool is_nearer(size_t *best, const char *name, const char *text, size_t len)
{
	const size_t distance = edit_distance(name, text, len);

	if (distance > NEAR_EDITS || distance * 2 > strlen(name) || distance >= *best)
		return false;
	*best = distance;
	return true;
}

static const struct config_option *nearest_by(name_of make_name, const char *text, size_t len)
{
	const struct config_option *nearest = NULL;
	char name[CONFIG_NAME_BYTES];
	size_t best = SIZE_MAX;

	for (int i = 0; i < CONFIG_IDS; i++)
		if (is_nearer(&best, make_name(&config_options[i], name), text, len))
			nearest = &config_options[i];
	return nearest;
}

const struct config_option *config_option_nearest_name(const char *name, size_t len)
{
	return nearest_by(config_option_name, name, len);
}

const struct config_option *config_option_nearest_variable(const char *name, size_t len)
{
	return nearest_by(config_option_variable, name, len);
}

const struct config_option *config_option_nearest(const char *section, const char *key)
{
	const struct config_option *nearest = NULL;
	size_t best = SIZE_MAX;

	for (int i = 0; i < CONFIG_IDS; i++) {
		const struct config_option *o = &config_options[i];
		if (strcmp(o->section, section) == 0 && is_nearer(&best, o->key, key, strlen(key)))
			nearest = o;
	}
	/* The right key in the wrong section. */
	for (int i = 0; i < CONFIG_IDS && !nearest; i++)
		if (strcmp(config_options[i].key, key) == 0)
			nearest = &config_options[i];
	return nearest;
}

const char *config_section_nearest(const char *section)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (int i = 0; i < CONFIG_IDS; i++)
		if (is_nearer(&best, config_options[i].section, section, strlen(section)))
			nearest = config_options[i].section;
	return nearest;
}

const char *config_choice(const struct config_option *o, int index, size_t *ret_len)
{
	const char *word = o->choices;

	for (; index > 0 && word; index--) {
		word = strchr(word, ' ');
		word = word ? word + 1 : NULL;
	}
	if (word)
		*ret_len = strcspn(word, " ");
	return word;
}
