/* server/http/form.c and server/http/refusal.c. */
#include "server/http/form.h"
#include "server/http/refusal.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define N(table) (sizeof(table) / sizeof(*(table)))

struct pair {
	int result;
	const char *name, *value;
	size_t value_len; /* 0: as strlen() says */
};

static const struct row {
	const char *text;
	struct pair pairs[4]; /* then 0 */
} rows[] = {
	{"", {{0}}},
	{"&", {{0}}},
	{"&&&", {{0}}},
	{"a=b", {{1, "a", "b", 0}}},
	{"a", {{1, "a", "", 0}}},
	{"a=", {{1, "a", "", 0}}},
	{"=", {{1, "", "", 0}}},
	{"=b", {{1, "", "b", 0}}},
	{"a=b=c", {{1, "a", "b=c", 0}}},
	{"a=1&&b=2&", {{1, "a", "1", 0}, {1, "b", "2", 0}}},
	{"a=b;c=d", {{1, "a", "b;c=d", 0}}},
	{"a+b=+c+", {{1, "a b", " c ", 0}}},
	{"%61%3D=%26%2b%2B", {{1, "a=", "&++", 0}}},
	{"t=%00x%00", {{1, "t", "\0x", 3}}},
	{"t=%ff%C3%a4", {{1, "t", "\xff\xc3\xa4", 0}}},
	{"t=\xff", {{1, "t", "\xff", 0}}},
	{"t=%25%32%30", {{1, "t", "%20", 0}}},
	{"t=%", {{-EINVAL, "t", NULL, 0}}},
	{"t=%4", {{-EINVAL, "t", NULL, 0}}},
	{"t=%4g", {{-EINVAL, "t", NULL, 0}}},
	{"t=%g4", {{-EINVAL, "t", NULL, 0}}},
	{"t=%%41", {{-EINVAL, "t", NULL, 0}}},
	{"t=%+1", {{-EINVAL, "t", NULL, 0}}},
	{"t=%4&u=1", {{-EINVAL, "t", NULL, 0}, {1, "u", "1", 0}}},
	{"%74=%", {{-EINVAL, "t", NULL, 0}}},
	{"t%=1&u=2", {{-EINVAL, "", NULL, 0}, {1, "u", "2", 0}}},
	{"t%4=%", {{-EINVAL, "", NULL, 0}}},
};

static void check_row(const struct row *row, const char *data)
{
	size_t len = strlen(row->text);
	struct form_text name, value;

	for (size_t i = 0; i < N(row->pairs); i++) {
		const struct pair *pair = &row->pairs[i];
		/* Just as large as promised to be enough; AddressSanitizer sees if it is not. */
		char *store = malloc(len ? len : 1);
		size_t value_len;

		assert_non_null(store);
		assert_int_equal(form_next(&data, &len, store, &name, &value), pair->result);
		if (pair->result) {
			assert_int_equal(name.len, strlen(pair->name));
			assert_memory_equal(name.at, pair->name, name.len);
		}
		if (pair->result > 0) {
			value_len = pair->value_len ? pair->value_len : strlen(pair->value);
			assert_int_equal(value.len, value_len);
			assert_memory_equal(value.at, pair->value, value_len);
		}
		free(store);
	}
	assert_int_equal(len, 0);
}

static void pairs(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	for (size_t i = 0; i < N(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *at = map + page - len;

		memcpy(at, rows[i].text, len);
		check_row(&rows[i], at);
	}
	assert_int_equal(munmap(map, 2 * page), 0);
}

/* "%XY" for every two bytes X and Y: a byte where both are hexadecimal digits, else broken. */
static void all_escapes(void **state)
{
	struct form_text name, value;

	(void)state;
	for (int pair = 0; pair < 65536; pair++) {
		const char text[5] = {'x', '=', '%', (char)(pair >> 8), (char)(pair & 255)};
		const char number[3] = {text[3], text[4], '\0'}, *data = text;
		bool good = isxdigit((unsigned char)text[3]) && isxdigit((unsigned char)text[4]);
		size_t len = sizeof(text);
		char store[sizeof(text)];

		assert_int_equal(form_next(&data, &len, store, &name, &value), good ? 1 : -EINVAL);
		if (!good)
			continue;
		assert_int_equal(value.len, 1);
		assert_int_equal((unsigned char)value.at[0], strtoul(number, NULL, 16));
	}
}

static void refuse_fills(void **state)
{
	struct http_refusal r;

	(void)state;
	assert_false(http_refuse(&r, 413, "body_too_large", "x", "%d of %s", 7, "y"));
	assert_int_equal(r.status, 413);
	assert_string_equal(r.code, "body_too_large");
	assert_string_equal(r.parameter, "x");
	assert_string_equal(r.message, "7 of y");
	assert_false(http_refuse(&r, 400, "bad_request", NULL, "z"));
	assert_null(r.parameter);
	assert_string_equal(r.message, "z");
}

/* A long message is cut between characters, wherever they fall. */
static void refuse_cuts_whole_characters(void **state)
{
	static const char *const characters[] = {
		"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	struct http_refusal r;
	char text[600];

	(void)state;
	for (size_t width = 1; width <= 4; width++) {
		for (size_t before = 0; before < 4; before++) {
			size_t room = sizeof(r.message) - 1 - before;

			memset(text, 'x', before);
			for (size_t at = before; at + 4 < sizeof(text); at += width)
				memcpy(text + at, characters[width - 1], width + 1);
			http_refuse(&r, 400, "c", NULL, "%s", text);
			assert_int_equal(strlen(r.message), before + room / width * width);
			assert_memory_equal(r.message, text, strlen(r.message));
		}
	}
}

static void refuse_replaces_what_is_no_utf8(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a\xff", "a?"},
		{"\x80", "?"},
		{"\xc3", "?"},
		{"\xc3(", "?("},
		{"\xc0\x80", "??"},
		{"\xc1\xbf", "??"},
		{"\xe0\x9f\xbf", "???"},
		{"\xe0\xa0\x80", "\xe0\xa0\x80"},
		{"\xed\x9f\xbf", "\xed\x9f\xbf"},
		{"\xed\xa0\x80", "???"},
		{"\xef\xbf\xbf", "\xef\xbf\xbf"},
		{"\xf0\x8f\xbf\xbf", "????"},
		{"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xf4\x90\x80\x80", "????"},
		{"\xf5\x80\x80\x80", "????"},
		{"\xe2\x82", "??"},
	};
	struct http_refusal r;

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		http_refuse(&r, 400, "c", NULL, "%s", cases[i].text);
		assert_string_equal(r.message, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),
		cmocka_unit_test(all_escapes),
		cmocka_unit_test(refuse_fills),
		cmocka_unit_test(refuse_cuts_whole_characters),
		cmocka_unit_test(refuse_replaces_what_is_no_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
