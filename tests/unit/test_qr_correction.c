#include "server/qr/correction.h"

#include "server/qr/tables.h"
#include "tests/unit/qr_helpers.h"

#define MAX_BLOCK 153 /* codewords; more than any block of table 9 has */

/* GF(256) of annex A, by the rule alone: bit by bit, modulo x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t multiply(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (unsigned bit = 0; bit < 8; bit++)
		if (b >> bit & 1)
			product ^= (unsigned)a << bit;
	for (unsigned bit = 15; bit >= 8; bit--)
		if (product >> bit & 1)
			product ^= 0x11du << (bit - 8);
	return (uint8_t)product;
}

static uint8_t evaluate(const uint8_t *coefficient, size_t n, uint8_t x)
{
	uint8_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = multiply(value, x) ^ coefficient[i];
	return value;
}

/* Clause 7.6, codeword by codeword: takes the message apart into blocks. */
static void take_apart(
	uint8_t block[][MAX_BLOCK], const uint8_t *message, const struct qr_blocks *b)
{
	size_t shorter = b->data / b->blocks, longer = b->data % b->blocks,
	       n_shorter = b->blocks - longer;

	for (size_t i = 0; i <= shorter; i++)
		for (size_t k = i < shorter ? 0 : n_shorter; k < b->blocks; k++)
			block[k][i] = *message++;
	for (size_t i = 0; i < b->correction; i++)
		for (size_t k = 0; k < b->blocks; k++)
			block[k][shorter + (k >= n_shorter) + i] = *message++;
}

/* Each block is its data, followed by what makes all powers of alpha from 0 on its roots. */
static void check_message(const uint8_t *message, const uint8_t *data, const struct qr_blocks *b)
{
	static uint8_t block[256][MAX_BLOCK];
	size_t shorter = b->data / b->blocks, longer = b->data % b->blocks,
	       n_shorter = b->blocks - longer;

	take_apart(block, message, b);
	for (size_t k = 0; k < b->blocks; k++) {
		size_t len = shorter + (k >= n_shorter);
		uint8_t root = 1;

		assert_memory_equal(block[k], data, len);
		data += len;
		for (unsigned i = 0; i < b->correction; i++) {
			assert_int_equal(evaluate(block[k], len + b->correction, root), 0);
			root = multiply(root, 2);
		}
	}
}

static void check(unsigned version, enum qr_level level, uint64_t *seed, bool sparse)
{
	const struct qr_version *v = &qr_versions[version];
	const struct qr_blocks *b = &v->level[level];
	/* Of the exact sizes, so that sanitizers see each byte beyond them. */
	uint8_t *data = malloc(b->data), *message = malloc(v->codewords + 1u);

	assert_non_null(data);
	assert_non_null(message);
	for (size_t i = 0; i < b->data; i++)
		data[i] = sparse && random_below(seed, 40) ? 0 : (uint8_t)random_next(seed);
	memset(message, 0xa5, v->codewords + 1u);
	qr_correct(message, data, version, level);
	check_message(message, data, b);
	assert_int_equal(message[v->codewords], 0xa5);
	free(data);
	free(message);
}

static void test_all_versions(void **state)
{
	uint64_t seed = 31;

	(void)state;
	for (unsigned version = 1; version <= QR_VERSIONS; version++) {
		for (int level = QR_LEVEL_L; level <= QR_LEVEL_H; level++) {
			check(version, (enum qr_level)level, &seed, false);
			check(version, (enum qr_level)level, &seed, true);
		}
	}
}

/* The example of ISO/IEC 18004:2006, annex I: 01234567 as 1-M. */
static void test_known_message(void **state)
{
	static const uint8_t message[26] = {0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec,
		0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7,
		0x87, 0x2c, 0x55};
	uint8_t made[26];

	(void)state;
	qr_correct(made, message, 1, QR_LEVEL_M);
	assert_memory_equal(made, message, sizeof(message));
}

static void check_single_bits(unsigned version, enum qr_level level)
{
	static uint8_t data[QR_MAX_CODEWORDS], message[QR_MAX_CODEWORDS];
	const struct qr_blocks *b = &qr_versions[version].level[level];

	for (size_t bit = 0; bit < 8 * (size_t)b->data; bit++) {
		data[bit / 8] = (uint8_t)(1 << bit % 8);
		qr_correct(message, data, version, level);
		check_message(message, data, b);
		data[bit / 8] = 0;
	}
}

/* One bit at a time, so that a wrong row of a table cannot hide behind others: all lengths of table
 * 9, each in the first symbol that has it. */
static void test_single_bits(void **state)
{
	bool seen[QR_MAX_CORRECTION + 1] = {false};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < QR_VERSIONS * 4; i++) {
		unsigned version = 1 + i / 4, length = qr_versions[version].level[i % 4].correction;

		if (seen[length])
			continue;
		seen[length] = true;
		n++;
		check_single_bits(version, (enum qr_level)(i % 4));
	}
	assert_int_equal(n, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_message),
		cmocka_unit_test(test_all_versions),
		cmocka_unit_test(test_single_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
