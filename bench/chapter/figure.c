#include "bench/chapter/figure.h"

#include "bench/chapter/chapter.h"
#include "lib/number.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MOST 1000
#define NAME_BYTES 128
#define LATENCY_WORDS "mean, min, p50, p90, p95, p99, p999, max"

/* --- down a path ----------------------------------------------------------------------------------------------- */

static const json_t *element(const json_t *list, const char *name, size_t len)
{
	int64_t index;

	if (number_parse_int(&index, name, len, 0, INT32_MAX) != 0)
		return NULL;
	return json_array_get(list, (size_t)index);
}

static const json_t *member(const json_t *value, const char *name, size_t len)
{
	char key[NAME_BYTES];

	if (json_is_array(value))
		return element(value, name, len);
	/* What is longer is in no line of results. */
	if (len >= sizeof key)
		return NULL;
	(void)snprintf(key, sizeof key, "%.*s", (int)len, name);
	return json_object_get(value, key);
}

struct taking {
	void (*take)(void *own, double number);
	void *own;
};

/* "a[3].b" is "a.3.b": where a name ends, and where the next one begins. */
static size_t name_length(const char *path, const char **ret_next)
{
	const size_t len = strcspn(path, ".[]");
	const char *next = path + len;

	while (*next == '.' || *next == '[' || *next == ']')
		next++;
	*ret_next = next;
	return len;
}

static size_t each(const json_t *value, const char *path, const struct taking *t);

// NOLINTNEXTLINE(misc-no-recursion)
static size_t each_of_all(const json_t *value, const char *rest, const struct taking *t)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(value); i++)
		n += each(json_array_get(value, i), rest, t);
	if (json_is_object(value)) {
		json_t *object = (json_t *)(uintptr_t)
			value; /* jansson iterates over what it may change only */

		for (void *at = json_object_iter(object); at;
			at = json_object_iter_next(object, at))
			n += each(json_object_iter_value(at), rest, t);
	}
	return n;
}

/* As deep as the path has names, which is what bounds it. */
// NOLINTNEXTLINE(misc-no-recursion)
static size_t each(const json_t *value, const char *path, const struct taking *t)
{
	const char *rest;

	while (*path == '[')
		path++;
	const size_t len = name_length(path, &rest);
	if (*path == '\0') {
		if (json_is_number(value))
			t->take(t->own, json_number_value(value));
		return json_is_number(value);
	}
	if (len == 1 && *path == '*')
		return each_of_all(value, rest, t);
	const json_t *next = member(value, path, len);
	return next ? each(next, rest, t) : 0;
}

size_t figure_each(
	const json_t *value, const char *path, void (*take)(void *own, double number), void *own)
{
	const struct taking t = {take, own};

	return each(value, path, &t);
}

static void take_first(void *own, double number)
{
	double *first = own;

	if (isnan(*first))
		*first = number;
}

