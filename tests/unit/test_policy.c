/* Names of dispatch policies, read and written. */
#include "bench/model/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_names_are_read_and_written(void **state)
{
	static const struct {
		const char *text;
		struct policy policy;
		const char *written;
	} samples[] = {
		{"roundrobin", {POLICY_RR, 0}, "roundrobin"},
		{"random", {POLICY_RANDOM_OF, 1}, "random"},
		{"random(1)", {POLICY_RANDOM_OF, 1}, "random"},
		{"random(2)", {POLICY_RANDOM_OF, 2}, "random(2)"},
		{"random(64)", {POLICY_RANDOM_OF, 64}, "random(64)"},
		{"leastconn", {POLICY_LEAST, 0}, "leastconn"},
		{"central", {POLICY_CENTRAL_OF, 1}, "central"},
		{"central(1)", {POLICY_CENTRAL_OF, 1}, "central"},
		{"central(3)", {POLICY_CENTRAL_OF, 3}, "central(3)"},
		{"shared", {POLICY_SHARED, 0}, "shared"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct policy p, again;
		struct buffer error;
		char text[POLICY_TEXT_BYTES];

		buffer_init(&error);
		assert_int_equal(policy_parse(&p, samples[i].text, &error), 0);
		assert_true(policy_equal(&p, &samples[i].policy));
		assert_ptr_equal(policy_format(&p, text, sizeof(text)), text);
		assert_string_equal(text, samples[i].written);
		assert_int_equal(policy_parse(&again, text, &error), 0);
		assert_true(policy_equal(&p, &again));
		assert_int_equal(error.len, 0);
		buffer_done(&error);
	}
}

static void test_others_are_refused_with_what_is_allowed(void **state)
{
	static const struct {
		const char *text, *message;
	} samples[] = {
		{"", "\"\" is not a policy; use " POLICY_NAMES},
		{"static", "\"static\" is not a policy; use " POLICY_NAMES},
		{"Random", "\"Random\" is not a policy; use " POLICY_NAMES},
		{"randomly", "\"randomly\" is not a policy; use " POLICY_NAMES},
		{"roundrobin(2)", "\"roundrobin(2)\" is not a policy; use " POLICY_NAMES},
		{"shared(1)", "\"shared(1)\" is not a policy; use " POLICY_NAMES},
		{"random(0)",
			"\"random(0)\": the number in random(...) must be a whole one, 1 to 64"},
		{"random(65)",
			"\"random(65)\": the number in random(...) must be a whole one, 1 to 64"},
		{"random()",
			"\"random()\": the number in random(...) must be a whole one, 1 to 64"},
		{"random(2",
			"\"random(2\": the number in random(...) must be a whole one, 1 to 64"},
		{"random(", "\"random(\": the number in random(...) must be a whole one, 1 to 64"},
		{"central(2)x",
			"\"central(2)x\": the number in central(...) must be a whole one, 1 to 64"},
		{"central(1.5)", "\"central(1.5)\": the number in central(...) must be a whole "
				 "one, 1 to 64"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct policy p = {POLICY_SHARED, 77};
		struct buffer error;

		buffer_init(&error);
		assert_int_equal(policy_parse(&p, samples[i].text, &error), -EINVAL);
		assert_string_equal(buffer_cstring(&error), samples[i].message);
		assert_int_equal(p.parameter, 77);
		buffer_done(&error);
	}
}

static void test_equal_means_kind_and_number(void **state)
{
	const struct policy a = {POLICY_RANDOM_OF, 2}, b = {POLICY_RANDOM_OF, 3},
			    c = {POLICY_CENTRAL_OF, 2};

	(void)state;
	assert_true(policy_equal(&a, &a));
	assert_false(policy_equal(&a, &b));
	assert_false(policy_equal(&a, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_read_and_written),
		cmocka_unit_test(test_others_are_refused_with_what_is_allowed),
		cmocka_unit_test(test_equal_means_kind_and_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
