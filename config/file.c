#include "config/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far above any real configuration; below what hurts when somebody names the wrong file. */
#define FILE_BYTES (1u << 20)
#define READ_BYTES 4096u

static const char *json_type_name(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

/* 0 when reading will not wait; -EAGAIN: it would. A pipe that nobody has opened to write to yet is waited for as well. */
static int await_bytes(int fd, bool waits)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, waits ? -1 : 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n > 0 ? 0 : -EAGAIN;
}

/* All bytes of fd. 0 or -errno; -EAGAIN: not all are there yet; -EFBIG above FILE_BYTES. */
static int read_all(int fd, bool waits, struct buffer *content)
{
	while (content->len <= FILE_BYTES) {
		const int error = await_bytes(fd, waits);
		if (error)
			return error;
		char *room = buffer_reserve(content, READ_BYTES);
		if (!room)
			return -ENOMEM;
		const ssize_t n = read(fd, room, READ_BYTES);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0)
			content->len += (size_t)n;
	}
	return -EFBIG;
}

/* Whether it has an end, and reading comes there. 0 or -errno; -ENODEV: a terminal, a device. */
static int check_type(int fd)
{
	struct stat s;

	if (fstat(fd, &s) != 0)
		return -errno;
	if (S_ISDIR(s.st_mode))
		return -EISDIR;
	return S_ISREG(s.st_mode) || S_ISFIFO(s.st_mode) ? 0 : -ENODEV;
}

/* Opening a named pipe would wait for a writer, and a master that reloads has a fleet to look after. */
static int read_path(const char *path, bool waits, struct buffer *content)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int result = check_type(fd);
	if (result == 0)
		result = read_all(fd, waits, content);
	close(fd);
	return result;
}

/* The parser's own words may quote the file: keep them on one line, and what a terminal might obey out of it. */
static void put_one_line(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		const unsigned char byte = (unsigned char)*text;
		if (byte > 0x7e)
			buffer_printf(out, "\\x%02x", byte);
		else
			buffer_putc(out, byte < 0x20 ? ' ' : *text);
	}
}

static bool starts_with(const struct buffer *content, const char *bytes)
{
	const size_t n = strlen(bytes);

	return content->len >= n && memcmp(content->data, bytes, n) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	const size_t len = strlen(text);
	const size_t n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* What somebody may not know who made that mistake; the parser names the first byte that it could
 * not make sense of. */
static const char *hint(const struct buffer *content, const json_error_t *error)
{
	/* UTF-8, then UTF-16 in both orders. */
	if (starts_with(content, "\xef\xbb\xbf") || starts_with(content, "\xff\xfe") ||
		starts_with(content, "\xfe\xff"))
		return "; the file begins with a byte-order mark: save it as UTF-8 without one";
	if (ends_with(error->text, " near '/'") || ends_with(error->text, " near '#'"))
		return "; JSON has no comments";
	return "";
}

static bool is_blank(const struct buffer *content)
{
	for (size_t i = 0; i < content->len; i++)
		if (!memchr(" \t\r\n", content->data[i], 4))
			return false;
	return true;
}

static json_t *parse(struct config_draft *d, const struct buffer *content)
{
	if (is_blank(content)) {
		buffer_printf(d->errors,
			"%s: is empty; allowed: an object of sections, {} at least\n", d->file);
		return NULL;
	}
	json_error_t error;
	json_t *json = json_loadb(content->data, content->len, JSON_REJECT_DUPLICATES, &error);

	if (!json && error.line < 0) {
		/* It did not come to the text: the only way there is that memory ran out. */
		buffer_printf(d->errors, "%s: cannot be parsed: out of memory\n", d->file);
		d->out_of_memory = true;
	} else if (!json) {
		buffer_printf(d->errors, "%s:%d:%d: ", d->file, error.line, error.column);
		put_one_line(d->errors, error.text);
		buffer_printf(d->errors, "%s\n", hint(content, &error));
	} else if (!json_is_object(json)) {
		buffer_printf(d->errors, "%s: is %s; allowed: an object of sections\n", d->file,
			json_type_name(json));
		json_decref(json);
		json = NULL;
	}
	return json;
}

static void merge_section(struct config_draft *d, const char *section, json_t *object)
{
	const size_t section_len = strlen(section);
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		const struct config_option *o = config_option_find(section, section_len, key);
		if (o) {
			draft_settle(d, o, ORIGIN_FILE,
				config_value_from_json(o, &d->values, value), NULL, value);
			continue;
		}
		char name[CONFIG_NAME_BYTES];
		buffer_printf(d->errors, "%s: %s: there is no option ", d->file, section);
		config_put_quoted(d->errors, key, strlen(key));
		o = config_option_nearest(section, key);
		if (o)
			buffer_printf(d->errors, "; did you mean %s?", config_option_name(o, name));
		buffer_putc(d->errors, '\n');
	}
}

static bool is_section(const char *name)
{
	for (int i = 0; i < CONFIG_IDS; i++)
		if (strcmp(config_options[i].section, name) == 0)
			return true;
	return false;
}

static void complain_of_section(struct config_draft *d, const char *name)
{
	const struct config_option *o = config_option_find_name(name, strlen(name));
	const char *near = config_section_nearest(name);

	buffer_printf(d->errors, "%s: there is no section ", d->file);
	config_put_quoted(d->errors, name, strlen(name));
	if (o)
		buffer_printf(d->errors, "; write {\"%s\": {\"%s\": ...}}", o->section, o->key);
	else if (near)
		buffer_printf(d->errors, "; did you mean %s?", near);
	buffer_putc(d->errors, '\n');
}

static void merge(struct config_draft *d, json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		const bool is_schema = strcmp(name, "$schema") == 0;
		if (is_schema && json_is_string(value))
			continue;
		if (is_schema)
			buffer_printf(d->errors, "%s: $schema: is %s; allowed: a string\n", d->file,
				json_type_name(value));
		else if (!is_section(name))
			complain_of_section(d, name);
		else if (!json_is_object(value))
			buffer_printf(d->errors, "%s: %s: is %s; allowed: an object of options\n",
				d->file, name, json_type_name(value));
		else
			merge_section(d, name, value);
	}
}

void draft_read_file(struct config_draft *d)
{
	struct buffer content;
	json_t *root = NULL;

	buffer_init(&content);
	const int result = read_path(d->file, d->waits, &content);
	if (result == 0)
		root = parse(d, &content);
	else if (result == -EFBIG)
		buffer_printf(d->errors, "%s: is longer than %u bytes\n", d->file, FILE_BYTES);
	else if (result == -EAGAIN)
		buffer_printf(d->errors,
			"%s: is a pipe that has not been written to its end; allowed while a fleet "
			"runs: a file, or what is there at once\n",
			d->file);
	else if (result == -ENODEV)
		buffer_printf(d->errors, "%s: is a device; allowed: a file or a pipe\n", d->file);
	else
		buffer_printf(d->errors, "%s: cannot be read: %s\n", d->file, strerror(-result));
	if (root)
		merge(d, root);
	d->file_wrong = !root;
	json_decref(root);
	buffer_done(&content);
}
