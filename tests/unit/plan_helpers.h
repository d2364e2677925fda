/* What the tests of predictions and plans share. */
#ifndef QUERN_TESTS_UNIT_PLAN_HELPERS_H
#define QUERN_TESTS_UNIT_PLAN_HELPERS_H

#include "bench/model/policy.h"
#include "bench/model/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static inline struct service service_of(const char *spec)
{
	struct service s;
	struct buffer error;

	buffer_init(&error);
	if (service_parse(&s, spec, &error) != 0)
		fail_msg("%s", buffer_cstring(&error));
	buffer_done(&error);
	return s;
}

static inline struct policy policy_of(const char *text)
{
	struct policy p;
	struct buffer error;

	buffer_init(&error);
	if (policy_parse(&p, text, &error) != 0)
		fail_msg("%s", buffer_cstring(&error));
	buffer_done(&error);
	return p;
}

#endif
