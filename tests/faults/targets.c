#include "tests/faults/targets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1u << 24)

static bool read_line(FILE *f, char *line, size_t n)
{
	if (!fgets(line, (int)n, f))
		return false;
	const size_t bytes = strlen(line);
	if (bytes == 0 || line[bytes - 1] != '\n')
		return false;
	line[bytes - 1] = '\0';
	return true;
}

/* One byte more than wanted, so that an empty body has memory as well. */
static char *read_bytes(FILE *f, size_t n)
{
	char *bytes = n <= BYTES_MAX ? malloc(n + 1) : NULL;

	if (bytes && fread(bytes, 1, n, f) != n) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* 1: read; 0: the file has ended; -EINVAL. On failure the caller frees what t owns already. */
static int read_target(FILE *f, struct target *t)
{
	static const char closing[] = "\r\nConnection: close\r\n";
	char line[256], method[16], newline[2];

	memset(t, 0, sizeof *t);
	if (!read_line(f, line, sizeof line))
		return feof(f) ? 0 : -EINVAL;
	if (sscanf(line, "%63s %15s %u %ld %zu %zu", t->name, method, &t->status,
		    &t->content_length, &t->request_bytes, &t->body_bytes) != 6)
		return -EINVAL;
	t->head = strcmp(method, "HEAD") == 0;
	if (!read_line(f, t->type, sizeof t->type) || !read_line(f, t->etag, sizeof t->etag))
		return -EINVAL;
	t->request = read_bytes(f, t->request_bytes);
	t->body = t->request ? read_bytes(f, t->body_bytes) : NULL;
	if (t->body)
		t->closes = memmem(t->request, t->request_bytes, closing, sizeof closing - 1);
	return t->body && read_line(f, newline, sizeof newline) ? 1 : -EINVAL;
}

int targets_read(struct targets *ret, const char *path)
{
	struct targets t = {0};
	size_t reusable = 0;
	int status;
	FILE *f = fopen(path, "rb");

	if (!f)
		return -errno;
	do {
		struct target *more = realloc(t.entry, (t.count + 1) * sizeof *more);

		if (!more) {
			status = -ENOMEM;
			break;
		}
		t.entry = more;
		status = read_target(f, &t.entry[t.count]);
		t.count += status != 0; /* the half-read one too, to be freed */
	} while (status == 1);
	fclose(f);
	for (size_t i = 0; i < t.count; i++)
		reusable += !t.entry[i].closes;
	if (status == 0 && reusable == 0)
		status = -EINVAL;
	if (status != 0) {
		targets_done(&t);
		return status;
	}
	*ret = t;
	return 0;
}

void targets_done(struct targets *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->entry[i].request);
		free(t->entry[i].body);
	}
	free(t->entry);
	*t = (struct targets){0};
}
