/* A buffer grows, forgets, and keeps its failure until it is reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/buffer.h"

#include <string.h>

static void test_append(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b);
	buffer_append(&b, NULL, 0);
	assert_null(b.data);
	buffer_puts(&b, "abc");
	buffer_putc(&b, '\0');
	buffer_put_u64(&b, 0);
	buffer_put_u64(&b, UINT64_MAX);
	buffer_printf(&b, "-%d-%s", 7, "x");
	assert_int_equal(b.len, 4 + 1 + 20 + 4);
	assert_memory_equal(b.data,
		"abc\0"
		"018446744073709551615-7-x",
		b.len);
	assert_false(b.failed);
	buffer_done(&b);
	assert_null(b.data);
}

static void test_growth_keeps_content(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b);
	for (unsigned i = 0; i < 100000; i++)
		buffer_putc(&b, (char)(i % 251));
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal((unsigned char)b.data[i], i % 251);
	buffer_consume(&b, 99999);
	assert_int_equal(b.len, 1);
	assert_int_equal((unsigned char)b.data[0], 99999 % 251);
	buffer_consume(&b, 1);
	assert_int_equal(b.len, 0);
	buffer_done(&b);
}

static void test_failure_sticks(void **state)
{
	struct buffer b;

	(void)state;
	buffer_init(&b);
	buffer_puts(&b, "kept");
	assert_null(buffer_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buffer_puts(&b, "ignored");
	assert_int_equal(b.len, 4);
	assert_null(buffer_cstring(&b));
	buffer_reset(&b);
	assert_false(b.failed);
	buffer_puts(&b, "again");
	assert_string_equal(buffer_cstring(&b), "again");
	assert_int_equal(b.len, 5);
	buffer_done(&b);
}

/* Appends that leave room, fill it to the last byte, and go one beyond it. */
static void test_append_at_the_brim(void **state)
{
	static const char bytes[256];

	(void)state;
	for (size_t left = 0; left < 3; left++) {
		for (size_t n = 0; n < 5; n++) {
			struct buffer b;

			buffer_init(&b);
			assert_non_null(buffer_reserve(&b, 1));
			const size_t before = b.cap - left;
			buffer_append(&b, bytes, before);
			assert_int_equal(b.cap, before + left);
			buffer_append(&b, "wxyz", n);
			assert_false(b.failed);
			assert_int_equal(b.len, before + n);
			assert_true(b.cap >= b.len);
			assert_memory_equal(b.data + before, "wxyz", n);
			buffer_done(&b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_growth_keeps_content),
		cmocka_unit_test(test_append_at_the_brim),
		cmocka_unit_test(test_failure_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
