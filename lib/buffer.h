/*
 * A byte string that grows. The owner is whoever called buffer_init().
 *
 * Appending never reports failure by itself: when memory runs out the buffer keeps what it has,
 * sets `failed` and ignores all further appends, so a writer checks once, at the end.
 */
#ifndef QUERN_LIB_BUFFER_H
#define QUERN_LIB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
	char *data; /* NULL while nothing was appended; not NUL-terminated */
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	bool failed;
};

void buffer_init(struct buffer *b);

/* Frees the bytes and leaves an empty buffer that can be used again. */
void buffer_done(struct buffer *b);

/* Forgets the content and the failure, keeps the memory. */
void buffer_reset(struct buffer *b);

/* Forgets the first n bytes (n <= len); the rest moves to the front. */
void buffer_consume(struct buffer *b, size_t n);

/*
 * Makes room for n more bytes and returns where they go, or NULL (and sets failed). The caller
 * writes up to n bytes there and then adds what it wrote to len.
 */
char *buffer_reserve(struct buffer *b, size_t n);

/* The same as buffer_append(), with room or without. */
void buffer_append_anyhow(struct buffer *b, const void *data, size_t n);

/* Inline, so that a text whose length the compiler knows is a move or two where there is room for it. */
static inline void buffer_append(struct buffer *b, const void *data, size_t n)
{
	if (!b->data || b->failed || b->cap - b->len <= n) {
		buffer_append_anyhow(b, data, n);
		return;
	}
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
}
static inline void buffer_puts(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}
static inline void buffer_putc(struct buffer *b, char c)
{
	buffer_append(b, &c, 1);
}
void buffer_put_u64(struct buffer *b, unsigned long long value);
/* Microseconds as milliseconds with three decimals. */
void buffer_put_ms(struct buffer *b, unsigned long long us);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The content as a C string that the buffer still owns, or NULL if the buffer failed. */
const char *buffer_cstring(struct buffer *b);

#endif
