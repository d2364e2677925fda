#include "bench/chapter/chapter_report.h"

#include "bench/chapter/chapter_page.h"
#include "bench/chapter/pictures.h"
#include "bench/output.h"
#include "bench/report/gnuplot.h"
#include "lib/clock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int fail(struct buffer *error, const char *path, int result)
{
	if (error->len == 0)
		buffer_printf(error, "%s: %s", path, strerror(-result));
	return result;
}

/* --- pictures -------------------------------------------------------------------------------------------------- */

static int write_png(const struct chapter_report *r, const char *name, const struct buffer *png,
	struct buffer *error)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/plots", r->directory) >= PATH_MAX)
		return fail(error, r->directory, -ENAMETOOLONG);
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		return fail(error, path, -errno);
	if (snprintf(path, sizeof path, "%s/plots/%s.png", r->directory, name) >= PATH_MAX)
		return fail(error, r->directory, -ENAMETOOLONG);
	const int result = output_text(path, png);
	return result < 0 ? fail(error, path, result) : 0;
}

/* The picture of one plot; `made` stays false where there is nothing to draw. */
static int draw(
	const struct chapter_report *r, size_t i, struct chapter_picture *to, struct buffer *error)
{
	to->made = pictures_make(&to->picture, r->chapter, i, r->lines);
	if (!to->made)
		return 0;
	int result = gnuplot_draw(&to->images, &to->picture, error);
	if (result == 0)
		result = write_png(r, to->picture.name, &to->images.png, error);
	return result;
}

/* --- verdicts -------------------------------------------------------------------------------------------------- */

static json_t *claims_json(const struct chapter_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->chapter->claim_count; i++)
		if (json_array_append_new(list, judgement_json(&r->judgement[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int write_verdicts(const struct chapter_report *r, struct buffer *error)
{
	char path[PATH_MAX], time[CLOCK_UTC_BYTES];
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:o}", "name", r->chapter->name,
		"title", r->chapter->title, "claim", r->chapter->claim, "time",
		clock_format_utc(time, sizeof time, clock_wall_us(), 3), "full", r->full, "repeat",
		(int)r->repeat, "claims", claims_json(r));
	const bool fits = snprintf(path, sizeof path, "%s/chapter.json", r->directory) < PATH_MAX;
	const int result = !object ? -ENOMEM : !fits ? -ENAMETOOLONG : output_json(path, object);

	json_decref(object);
	return result < 0 ? fail(error, "chapter.json", result) : 0;
}

/* --- the page -------------------------------------------------------------------------------------------------- */

static int write_page(
	const char *directory, const char *name, const struct buffer *text, struct buffer *error)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= PATH_MAX)
		return fail(error, directory, -ENAMETOOLONG);
	const int result = output_text(path, text);
	return result < 0 ? fail(error, path, result) : 0;
}

int chapter_report_write(const struct chapter_report *r, struct buffer *error)
{
	struct chapter_picture *picture = calloc(r->chapter->plots + 1, sizeof *picture);
	struct buffer text;
	int drawn = 0;

	if (!picture)
		return fail(error, "report.html", -ENOMEM);
	int result = write_verdicts(r, error);
	for (size_t i = 0; i < r->chapter->plots && result == 0 && drawn == 0; i++)
		drawn = draw(r, i, &picture[i], error);
	buffer_init(&text);
	/* Without gnuplot there is a page all the same, and then the failure is told. */
	if (result == 0) {
		chapter_page_write(r, picture, &text);
		result = write_page(r->directory, "report.html", &text, error);
	}
	buffer_done(&text);
	for (size_t i = 0; i < r->chapter->plots; i++) {
		if (picture[i].made)
			picture_done(&picture[i].picture);
		gnuplot_images_done(&picture[i].images);
	}
	free(picture);
	return result < 0 ? result : drawn;
}

/* --- the index ------------------------------------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* {"directory": the chapter.json in it}, by name; a new reference. */
static json_t *read_chapters(const char *directory)
{
	struct dirent **entry = NULL;
	const int n = scandir(directory, &entry, is_shown, by_name);
	json_t *all = json_object();

	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof path, "%s/%s/chapter.json", directory, entry[i]->d_name) <
			PATH_MAX) {
			json_t *one = json_load_file(path, 0, NULL);

			if (json_is_object(one))
				(void)json_object_set(all, entry[i]->d_name, one);
			json_decref(one);
		}
		free(entry[i]);
	}
	free(entry);
	return all;
}

int chapter_report_index(const char *directory, struct buffer *error)
{
	json_t *all = read_chapters(directory);
	struct buffer text;
	int result = 0;

	if (json_object_size(all) == 0) {
		buffer_printf(error, "%s has no directory with a chapter.json", directory);
		result = -ENOENT;
	}
	buffer_init(&text);
	if (result == 0) {
		chapter_page_index(all, &text);
		result = write_page(directory, "index.html", &text, error);
	}
	buffer_done(&text);
	json_decref(all);
	return result;
}
