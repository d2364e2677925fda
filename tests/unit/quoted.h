/* JSON in a C string: single quotes stand for double ones. After <cmocka.h>. */
#ifndef QUERN_TESTS_QUOTED_H
#define QUERN_TESTS_QUOTED_H

#include <stdio.h>

static inline void write_quoted(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (; *text; text++)
		assert_int_not_equal(fputc(*text == '\'' ? '"' : *text, file), EOF);
	assert_int_equal(fclose(file), 0);
}

#endif
