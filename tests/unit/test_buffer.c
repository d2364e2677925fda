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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_growth_keeps_content),
		cmocka_unit_test(test_failure_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
