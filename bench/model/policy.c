#include "bench/model/policy.h"

#include "lib/number.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PARAMETER_MOST 64

struct name {
	const char *text;
	enum policy_kind kind;
	bool has_parameter; /* which is 1 where it is not written */
};

static const struct name names[] = {
	{"roundrobin", POLICY_RR, false},
	{"random", POLICY_RANDOM_OF, true},
	{"leastconn", POLICY_LEAST, false},
	{"central", POLICY_CENTRAL_OF, true},
	{"shared", POLICY_SHARED, false},
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static const struct name *find_name(const char *text, size_t len)
{
	for (size_t i = 0; i < NAMES; i++)
		if (strlen(names[i].text) == len && memcmp(names[i].text, text, len) == 0)
			return &names[i];
	return NULL;
}

/* "(2)", or nothing for 1. */
static int parse_parameter(unsigned *ret, const char *text)
{
	const size_t len = strlen(text);
	int64_t value = 1;

	if (len > 0) {
		if (len < 3 || text[0] != '(' || text[len - 1] != ')')
			return -EINVAL;
		const int result = number_parse_int(&value, text + 1, len - 2, 1, PARAMETER_MOST);
		if (result < 0)
			return result;
	}
	*ret = (unsigned)value;
	return 0;
}

int policy_parse(struct policy *ret, const char *text, struct buffer *error)
{
	const size_t word = strcspn(text, "(");
	const struct name *name = find_name(text, word);
	unsigned parameter = 0;

	if (!name || (!name->has_parameter && text[word] != '\0')) {
		buffer_printf(error, "\"%s\" is not a policy; use " POLICY_NAMES, text);
		return -EINVAL;
	}
	if (name->has_parameter && parse_parameter(&parameter, text + word) < 0) {
		buffer_printf(error, "\"%s\": the number in %s(...) must be a whole one, 1 to %d",
			text, name->text, PARAMETER_MOST);
		return -EINVAL;
	}
	*ret = (struct policy){name->kind, parameter};
	return 0;
}

const char *policy_format(const struct policy *p, char *text, size_t n)
{
	const char *word = "?";

	for (size_t i = 0; i < NAMES; i++)
		if (names[i].kind == p->kind)
			word = names[i].text;
	if (p->parameter > 1)
		(void)snprintf(text, n, "%s(%u)", word, p->parameter);
	else
		(void)snprintf(text, n, "%s", word);
	return text;
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	return a->kind == b->kind && a->parameter == b->parameter;
}
