#include "server/qr/data.h"

#include "server/qr/tables.h"
#include "tests/unit/qr_helpers.h"

#define MAX_BITS (2956 * 8)

/* Clause 7.4, a bit at a time: '0' and '1' one after the other, as the standard's examples have
 * them. */
static char slow[MAX_BITS + 32];
static size_t slow_len;

static void slow_put(size_t value, unsigned n)
{
	while (n-- > 0) {
		assert_true(slow_len < sizeof(slow));
		slow[slow_len++] = value >> n & 1 ? '1' : '0';
	}
}

static size_t alnum_value(uint8_t c)
{
	static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
	const char *at = strchr(set, c);

	assert_true(c != 0 && at);
	return (size_t)(at - set);
}

static void slow_characters(enum segment_mode mode, const uint8_t *text, size_t n)
{
	static const unsigned digit_bits[] = {0, 4, 7, 10}, alnum_bits[] = {0, 6, 11};
	const unsigned most = mode == SEGMENT_NUMERIC ? 3 : mode == SEGMENT_ALNUM ? 2 : 1;

	for (size_t i = 0; i < n; i += most) {
		size_t here = n - i < most ? n - i : most, value = 0;

		for (size_t k = i; k < i + here; k++)
			value = mode == SEGMENT_NUMERIC ? value * 10 + text[k] - '0'
				: mode == SEGMENT_ALNUM ? value * 45 + alnum_value(text[k])
							: text[k];
		slow_put(value, mode == SEGMENT_NUMERIC ? digit_bits[here]
				: mode == SEGMENT_ALNUM ? alnum_bits[here]
							: 8);
	}
}

static void slow_padding(size_t bits)
{
	assert_true(slow_len <= bits);
	slow_put(0, bits - slow_len < 4 ? (unsigned)(bits - slow_len) : 4);
	while (slow_len % 8)
		slow_put(0, 1);
	for (unsigned i = 0; slow_len < bits; i++)
		slow_put(i % 2 ? 0x11 : 0xec, 8);
}

static void slow_write(const struct qr_fit *fit)
{
	static const unsigned count_bits[3][3] = {{10, 12, 14}, {9, 11, 13}, {8, 16, 16}};
	const unsigned group = fit->version > 26 ? 2 : fit->version > 9 ? 1 : 0;
	size_t end;

	slow_len = 0;
	if (fit->with_eci)
		slow_put(0x71a, 12);
	for (size_t start = 0; start < fit->len; start = end) {
		enum segment_mode mode = segment_at(&fit->split, start, fit->len, &end);

		slow_put((size_t)1 << mode, 4);
		slow_put(end - start, count_bits[mode][group]);
		slow_characters(mode, fit->text + start, end - start);
	}
	/* The number of bits that was promised. */
	assert_int_equal(slow_len, fit->needed_bits);
	slow_padding((size_t)qr_versions[fit->version].level[fit->options.level].data * 8);
}

static void check(const uint8_t *text, size_t len, enum qr_level level, bool eci)
{
	struct qr_options options = {.level = level, .eci = eci};
	struct qr_fit fit;
	/* Of the exact size, so that sanitizers see each byte beyond it. */
	uint8_t *copy = malloc(len), *data;
	size_t n;

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(qr_fit(&fit, copy, len, &options), 0);
	n = qr_versions[fit.version].level[level].data;
	data = malloc(n);
	assert_non_null(data);
	memset(data, 0xa5, n);
	qr_data_write(data, &fit);
	slow_write(&fit);
	assert_int_equal(slow_len, n * 8);
	for (size_t i = 0; i < n * 8; i++)
		assert_int_equal(data[i / 8] >> (7 - i % 8) & 1, slow[i] - '0');
	free(copy);
	free(data);
}

/* ISO/IEC 18004:2006, annex I. */
static void test_known_data(void **state)
{
	static const uint8_t expected[16] = {0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec,
		0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11};
	uint8_t data[16];
	struct qr_fit fit;

	(void)state;
	assert_int_equal(qr_fit(&fit, "01234567", 8, &(struct qr_options){.level = QR_LEVEL_M}), 0);
	assert_int_equal(fit.version, 1);
	qr_data_write(data, &fit);
	assert_memory_equal(data, expected, sizeof(expected));
}

static void test_random_texts(void **state)
{
	static uint8_t text[1273];
	uint64_t seed = 41;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t len = 1 + random_below(&seed, i % 16 ? 120 : sizeof(text));

		random_text(&seed, text, len);
		check(text, len, (enum qr_level)(i % 4), i % 8 < 4);
	}
}

/* Each mode alone, at every length that leaves room for a terminator or does not. */
static void test_every_length(void **state)
{
	static const size_t most[] = {7089, 4296, 2953};
	static const char *const sets[] = {"0123456789", "A-Z:$ 0", "az[\x80\xff{|}"};
	static uint8_t text[7089];

	(void)state;
	for (unsigned mode = 0; mode < 3; mode++) {
		const char *set = sets[mode];
		uint64_t seed = 42;

		for (size_t i = 0; i < most[mode]; i++)
			text[i] = (uint8_t)set[random_below(&seed, strlen(set))];
		for (size_t len = 1; len <= most[mode]; len += len < 600 ? 1 : 37)
			check(text, len, QR_LEVEL_L, len % 2 && len < 2900);
		check(text, most[mode], QR_LEVEL_L, false);
	}
}

/* 0 to 11 bits left over: the terminator is cut off where less than its four bits are. */
static void test_terminators(void **state)
{
	bool seen[12] = {false};
	uint8_t text[80];
	uint64_t seed = 43;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		size_t len = 1 + random_below(&seed, sizeof(text));
		struct qr_fit fit;
		size_t left;

		random_text(&seed, text, len);
		assert_int_equal(
			qr_fit(&fit, text, len, &(struct qr_options){.level = QR_LEVEL_Q}), 0);
		left = (size_t)qr_versions[fit.version].level[QR_LEVEL_Q].data * 8 -
		       fit.needed_bits;
		if (left >= 12)
			continue;
		seen[left] = true;
		check(text, len, QR_LEVEL_Q, false);
	}
	for (unsigned left = 0; left < 12; left++)
		assert_true(seen[left]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_data),
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_terminators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
