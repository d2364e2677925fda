#include "server/qr/picture.h"

#include "tests/unit/qr_helpers.h"

#include <errno.h>

/* Reads one character: bit 0 is set when the upper half is drawn, bit 1 for the lower half. */
static unsigned read_block(const char **at, const char *end)
{
	static const char *const blocks[] = {" ", "\xe2\x96\x80", "\xe2\x96\x84", "\xe2\x96\x88"};

	for (unsigned i = 0; i < 4; i++) {
		size_t n = strlen(blocks[i]);

		if ((size_t)(end - *at) >= n && memcmp(*at, blocks[i], n) == 0) {
			*at += n;
			return i;
		}
	}
	fail_msg("neither a blank nor a half block");
	return 0;
}

static bool expected_light(const struct qr_symbol *s, unsigned margin, unsigned x, unsigned y)
{
	unsigned end = margin + s->width;

	if (y >= end + margin)
		return false;
	return x < margin || y < margin || x >= end || y >= end ||
	       !qr_symbol_dark(s, x - margin, y - margin);
}

static void check(const struct qr_symbol *s, unsigned margin)
{
	struct qr_picture p = {.margin = margin, .scale = 4};
	unsigned width = s->width + 2 * margin;
	struct buffer out;
	const char *at, *end;

	buffer_init(&out);
	assert_int_equal(qr_text_write(s, &p, &out), 0);
	at = out.data;
	end = out.data + out.len;
	for (unsigned y = 0; y < width; y += 2) {
		for (unsigned x = 0; x < width; x++) {
			unsigned block = read_block(&at, end);

			assert_int_equal(block & 1, expected_light(s, margin, x, y));
			assert_int_equal(block >> 1, expected_light(s, margin, x, y + 1));
		}
		assert_true(at < end);
		assert_int_equal(*at++, '\n');
	}
	assert_ptr_equal(at, end);
	buffer_done(&out);
}

static void test_every_module(void **state)
{
	struct qr_symbol s;
	uint64_t seed = 11;

	(void)state;
	for (unsigned version = 1; version <= 40; version += 13) {
		random_symbol(&seed, &s, version);
		for (unsigned margin = 0; margin <= 5; margin++)
			check(&s, margin);
		check(&s, QR_MAX_MARGIN);
	}
}

static void test_failed_buffer(void **state)
{
	struct qr_picture p = {.margin = 1};
	struct qr_symbol s;
	struct buffer out;
	uint64_t seed = 12;

	(void)state;
	random_symbol(&seed, &s, 1);
	buffer_init(&out);
	buffer_puts(&out, "before");
	out.failed = true;
	assert_int_equal(qr_text_write(&s, &p, &out), -ENOMEM);
	assert_int_equal(out.len, 6);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_module),
		cmocka_unit_test(test_failed_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
