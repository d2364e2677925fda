#include "bench/model/lines.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define QUOTE_MOST 40

static int fail(const char *path, const char *what, struct buffer *error)
{
	const int code = errno;

	buffer_printf(error, "%s: cannot %s: %s", path, what, strerror(code));
	return -code;
}

int lines_open(struct lines *l, const char *path, struct buffer *error)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return fail(path, "open", error);
	l->file = file;
	l->path = path;
	l->number = 0;
	l->len = 0;
	return 0;
}

void lines_done(struct lines *l)
{
	(void)fclose(l->file);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void set_text(struct lines *l, const char *text, size_t len)
{
	const char *comment = memchr(text, '#', len);

	if (comment)
		len = (size_t)(comment - text);
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	while (len > 0 && is_blank(text[0])) {
		text++;
		len--;
	}
	l->text = text;
	l->len = len;
}

/* Fills memory up to the newline. 1; 0: the file has ended; -EINVAL: no text, or too much. */
static int read_line(struct lines *l, size_t *ret_len)
{
	size_t len = 0;
	int c;

	while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
		if (c == '\0' || len == LINES_MOST)
			return -EINVAL;
		l->memory[len++] = (char)c;
	}
	*ret_len = len;
	return c != EOF || len > 0;
}

int lines_next(struct lines *l, struct buffer *error)
{
	do {
		size_t len = 0;

		l->number++;
		const int result = read_line(l, &len);
		if (result < 0)
			return lines_wrong(
				l, error, NULL, 0, "not a line of text of at most 1,000 bytes");
		if (ferror(l->file))
			return fail(l->path, "read", error);
		if (result == 0)
			return 0;
		set_text(l, l->memory, len);
	} while (l->len == 0);
	return 1;
}

size_t lines_word(struct lines *l, const char **ret_word)
{
	size_t len = 0;

	while (len < l->len && !is_blank(l->text[len]))
		len++;
	*ret_word = l->text;
	set_text(l, l->text + len, l->len - len);
	return len;
}

int lines_wrong(const struct lines *l, struct buffer *error, const char *word, size_t len,
	const char *message)
{
	buffer_printf(error, "%s:%zu: ", l->path, l->number);
	if (word) {
		lines_quote(error, word, len);
		buffer_puts(error, ": ");
	}
	buffer_puts(error, message);
	return -EINVAL;
}

void lines_quote(struct buffer *error, const char *text, size_t len)
{
	buffer_putc(error, '"');
	for (size_t i = 0; i < len && i < QUOTE_MOST; i++)
		buffer_putc(error, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	buffer_puts(error, len > QUOTE_MOST ? "...\"" : "\"");
}
