/*
 * Quern's engine against libqrencode on random inputs, of which `make prove-qr` takes a million. QUERN_TEST_SYMBOLS in
 * the environment is their number, QUERN_TEST_SEED the seed.
 */
#include "bench/speed/qr_compare.h"

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#define SYMBOLS 20000
#define SEED 1
#define THREADS 4
#define THREAD_SYMBOLS 200

static struct qr_comparison comparison;

static unsigned long long from_environment(const char *name, unsigned long long otherwise)
{
	const char *value = getenv(name);
	char *end;
	unsigned long long number;

	if (!value || !*value)
		return otherwise;
	number = strtoull(value, &end, 10);
	assert_int_equal(*end, '\0');
	return number;
}

static void test_random_inputs(void **state)
{
	const unsigned long long symbols = from_environment("QUERN_TEST_SYMBOLS", SYMBOLS);
	const unsigned long long seed = from_environment("QUERN_TEST_SEED", SEED);
	unsigned long long seen[QR_VERSIONS + 1][4] = {0}, differences = 0, read_back = 0;

	(void)state;
	for (unsigned long long i = 0; i < symbols; i++) {
		qr_input_make(&comparison.input, seed, i);
		if (!qr_compare(&comparison)) {
			qr_comparison_print(&comparison);
			differences++;
		}
		seen[comparison.fit.version][comparison.fit.options.level]++;
		read_back += comparison.read_back;
		assert_true(differences < 10);
	}
	assert_int_equal(differences, 0);
	for (unsigned version = 1; symbols >= SYMBOLS && version <= QR_VERSIONS; version++)
		for (unsigned level = 0; level < 4; level++)
			assert_true(seen[version][level] > 0);
	assert_true(symbols < SYMBOLS || read_back > 0);
}

/* A comparison that holds, of a small input that libqrencode takes, or of one that it refuses. */
static void compare_one(bool read_back)
{
	bool found = false;

	for (uint64_t number = 1; !found && number < SYMBOLS; number += QR_INPUT_TURN) {
		qr_input_make(&comparison.input, SEED, number);
		found = qr_compare(&comparison) && comparison.read_back == read_back;
	}
	assert_true(found);
}

/* Every module, and every bit beyond the width. */
static void test_comparison_sees_every_bit(void **state)
{
	(void)state;
	compare_one(false);
	assert_true(qr_symbols_agree(&comparison));
	for (unsigned y = 0; y < comparison.own.width; y++) {
		for (unsigned x = 0; x < QR_ROW_WORDS * 64; x++) {
			comparison.own.row[y][x / 64] ^= UINT64_C(1) << x % 64;
			assert_false(qr_symbols_equal(&comparison.own, &comparison.reference));
			assert_false(qr_symbols_agree(&comparison));
			assert_int_equal(comparison.x, x);
			assert_int_equal(comparison.y, y);
			comparison.own.row[y][x / 64] ^= UINT64_C(1) << x % 64;
		}
	}
	comparison.own.width++;
	assert_false(qr_symbols_equal(&comparison.own, &comparison.reference));
	assert_false(qr_symbols_agree(&comparison));
}

/* In what is read back, all that carries data counts; of the rest, what names the mask. */
static void test_reader_sees_every_data_bit(void **state)
{
	struct qr_reader *r = &comparison.reader;
	const struct qr_version *v;
	unsigned data = 0, refused = 0;

	(void)state;
	compare_one(true);
	v = &qr_versions[comparison.own.version];
	for (unsigned y = 0; y < comparison.own.width; y++) {
		for (unsigned x = 0; x < comparison.own.width; x++) {
			data += !r->function[y][x];
			comparison.own.row[y][x / 64] ^= UINT64_C(1) << x % 64;
			refused += !qr_reader_agrees(r, &comparison.own, &comparison.fit);
			comparison.own.row[y][x / 64] ^= UINT64_C(1) << x % 64;
		}
	}
	assert_in_range(data, v->codewords * 8U, v->codewords * 8U + 7);
	assert_int_equal(refused, v->codewords * 8U + 15);
}

/* Where both are possible, reading back and libqrencode agree: on all versions and levels. */
static void test_reader_reads_libqrencode(void **state)
{
	struct qr_comparison *c = &comparison;

	(void)state;
	for (uint64_t i = 0; i < 160; i++) {
		qr_input_make(&c->input, SEED + 1, i * QR_INPUT_TURN);
		assert_int_equal(
			qr_fit(&c->fit, c->input.text, c->input.len, &c->input.options), 0);
		if (qr_libqrencode_may_refuse(&c->fit))
			continue;
		assert_int_equal(qr_libqrencode_make(&c->reference, &c->fit), 0);
		assert_true(qr_reader_agrees(&c->reader, &c->reference, &c->fit));
	}
}

/* What one thread works with. */
struct thread_work {
	struct qr_comparison comparison;
	uint64_t number;
	unsigned same;
};

static void *compare_some(void *own)
{
	struct thread_work *w = own;

	for (unsigned i = 0; i < THREAD_SYMBOLS; i++) {
		qr_input_make(&w->comparison.input, SEED, w->number);
		w->number += THREADS;
		w->same += qr_compare(&w->comparison);
	}
	return NULL;
}

/* Several threads at once, as -fsanitize=thread wants to see them. */
static void test_threads(void **state)
{
	static struct thread_work work[THREADS];
	pthread_t thread[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		work[i].number = 3 + i;
		assert_int_equal(pthread_create(&thread[i], NULL, compare_some, &work[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(work[i].same, THREAD_SYMBOLS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comparison_sees_every_bit),
		cmocka_unit_test(test_reader_sees_every_data_bit),
		cmocka_unit_test(test_reader_reads_libqrencode),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_random_inputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
