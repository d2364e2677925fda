#include "bench/chapter/extras.h"

#include "bench/fleet/fetch.h"
#include "bench/output.h"
#include "bench/timeline/timeline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PAGE_MS 30000

/* Writes DIR/FOLDER/NAME. */
static int write_file(const struct extras_at *at, const char *folder, const char *name,
	const struct buffer *content, struct buffer *error)
{
	char path[PATH_MAX];
	int result = snprintf(path, sizeof path, "%s/%s", at->directory, folder) < PATH_MAX
			     ? 0
			     : -ENAMETOOLONG;

	if (result == 0 && mkdir(path, 0777) != 0 && errno != EEXIST)
		result = -errno;
	if (result == 0 &&
		snprintf(path, sizeof path, "%s/%s/%s", at->directory, folder, name) >= PATH_MAX)
		result = -ENAMETOOLONG;
	if (result == 0)
		result = output_text(path, content);
	if (result < 0)
		buffer_printf(error, "%s: %s", path, strerror(-result));
	return result;
}

/* --- the trace ------------------------------------------------------------------------------------------------- */

/* A picture that cannot be drawn is no failure: the trace is there, and the reason is told in its place. */
static int draw(const struct extras_at *at, const char *name, const json_t *trace, json_t *to,
	struct buffer *error)
{
	const struct timeline_wish wish = {.worker = TIMELINE_ANY, .title = at->stage->title};
	char file[160];
	struct buffer svg, said;

	buffer_init(&svg);
	buffer_init(&said);
	int result = timeline_draw(
		json_string_value(trace), json_string_length(trace), &wish, &svg, &said);
	const bool drawn = result == 0;
	if (drawn) {
		(void)snprintf(file, sizeof file, "%s.svg", name);
		result = write_file(at, "traces", file, &svg, error);
		(void)snprintf(file, sizeof file, "traces/%s.svg", name);
		(void)json_object_set_new(to, "picture", json_string(file));
	}
	if (result == -EINVAL && !drawn)
		result = 0;
	(void)json_object_set_new(to, drawn ? "said" : "error", json_stringn(said.data, said.len));
	buffer_done(&svg);
	buffer_done(&said);
	return result;
}

static int add_trace(
	const struct extras_at *at, json_t *line, const json_t *trace, struct buffer *error)
{
	char name[100], file[160];
	struct buffer text;
	json_t *to = json_object();

	buffer_init(&text);
	buffer_append(&text, json_string_value(trace), json_string_length(trace));
	(void)snprintf(name, sizeof name, "%s-%zu-%u", at->stage->name, at->step, at->repetition);
	(void)snprintf(file, sizeof file, "%s.json", name);
	int result = write_file(at, "traces", file, &text, error);
	buffer_done(&text);
	(void)snprintf(file, sizeof file, "traces/%s.json", name);
	if (result == 0)
		result = json_object_set_new(to, "file", json_string(file)) == 0
				 ? draw(at, name, trace, to, error)
				 : -ENOMEM;
	if (json_object_set_new(line, "trace", to) != 0 && result == 0)
		result = -ENOMEM;
	return result;
}

/* --- pages ----------------------------------------------------------------------------------------------------- */

/* "http://HOST:PORT/PATH" to its parts; the path lies in url. */
static const char *split(const char *url, char *address, size_t n)
{
	const char *from = url + strlen("http://"), *slash = strchr(from, '/');
	const size_t len = slash ? (size_t)(slash - from) : strlen(from);

	if (len >= n)
		return NULL;
	(void)snprintf(address, n, "%.*s", (int)len, from);
	return slash ? slash : "/";
}

static int get(const struct extras_at *at, const struct chapter_page *page, struct buffer *body,
	struct buffer *why)
{
	struct buffer url;
	char address[80];

	buffer_init(&url);
	int result = variables_replace(stand_variables(at->stand), page->url, &url, why);
	const char *text = result == 0 ? buffer_cstring(&url) : NULL;
	const char *path = text ? split(text, address, sizeof address) : NULL;
	if (path)
		result = fetch_page(address, path, PAGE_MS, body, why);
	else if (why->len == 0)
		result = -EINVAL;
	buffer_done(&url);
	return result;
}

static bool is_svg(const struct buffer *body)
{
	return body->len > 0 && body->data[0] == '<';
}

static json_t *keep_picture(const struct extras_at *at, const struct chapter_page *page,
	const struct buffer *body, int *result, struct buffer *error)
{
	char name[160], file[200];

	(void)snprintf(name, sizeof name, "%s-%s-%u.%s", at->stage->name, page->name,
		at->repetition, is_svg(body) ? "svg" : "png");
	(void)snprintf(file, sizeof file, "pages/%s", name);
	*result = write_file(at, "pages", name, body, error);
	return json_pack("{s:s, s:s}", "picture", file, "caption", page->caption);
}

static void pause_for(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	/* A signal ends it early, and then the load that comes next. */
	(void)nanosleep(&left, NULL);
}

static int add_page(const struct extras_at *at, const struct chapter_page *page, json_t *to,
	struct buffer *error)
{
	struct buffer body, why;
	json_t *value = NULL;
	int result = 0;

	buffer_init(&body);
	buffer_init(&why);
	pause_for(page->after_s);
	if (get(at, page, &body, &why) == 0) {
		value = page->picture ? keep_picture(at, page, &body, &result, error)
				      : json_loadb(body.data, body.len, 0, NULL);
		if (!value)
			buffer_puts(&why, "what came is no JSON");
	}
	if (!value)
		value = json_pack("{s:s#}", "error", why.len ? why.data : "", (int)why.len);
	if (json_object_set_new(to, page->name, value) != 0 && result == 0)
		result = -ENOMEM;
	buffer_done(&body);
	buffer_done(&why);
	return result;
}

int extras_add(const struct extras_at *at, json_t *line, const json_t *trace, bool pages,
	struct buffer *error)
{
	const struct chapter_samples *s = &at->stage->samples;
	int result = trace ? add_trace(at, line, trace, error) : 0;

	if (pages && s->pages > 0 && result == 0) {
		json_t *to = json_object();

		for (size_t i = 0; i < s->pages && result == 0; i++)
			result = add_page(at, &s->page[i], to, error);
		if (json_object_set_new(line, "pages", to) != 0 && result == 0)
			result = -ENOMEM;
	}
	if (result == -ENOMEM && error->len == 0)
		buffer_puts(error, "no memory is left");
	return result;
}
