#include "bench/load/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(table) (sizeof(table) / sizeof(*(table)))

/* From memory of exactly the size, so that the sanitizer sees an over-read. */
static void parse(struct timing *t, const char *value)
{
	const size_t len = strlen(value);
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, value, len);
	timing_parse(t, copy, len);
	free(copy);
}

static void check(const char *value, const struct timing *t, const struct timing *expected)
{
	const double queue = t->queue_us - expected->queue_us;
	const double service = t->service_us - expected->service_us;

	/* A thousandth of the unit that the server writes, 1 us. */
	if (queue > 1e-3 || queue < -1e-3 || service > 1e-3 || service < -1e-3 ||
		t->worker != expected->worker)
		fail_msg("'%s': queue %g, service %g, worker %d", value, t->queue_us, t->service_us,
			(int)t->worker);
}

static void values(void **state)
{
	static const struct {
		const char *value;
		struct timing expected;
	} rows[] = {
		/* What quernd writes. */
		{"queue;dur=0.031, qr;dur=0.354, worker;desc=\"3\"", {31, 354, 3}},
		{"queue;dur=1234.567, lab;dur=0.008", {1234567, 8, -1}},
		/* What others may. */
		{"", {-1, -1, -1}},
		{"cache", {-1, -1, -1}},
		{"db;dur=53.2;desc=\"a, b; dur=7\"", {-1, 53200, -1}},
		{"db;desc=\"a\\\", queue;dur=7\";dur=2", {-1, 2000, -1}},
		{"DB ; DUR = 2 ,\tQueue ; dur = 1", {1000, 2000, -1}},
		{"total;dur=9, queue;dur=1, app;dur=2, db;dur=3", {1000, 2000, -1}},
		{"app;dur=\"2.5\", worker;desc=17", {-1, 2500, 17}},
		{"queue;dur=0, app;dur=0", {0, 0, -1}},
		{"queue;dur=0.5;dur=9", {500, -1, -1}},
		{"worker;dur=5;desc=\"0\"", {-1, -1, 0}},
		/* No figures, or none that can be. */
		{"queue;dur=, app;dur=x", {-1, -1, -1}},
		{"queue;dur=-1, app;dur=1e999", {-1, -1, -1}},
		{"queue;dur=nan, app;dur=inf", {-1, -1, -1}},
		{"app;dur=2000000000000", {-1, -1, -1}},
		{"worker;desc=\"-1\"", {-1, -1, -1}},
		{"worker;desc=\"2147483648\"", {-1, -1, -1}},
		{"worker;desc=\"three\"", {-1, -1, -1}},
		/* Broken entries hide none of the others. */
		{";;=,,= \"x, app;dur=1", {-1, 1000, -1}},
		{"app;dur=1 2, queue;dur=3", {3000, 1000, -1}},
		{"queue;dur=3, app;desc=\"open", {3000, -1, -1}},
		{"queue;dur=3, app;desc=\"open\\", {3000, -1, -1}},
		{"queue;dur", {-1, -1, -1}},
		{"queue;dur=", {-1, -1, -1}},
		{"queue;", {-1, -1, -1}},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct timing t;

		timing_init(&t);
		parse(&t, rows[i].value);
		check(rows[i].value, &t, &rows[i].expected);
	}
}

static void several_fields(void **state)
{
	const struct timing expected = {1000, 2000, 3};
	struct timing t;

	(void)state;
	timing_init(&t);
	parse(&t, "queue;dur=1");
	parse(&t, "app;dur=2");
	parse(&t, "worker;desc=3, queue;dur=8, db;dur=9");
	check("three fields", &t, &expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(several_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
