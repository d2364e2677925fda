/*
 * Text files of one thing a line, as arrival and service read them: what follows a # and blanks
 * around the rest are taken off, empty lines are left out.
 */
#ifndef QUERN_BENCH_MODEL_LINES_H
#define QUERN_BENCH_MODEL_LINES_H

#include "lib/buffer.h"

#include <stddef.h>
#include <stdio.h>

#define LINES_MOST 1000 /* bytes in a line */

struct lines {
	FILE *file;
	const char *path; /* borrowed */
	size_t number;	  /* of the current line, from 1 */
	/* What is left of the current line: no NUL at its end. */
	const char *text;
	size_t len;
	char memory[LINES_MOST];
};

/* 0, or -errno with a sentence in error. Free with lines_done(). */
int lines_open(struct lines *l, const char *path, struct buffer *error)
	__attribute__((warn_unused_result));
void lines_done(struct lines *l);

/*
 * 1: the next line is there; 0: the file has ended; -errno with a sentence in error (-EINVAL: no
 * text).
 */
int lines_next(struct lines *l, struct buffer *error) __attribute__((warn_unused_result));

/* Takes the next word off the current line: its length, 0 when there is none. */
size_t lines_word(struct lines *l, const char **ret_word);

/* Appends "FILE:LINE: "WORD": MESSAGE" (without the word where it is NULL). Returns -EINVAL. */
int lines_wrong(const struct lines *l, struct buffer *error, const char *word, size_t len,
	const char *message);

/* Text from outside as a message can show it, in quotes: cut, and without control characters. */
void lines_quote(struct buffer *error, const char *text, size_t len);

#endif
