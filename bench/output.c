#include "bench/output.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes fd; `error` so far wins over what closing says. */
static int finish(int fd, int error)
{
	if (close(fd) != 0 && error == 0)
		error = -errno;
	return error;
}

static int write_in_place(const char *path, const struct buffer *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return finish(fd, file_write_all(fd, text->data, text->len));
}

/* Where it would be made, or made beside and renamed. */
static int check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	const int error = !folder ? -ENOMEM : access(folder, W_OK | X_OK) != 0 ? -errno : 0;

	free(folder);
	return error;
}

int output_check(const char *path)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return 0;
	if (stat(path, &status) != 0)
		return errno == ENOENT ? check_folder(path) : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (access(path, W_OK) != 0)
		return -errno;
	return S_ISREG(status.st_mode) ? check_folder(path) : 0;
}

int output_text(const char *path, const struct buffer *text)
{
	struct stat status;

	if (text->failed)
		return -ENOMEM;
	if (strcmp(path, "-") == 0)
		return file_write_all(STDOUT_FILENO, text->data, text->len);
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : write_in_place(path, text);
	return file_replace(path, text->data, text->len);
}

static int put_json(struct buffer *out, const json_t *object, size_t flags)
{
	char *text = object ? json_dumps(object, flags | JSON_REAL_PRECISION(9)) : NULL;

	if (!text)
		return -ENOMEM;
	buffer_puts(out, text);
	buffer_putc(out, '\n');
	free(text);
	return out->failed ? -ENOMEM : 0;
}

int output_json(const char *path, const json_t *object)
{
	struct buffer out;

	buffer_init(&out);
	int error = put_json(&out, object, JSON_INDENT(4));
	if (error == 0)
		error = output_text(path, &out);
	buffer_done(&out);
	return error;
}

/* How long the file is up to and with its last newline. */
static int whole_lines(int fd, off_t *ret)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last;

	if (end < 0)
		return -errno;
	while (end > 0) {
		if (pread(fd, &last, 1, end - 1) != 1)
			return -EIO;
		if (last == '\n')
			break;
		end--;
	}
	*ret = end;
	return 0;
}

static int append(int fd, const struct buffer *line)
{
	off_t end = 0;
	int error = whole_lines(fd, &end);

	if (error < 0)
		return error;
	if (ftruncate(fd, end) != 0 || lseek(fd, end, SEEK_SET) < 0)
		error = -errno;
	if (error == 0)
		error = file_write_all(fd, line->data, line->len);
	if (error == 0 && fdatasync(fd) != 0)
		error = -errno;
	/* Half a line would be taken for damage by the next reader. */
	if (error < 0 && ftruncate(fd, end) != 0)
		return -errno;
	return error;
}

int output_append_line(const char *path, const json_t *object)
{
	struct buffer line;

	buffer_init(&line);
	int error = put_json(&line, object, JSON_COMPACT);
	if (error == 0) {
		const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

		error = fd < 0 ? -errno : finish(fd, append(fd, &line));
	}
	buffer_done(&line);
	return error;
}
