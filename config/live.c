#include "config/live.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static bool is_number(const struct config_option *o)
{
	return o->type == TYPE_COUNT || o->type == TYPE_INT;
}

/* options.def gave the field at that offset this type. */
static const void *field_of(const struct config_option *o, const struct config *c)
{
	return (const char *)c + o->offset;
}

static void *field_in(const struct config_option *o, struct config *c)
{
	return (char *)c + o->offset;
}

static const char *string_of(const struct config_option *o, const struct config *c)
{
	return *(char *const *)field_of(o, c);
}

/* --- values that are no strings, as numbers */

static int64_t value_of(const struct config_option *o, const struct config *c)
{
	const void *field = field_of(o, c);

	if (is_number(o))
		return *(const int64_t *)field;
	return o->type == TYPE_BOOL ? *(const bool *)field : *(const int *)field;
}

static void set_value(const struct config_option *o, struct config *c, int64_t value)
{
	void *field = field_in(o, c);

	if (is_number(o))
		*(int64_t *)field = value;
	else if (o->type == TYPE_BOOL)
		*(bool *)field = value != 0;
	else
		*(int *)field = (int)value;
}

/* --- any value */

bool config_same(const struct config_option *o, const struct config *a, const struct config *b)
{
	if (config_is_text(o))
		return strcmp(string_of(o, a), string_of(o, b)) == 0;
	return value_of(o, a) == value_of(o, b);
}

unsigned config_differ(const struct config *a, const struct config *b, enum config_takes takes,
	struct buffer *names)
{
	char name[CONFIG_NAME_BYTES];
	unsigned n = 0;

	for (int i = 0; i < CONFIG_IDS; i++) {
		const struct config_option *o = &config_options[i];

		if (o->takes != takes || config_same(o, a, b))
			continue;
		if (names)
			buffer_printf(
				names, "%s%s", n > 0 ? ", " : "", config_option_name(o, name));
		n++;
	}
	return n;
}

int config_copy_option(const struct config_option *o, struct config *to, const struct config *from)
{
	if (!config_is_text(o)) {
		set_value(o, to, value_of(o, from));
		return 0;
	}
	char *copy = strdup(string_of(o, from));
	if (!copy)
		return -ENOMEM;
	config_value_done(o, to);
	*(char **)field_in(o, to) = copy;
	return 0;
}

int config_copy(struct config *ret, const struct config *from)
{
	struct config copy = {0};

	for (int i = 0; i < CONFIG_IDS; i++) {
		if (config_copy_option(&config_options[i], &copy, from) < 0) {
			config_done(&copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

/* --- across processes */

void config_live_put(const struct config *c, _Atomic int64_t value[CONFIG_IDS])
{
	for (int i = 0; i < CONFIG_IDS; i++)
		if (config_options[i].takes == TAKES_LIVE)
			atomic_store_explicit(
				&value[i], value_of(&config_options[i], c), memory_order_relaxed);
}

void config_live_take(struct config *c, const _Atomic int64_t value[CONFIG_IDS])
{
	for (int i = 0; i < CONFIG_IDS; i++)
		if (config_options[i].takes == TAKES_LIVE)
			set_value(&config_options[i], c,
				atomic_load_explicit(&value[i], memory_order_relaxed));
}
