#include "server/qr/base64.h"

#include "tests/unit/qr_helpers.h"

static void assert_encoded(const void *data, size_t len, const char *expected)
{
	struct buffer out;

	buffer_init(&out);
	buffer_puts(&out, "=");
	base64_append(&out, data, len);
	assert_false(out.failed);
	assert_int_equal(out.len, strlen(expected) + 1);
	assert_int_equal(out.data[0], '=');
	assert_memory_equal(out.data + 1, expected, strlen(expected));
	buffer_done(&out);
}

static void test_rfc4648(void **state)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_encoded(vectors[i][0], strlen(vectors[i][0]), vectors[i][1]);
}

static void test_high_bytes(void **state)
{
	(void)state;
	assert_encoded("\xfb\xff\xfe\xff", 4, "+//+/w==");
	assert_encoded("\0\0", 2, "AAA=");
}

static unsigned decode_char(char c)
{
	static const char order[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = memchr(order, c, sizeof(order) - 1);

	assert_non_null(found);
	return (unsigned)(found - order);
}

/* Every length up to 300, read back bit by bit. */
static void test_round_trip(void **state)
{
	uint64_t seed = 1;
	uint8_t data[300];
	struct buffer out;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)random_next(&seed);
	buffer_init(&out);
	for (size_t len = 1; len <= sizeof(data); len++) {
		buffer_reset(&out);
		base64_append(&out, data, len);
		assert_int_equal(out.len, (len + 2) / 3 * 4);
		for (size_t bit = 0; bit < len * 8; bit++)
			assert_int_equal(decode_char(out.data[bit / 6]) >> (5 - bit % 6) & 1,
				data[bit / 8] >> (7 - bit % 8) & 1);
		for (size_t i = (len * 8 + 5) / 6; i < out.len; i++)
			assert_int_equal(out.data[i], '=');
	}
	buffer_done(&out);
}

static void test_failed_buffer(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out);
	out.failed = true;
	base64_append(&out, "foo", 3);
	assert_true(out.failed);
	assert_int_equal(out.len, 0);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc4648),
		cmocka_unit_test(test_high_bytes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_failed_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
