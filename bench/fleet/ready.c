#include "bench/fleet/ready.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

int ready_workers(const struct buffer *status_json)
{
	json_t *status = json_loadb(status_json->data, status_json->len, 0, NULL);
	json_t *workers = json_object_get(status, "workers"), *worker;
	size_t i;
	int ready = json_is_array(workers) ? 0 : -EPROTO;

	json_array_foreach(workers, i, worker)
	{
		const char *state = json_string_value(json_object_get(worker, "state"));

		ready += state && strcmp(state, "ready") == 0;
	}
	json_decref(status);
	return ready;
}

/* Field `index` of a line of CSV without quotes, which is what HAProxy writes for names and states. */
static bool field(const char *line, size_t len, size_t index, const char **ret, size_t *ret_len)
{
	const char *end = line + len;

	for (; index > 0; index--) {
		const char *comma = memchr(line, ',', (size_t)(end - line));

		if (!comma)
			return false;
		line = comma + 1;
	}
	const char *comma = memchr(line, ',', (size_t)(end - line));
	*ret = line;
	*ret_len = (size_t)((comma ? comma : end) - line);
	return true;
}

static bool field_begins(const char *line, size_t len, size_t index, const char *with)
{
	const char *at;
	size_t n;

	return field(line, len, index, &at, &n) && n >= strlen(with) &&
	       memcmp(at, with, strlen(with)) == 0;
}

static size_t line_length(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return (size_t)((newline ? newline : end) - at);
}

static bool find_column(const char *head, size_t len, const char *name, size_t *ret)
{
	const char *at;
	size_t n;

	for (size_t i = 0; field(head, len, i, &at, &n); i++) {
		if (n == strlen(name) && memcmp(at, name, n) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

int ready_servers(const struct buffer *csv)
{
	const char *at = csv->data, *end = at + csv->len;
	size_t status;
	int up = 0;

	/* "# pxname,svname,...": the first two columns stand where they always stood. */
	if (csv->len < 2 || memcmp(at, "# ", 2) != 0 ||
		!find_column(at, line_length(at, end), "status", &status))
		return -EPROTO;
	while (at < end) {
		const size_t len = line_length(at, end);

		up += field_begins(at, len, 0, "workers") && field_begins(at, len, 1, "worker") &&
		      field_begins(at, len, status, "UP");
		at += len < (size_t)(end - at) ? len + 1 : len;
	}
	return up;
}