double figure_at(const json_t *line, const char *path)
{
	double first = NAN;

	(void)figure_each(line, path, take_first, &first);
	return first;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static const char *const latency_words[] = {
	"mean", "min", "p50", "p90", "p95", "p99", "p999", "max", NULL};
static const char *const loop_words[] = {"p50", "p95", "p99", "max", NULL};

static const struct {
	const char *name, *path;
	bool of_template;
} plain[] = {
	{"requests", "requests", true},
	{"errors", "errors", true},
	{"offered", "load.intended_rps", false},
	{"achieved", "load.achieved_rps", false},
	{"busy", "busy.mean", false},
	{"cpu", "cpu.server", false},
	{"capacity", "capacity_rps", false},
};

/* `words` NULL: whatever stands behind is part of the path. */
static const struct {
	const char *name, *path;
	const char *const *words;
} prefixed[] = {
	{"queue.", "load.server.queue_ms.", latency_words},
	{"service.", "load.server.service_ms.", latency_words},
	{"loop.", "loop_ms.", loop_words},
	{"status.", "status.", NULL},
	{"probe.", "probe.", NULL},
	{"page.", "pages.", NULL},
};

#define PLAIN (sizeof plain / sizeof *plain)
#define PREFIXED (sizeof prefixed / sizeof *prefixed)

static bool is_word(const char *const *words, const char *text, size_t len)
{
	for (; *words; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return true;
	return false;
}

static void put_known(struct buffer *why)
{
	buffer_puts(why, "allowed: " LATENCY_WORDS);
	for (size_t i = 0; i < PLAIN; i++)
		buffer_printf(why, ", %s", plain[i].name);
	for (size_t i = 0; i < PREFIXED; i++)
		buffer_printf(why, ", %s…", prefixed[i].name);
}

bool figure_is_free_name(const char *name)
{
	bool taken = is_word(latency_words, name, strlen(name));

	for (size_t i = 0; i < PLAIN; i++)
		taken = taken || strcmp(plain[i].name, name) == 0;
	for (size_t i = 0; i < PREFIXED; i++)
		taken = taken || strncmp(prefixed[i].name, name, strlen(prefixed[i].name) - 1) == 0;
	return !taken;
}

static bool put_plain(struct buffer *ret, const char *figure, size_t len, const char *template_name)
{
	for (size_t i = 0; i < PLAIN; i++) {
		if (strlen(plain[i].name) != len || memcmp(plain[i].name, figure, len) != 0)
			continue;
		if (template_name && !plain[i].of_template)
			return false;
		buffer_puts(ret, plain[i].path);
		return true;
	}
	return false;
}

static bool put_prefixed(struct buffer *ret, const char *figure, size_t len)
{
	for (size_t i = 0; i < PREFIXED; i++) {
		const size_t n = strlen(prefixed[i].name);

		if (len <= n || memcmp(prefixed[i].name, figure, n) != 0)
			continue;
		if (prefixed[i].words && !is_word(prefixed[i].words, figure + n, len - n))
			return false;
		buffer_puts(ret, prefixed[i].path);
		buffer_append(ret, figure + n, len - n);
		return true;
	}
	return false;
}

int figure_path(struct buffer *ret, const char *figure, size_t len, const char *template_name,
	struct buffer *why)
{
	const size_t before = ret->len;
	bool known = true;

	if (template_name)
		buffer_printf(ret, "templates.%s.", template_name);
	if (is_word(latency_words, figure, len)) {
		buffer_puts(ret, "latency_ms.");
		buffer_append(ret, figure, len);
	} else {
		known = put_plain(ret, figure, len, template_name) ||
			(!template_name && put_prefixed(ret, figure, len));
	}
	if (ret->failed)
		return -ENOMEM;
	if (known)
		return 0;
	ret->len = before;
	buffer_printf(why, "there is no figure \"%.*s\"%s; ", (int)len, figure,
		template_name ? " of a template" : "");
	put_known(why);
	return -EINVAL;
}

/* --- addresses ------------------------------------------------------------------------------------------------- */

static bool parse_step(
	struct figure *f, const struct chapter_load *load, const char *text, size_t len)
{
	int64_t step;

	if (len == 4 && memcmp(text, "last", 4) == 0) {
		f->step = FIGURE_STEP_LAST;
		return true;
	}
	if (number_parse_int(&step, text, len, 0, STEPS_MOST) != 0 || (size_t)step >= load->rates)
		return false;
	f->step = (int)step;
	return true;
}

/* The name of the load's template with which text begins, and a dot; NULL: none. */
static const char *template_of(const struct chapter_load *load, const char *text)
{
	const size_t len = strcspn(text, ".");

	for (size_t i = 0; text[len] == '.' && i < load->templates; i++)
		if (load->name[i] && strlen(load->name[i]) == len &&
			memcmp(load->name[i], text, len) == 0)
			return load->name[i];
	return NULL;
}

static int parse(struct figure *f, const struct chapter *c, const char *text, struct buffer *why)
{
	const size_t whole = strcspn(text, "."), name = strcspn(text, ".@");

	f->stage = chapter_find_stage(c, text, name);
	if (f->stage == c->stages) {
		buffer_printf(why, "\"%s\": there is no stage \"%.*s\"", text, (int)name, text);
		return -EINVAL;
	}
	const struct chapter_load *load = &c->stage[f->stage].load;
	if (name < whole && !parse_step(f, load, text + name + 1, whole - name - 1)) {
		buffer_printf(why,
			"\"%s\": the stage has no such step; allowed: from 0 to %zu, or last", text,
			load->rates ? load->rates - 1 : 0);
		return -EINVAL;
	}
	if (text[whole] == '\0') {
		buffer_printf(why,
			"\"%s\" names no figure; allowed: STAGE.FIGURE, STAGE.TEMPLATE.FIGURE",
			text);
		return -EINVAL;
	}
	const char *rest = text + whole + 1, *template_name = template_of(load, rest);
	if (template_name)
		rest += strlen(template_name) + 1;
	return figure_path(&f->path, rest, strlen(rest), template_name, why);
}

int figure_parse(struct figure *ret, const struct chapter *c, const char *text, struct buffer *why)
{
	struct figure f = {.text = text};

	buffer_init(&f.path);
	int result = parse(&f, c, text, why);
	if (result == 0 && !buffer_cstring(&f.path))
		result = -ENOMEM;
	if (result == 0)
		*ret = f;
	else
		figure_done(&f);
	return result;
}

void figure_done(struct figure *f)
{
	buffer_done(&f->path);
}
