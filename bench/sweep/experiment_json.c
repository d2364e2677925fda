#include "bench/sweep/experiment_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int experiment_load(json_t **ret, const char *path, struct buffer *errors)
{
	json_error_t why;
	FILE *file = fopen(path, "re");

	if (!file) {
		const int error = errno;
		buffer_printf(errors, "%s: %s\n", path, strerror(error));
		return -error;
	}
	json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
	const int unread = ferror(file) ? EIO : 0;
	(void)fclose(file);
	if (unread) {
		json_decref(root);
		buffer_printf(errors, "%s: cannot be read: %s\n", path, strerror(unread));
		return -unread;
	}
	if (!root) {
		buffer_printf(errors, "%s:%d:%d: %s\n", path, why.line, why.column, why.text);
		return -EINVAL;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		buffer_printf(errors, "%s: not an object\n", path);
		return -EINVAL;
	}
	*ret = root;
	return 0;
}

void experiment_complain(struct experiment_reader *r, const char *key, const char *format, ...)
{
	va_list arguments;
	char text[512];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_printf(r->errors, "%s: ", r->path);
	if (r->at.len > 0)
		buffer_append(r->errors, r->at.data, r->at.len);
	buffer_printf(
		r->errors, "%s%s: %s\n", key && r->at.len > 0 ? "." : "", key ? key : "", text);
	r->wrong = true;
}

size_t experiment_enter(struct experiment_reader *r, const char *format, ...)
{
	const size_t before = r->at.len;
	va_list arguments;
	char text[64];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	buffer_printf(&r->at, "%s%s", before ? "." : "", text);
	return before;
}

void experiment_leave(struct experiment_reader *r, size_t before)
{
	r->at.len = before;
}

const json_t *experiment_value(const struct experiment_reader *r, const char *key)
{
	return json_object_get(r->object, key);
}

void experiment_check_keys(struct experiment_reader *r, const char *const *known)
{
	/* jansson iterates over what it may change only. */
	json_t *object = json_incref((json_t *)(uintptr_t)r->object), *value;
	const char *key;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (known[i])
			continue;
		struct buffer list;
		buffer_init(&list);
		for (i = 0; known[i]; i++)
			buffer_printf(&list, "%s%s", i ? ", " : "", known[i]);
		experiment_complain(
			r, key, "there is no such key; allowed: %s", buffer_cstring(&list));
		buffer_done(&list);
	}
	json_decref(object);
}

char *experiment_string(struct experiment_reader *r, const char *key, bool needed)
{
	const json_t *value = experiment_value(r, key);

	if (!value && !needed)
		return NULL;
	if (!json_is_string(value)) {
		experiment_complain(
			r, key, "is %s; allowed: a text", value ? "not allowed" : "missing");
		return NULL;
	}
	char *copy = strdup(json_string_value(value));
	r->no_memory = r->no_memory || !copy;
	return copy;
}

int experiment_word(struct experiment_reader *r, const char *key, const char *const *words)
{
	const char *word = json_string_value(experiment_value(r, key));
	struct buffer list;

	for (int i = 0; word && words[i]; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	buffer_init(&list);
	for (int i = 0; words[i]; i++)
		buffer_printf(&list, "%s%s", i ? ", " : "", words[i]);
	experiment_complain(r, key, "is %s; allowed: one of %s",
		experiment_value(r, key) ? "not allowed" : "missing", buffer_cstring(&list));
	buffer_done(&list);
	return -1;
}

void experiment_number(
	struct experiment_reader *r, const char *key, double low, double high, double *ret)
{
	const json_t *value = experiment_value(r, key);
	const double number = json_number_value(value);

	if (!value)
		return;
	if (json_is_number(value) && number >= low && number <= high)
		*ret = number;
	else
		experiment_complain(
			r, key, "is not allowed; allowed: a number from %g to %g", low, high);
}
