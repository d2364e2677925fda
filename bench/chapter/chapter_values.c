/* Values of a chapter's file, each told with its place when it is wrong. */
#include "bench/chapter/chapter_parts.h"
#include "lib/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *chapter_text(struct chapter_reader *r, const char *key, const char *otherwise)
{
	const json_t *value = experiment_value(&r->r, key);

	if (!value)
		return otherwise;
	if (json_is_string(value))
		return json_string_value(value);
	experiment_complain(&r->r, key, "is not allowed; allowed: a text");
	return otherwise;
}

const char *chapter_needed_text(struct chapter_reader *r, const char *key)
{
	if (!experiment_value(&r->r, key))
		experiment_complain(&r->r, key, "is missing; allowed: a text");
	return chapter_text(r, key, "");
}

bool chapter_flag(struct chapter_reader *r, const char *key, bool otherwise)
{
	const json_t *value = experiment_value(&r->r, key);

	if (!value)
		return otherwise;
	if (!json_is_boolean(value))
		experiment_complain(&r->r, key, "is not allowed; allowed: true, false");
	return json_is_true(value);
}

void chapter_seconds(
	struct chapter_reader *r, const char *key, double low_s, double high_s, double *ret)
{
	const json_t *value = experiment_value(&r->r, key);
	const char *text = json_string_value(value);
	int64_t us;

	if (!value)
		return;
	if (text && number_parse_duration_us(&us, text, strlen(text), (int64_t)(low_s * 1e6),
			    (int64_t)(high_s * 1e6)) == 0)
		*ret = (double)us / 1e6;
	else
		experiment_complain(&r->r, key,
			"is not allowed; allowed: a duration with its unit (\"8s\", \"500ms\") "
			"from %gs to %gs",
			low_s, high_s);
}

void chapter_count(
	struct chapter_reader *r, const char *key, uint64_t low, uint64_t high, uint64_t *ret)
{
	const json_t *value = experiment_value(&r->r, key);
	const json_int_t n = json_integer_value(value);

	if (!value)
		return;
	if (json_is_integer(value) && n >= (json_int_t)low && n <= (json_int_t)high)
		*ret = (uint64_t)n;
	else
		experiment_complain(&r->r, key,
			"is not allowed; allowed: a whole number from %llu to %llu",
			(unsigned long long)low, (unsigned long long)high);
}

static bool is_plain(const json_t *value, bool numbers)
{
	return json_is_string(value) ||
	       (numbers && (json_is_number(value) || json_is_boolean(value)));
}

const json_t *chapter_object(struct chapter_reader *r, const char *key, bool numbers)
{
	json_t *object = json_object_get(r->r.object, key), *value;
	const char *name;

	if (!object)
		return NULL;
	if (!json_is_object(object)) {
		experiment_complain(&r->r, key, "is not allowed; allowed: an object");
		return NULL;
	}
	json_object_foreach(object, name, value)
	{
		if (is_plain(value, numbers))
			continue;
		const size_t before = experiment_enter(&r->r, "%s", key);
		experiment_complain(&r->r, name, "is not allowed; allowed: a text%s",
			numbers ? ", a number, true, false" : "");
		experiment_leave(&r->r, before);
	}
	return object;
}

bool chapter_is_name(const char *text)
{
	const size_t len = strlen(text);

	return len > 0 && len < CHAPTER_NAME_BYTES &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

size_t chapter_list(struct chapter_reader *r, const char *key)
{
	const json_t *list = experiment_value(&r->r, key);

	if (list && !json_is_array(list))
		experiment_complain(&r->r, key, "is not allowed; allowed: a list");
	return json_array_size(list);
}

void chapter_each(struct chapter_reader *r, const char *key,
	void (*take)(struct chapter_reader *r, const json_t *value, size_t i, void *own), void *own)
{
	const json_t *list = experiment_value(&r->r, key), *outer = r->r.object;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const size_t before = experiment_enter(&r->r, "%s[%zu]", key, i);

		r->r.object = json_array_get(list, i);
		take(r, r->r.object, i, own);
		r->r.object = outer;
		experiment_leave(&r->r, before);
	}
}

void *chapter_room(struct chapter_reader *r, size_t n, size_t size)
{
	void *room = calloc(n, size);

	r->r.no_memory = r->r.no_memory || !room;
	return room;
}

struct mix *chapter_line(struct chapter_reader *r, const char *key, const char *line)
{
	struct mix *mix = NULL;
	struct buffer why;

	buffer_init(&why);
	const int result = mix_parse(&mix, "line", line, strlen(line), &why);
	if (result < 0) {
		experiment_complain(&r->r, key, "%s",
			result == -ENOMEM ? "no memory is left" : buffer_cstring(&why));
		mix = NULL;
	} else if (mix_templates(mix) != 1) {
		experiment_complain(&r->r, key, "is not allowed; allowed: one line of a mix file");
		mix_free(mix);
		mix = NULL;
	}
	buffer_done(&why);
	return mix;
}
