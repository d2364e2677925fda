/* When a worker that is well is replaced all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/recycle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void test_jitter_stays_in_a_tenth(void **state)
{
	static const uint64_t most[] = {1, 9, 10, 1000, 1000000000000};

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		for (uint32_t slot = 0; slot < 8; slot++) {
			const uint64_t n = recycle_requests(most[i], slot, 3);

			assert_in_range(n, most[i] - most[i] / 10, most[i] + most[i] / 10);
			assert_true(n > 0);
			assert_true(n == recycle_requests(most[i], slot, 3));
		}
	}
	assert_int_equal(recycle_requests(0, 1, 1), 0);
}

/* Workers of one age, and those that follow each other in a slot, leave at different times. */
static void test_jitter_spreads(void **state)
{
	uint64_t n[64];
	int equal = 0;

	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		n[i] = recycle_requests(100000, i % 8, 1 + i / 8);
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < i; j++)
			equal += n[i] == n[j];
	assert_true(equal <= 3); /* 0.1 are expected of 2016 pairs among 20,001 values */
	uint64_t low = n[0], high = n[0];
	for (int i = 1; i < 64; i++) {
		low = n[i] < low ? n[i] : low;
		high = n[i] > high ? n[i] : high;
	}
	assert_true(low < 95000 && high > 105000);
}

static void test_check(void **state)
{
	(void)state;
	assert_int_equal(recycle_check(1000, 0, 1000, 0), RECYCLE_NO);
	assert_int_equal(recycle_check(999, 1000, 1000, 1000), RECYCLE_NO);
	assert_int_equal(recycle_check(1000, 1000, 0, 0), RECYCLE_REQUESTS);
	assert_int_equal(recycle_check(5, 1000, 1001, 1000), RECYCLE_MEMORY);
	assert_int_equal(recycle_check(0, 0, 1001, 1000), RECYCLE_MEMORY);
	/* Memory that could not be read is no reason. */
	assert_int_equal(recycle_check(0, 0, 0, 1000), RECYCLE_NO);
}

static void test_resident_memory(void **state)
{
	const uint64_t before = recycle_rss_bytes(getpid());
	const size_t size = 64 * MIB;

	(void)state;
	assert_true(before > 100000 && before < (uint64_t)1 << 40);
	char *memory = malloc(size);
	assert_non_null(memory);
	/* Not resident before it is touched. */
	memset(memory, 1, size);
	__asm__ volatile("" : : "r"(memory) : "memory");
	assert_in_range(recycle_rss_bytes(getpid()), before + size - MIB, before + size + 16 * MIB);
	free(memory);
}

static void test_nobody(void **state)
{
	(void)state;
	assert_int_equal(recycle_rss_bytes(0), 0);
	assert_int_equal(recycle_rss_bytes(-1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jitter_stays_in_a_tenth),
		cmocka_unit_test(test_jitter_spreads),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_resident_memory),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
