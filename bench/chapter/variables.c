#include "bench/chapter/variables.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int variables_set_port(struct variables *v, const char *prefix, const char *name, unsigned port)
{
	char whole[VARIABLE_NAME_BYTES];
	struct variable *to = v->variable;
	const int len = snprintf(whole, sizeof whole, "%s%s%s", prefix, *prefix ? "_" : "", name);

	if (len < 0 || (size_t)len >= sizeof whole)
		return -ENOSPC;
	for (char *c = whole; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	while (to < v->variable + v->count && strcmp(to->name, whole) != 0)
		to++;
	if (to == v->variable + VARIABLES_MOST)
		return -ENOSPC;
	v->count += to == v->variable + v->count;
	memcpy(to->name, whole, sizeof whole);
	(void)snprintf(to->value, sizeof to->value, "%u", port);
	return 0;
}

static const char *value_of(const struct variables *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->count; i++)
		if (strlen(v->variable[i].name) == len &&
			memcmp(v->variable[i].name, name, len) == 0)
			return v->variable[i].value;
	return NULL;
}

static int complain(const struct variables *v, const char *name, size_t len, struct buffer *error)
{
	buffer_printf(error, "there is no variable ${%.*s}; known:", (int)len, name);
	for (size_t i = 0; i < v->count; i++)
		buffer_printf(error, "%s %s", i ? "," : "", v->variable[i].name);
	if (v->count == 0)
		buffer_puts(error, " none, as no service is started before");
	return -EINVAL;
}

int variables_replace(
	const struct variables *v, const char *text, struct buffer *ret, struct buffer *error)
{
	for (const char *at = strstr(text, "${"); at; at = strstr(text, "${")) {
		const size_t len = strcspn(at + 2, "}");
		const char *value = at[2 + len] ? value_of(v, at + 2, len) : NULL;

		if (!value)
			return complain(v, at + 2, len, error);
		buffer_append(ret, text, (size_t)(at - text));
		buffer_puts(ret, value);
		text = at + 2 + len + 1;
	}
	buffer_puts(ret, text);
	return ret->failed ? -ENOMEM : 0;
}

/* A new reference, or NULL. */
static json_t *replaced(const struct variables *v, json_t *value, struct buffer *error)
{
	struct buffer text;
	json_t *made = NULL;

	if (!json_is_string(value))
		return json_incref(value);
	buffer_init(&text);
	if (variables_replace(v, json_string_value(value), &text, error) == 0)
		made = json_stringn(text.data, text.len);
	buffer_done(&text);
	return made;
}

json_t *variables_replace_all(const struct variables *v, const json_t *object, struct buffer *error)
{
	json_t *from = json_incref((json_t *)(uintptr_t)object), *to = json_object(), *value;
	const char *name;
	bool failed = !to;

	json_object_foreach(from, name, value)
	{
		failed = failed || json_object_set_new(to, name, replaced(v, value, error)) != 0;
	}
	json_decref(from);
	if (!failed)
		return to;
	json_decref(to);
	if (error->len == 0)
		buffer_puts(error, "no memory is left");
	return NULL;
}
