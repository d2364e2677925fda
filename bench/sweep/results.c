#include "bench/sweep/results.h"

#include "bench/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p. 0 or -errno. */
static int make_directories(const char *dir)
{
	struct buffer path;
	int result = 0;

	buffer_init(&path);
	for (const char *at = dir; *at && result == 0;) {
		const size_t len = strspn(at, "/") + strcspn(at + strspn(at, "/"), "/");

		buffer_append(&path, at, len);
		at += len;
		const char *text = buffer_cstring(&path);
		if (!text)
			result = -ENOMEM;
		else if (mkdir(text, 0777) != 0 && errno != EEXIST)
			result = -errno;
	}
	buffer_done(&path);
	return result;
}

static void put_key(struct buffer *out, const struct results_key *k)
{
	buffer_printf(out, "%s %s %d %llu", k->experiment, k->cell, k->quick,
		(unsigned long long)k->seed);
}

static bool read_key(const json_t *line, struct results_key *ret)
{
	const json_t *seed = json_object_get(line, "seed");

	*ret = (struct results_key){
		.experiment = json_string_value(json_object_get(line, "experiment")),
		.cell = json_string_value(json_object_get(line, "cell")),
		.quick = json_is_true(json_object_get(line, "quick")),
		.seed = (uint64_t)json_integer_value(seed)};
	return ret->experiment && ret->cell && json_is_integer(seed);
}

/* Void cells are measured again. 0 or -ENOMEM. */
static int mark(struct results *r, const json_t *line)
{
	struct results_key key;
	struct buffer text;

	if (!read_key(line, &key)) {
		r->ignored++;
		return 0;
	}
	if (!json_is_null(json_object_get(line, "void")))
		return 0;
	buffer_init(&text);
	put_key(&text, &key);
	const char *name = buffer_cstring(&text);
	const int result =
		name && json_object_set_new(r->done, name, json_true()) == 0 ? 0 : -ENOMEM;
	buffer_done(&text);
	return result;
}

static int read_lines(struct results *r, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int result = 0;

	while (result == 0 && (n = getline(&line, &size, file)) > 0) {
		json_t *object = json_loadb(line, (size_t)n, 0, NULL);

		/* Without its newline: what an interrupted writer left, which the next one cuts off. */
		if (object)
			result = line[n - 1] == '\n' ? mark(r, object) : 0;
		else
			r->ignored += line[n - 1] == '\n';
		json_decref(object);
	}
	if (result == 0 && ferror(file))
		result = -EIO;
	free(line);
	return result;
}

static int read_file(struct results *r, struct buffer *error)
{
	FILE *file = fopen(r->path, "re");

	if (!file && errno == ENOENT)
		return 0;
	int result = file ? read_lines(r, file) : -errno;
	if (file)
		(void)fclose(file);
	if (result < 0)
		buffer_printf(error, "%s: %s", r->path, strerror(-result));
	return result;
}

static int open_directory(struct results *r, const char *dir, struct buffer *error)
{
	int result = make_directories(dir);

	if (result == 0) {
		r->directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		result = r->directory < 0 ? -errno : 0;
	}
	if (result < 0) {
		buffer_printf(error, "%s: %s", dir, strerror(-result));
		return result;
	}
	if (flock(r->directory, LOCK_EX | LOCK_NB) == 0)
		return 0;
	result = -errno;
	if (result == -EWOULDBLOCK)
		buffer_printf(error, "%s: another sweep is writing there", dir);
	else
		buffer_printf(error, "%s: cannot be locked: %s", dir, strerror(-result));
	return result;
}

int results_open(struct results *ret, const char *dir, struct buffer *error)
{
	struct results r = {.directory = -1, .done = json_object()};
	struct buffer path;

	buffer_init(&path);
	buffer_printf(&path, "%s/cells.jsonl", dir);
	const char *text = buffer_cstring(&path);
	r.path = text ? strdup(text) : NULL;
	buffer_done(&path);
	int result = r.path && r.done ? open_directory(&r, dir, error) : -ENOMEM;
	if (result == 0)
		result = read_file(&r, error);
	if (result < 0)
		results_close(&r);
	else
		*ret = r;
	return result;
}

void results_close(struct results *r)
{
	if (r->directory >= 0)
		(void)close(r->directory);
	json_decref(r->done);
	free(r->path);
	*r = (struct results){.directory = -1};
}

bool results_has(const struct results *r, const struct results_key *key)
{
	struct buffer text;

	buffer_init(&text);
	put_key(&text, key);
	const char *name = buffer_cstring(&text);
	const bool found = name && json_object_get(r->done, name);
	buffer_done(&text);
	return found;
}

int results_add(struct results *r, const json_t *line, struct buffer *error)
{
	int result = output_append_line(r->path, line);

	if (result == 0)
		result = mark(r, line);
	if (result < 0)
		buffer_printf(error, "%s: %s", r->path, strerror(-result));
	return result;
}
