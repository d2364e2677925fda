#include "bench/plan/objective.h"

#include "lib/number.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define LIMIT_MOST_US INT64_C(3600000000)

static const struct {
	const char *name;
	double quantile;
} known[] = {
	{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"mean", 0}};

#define KNOWN (sizeof known / sizeof *known)

int objective_parse(struct objective *ret, const char *text, struct buffer *error)
{
	const char *equals = strchr(text, '=');
	const size_t len = equals ? (size_t)(equals - text) : strlen(text);
	size_t i = 0;
	int64_t limit_us;

	while (i < KNOWN && (strlen(known[i].name) != len || memcmp(known[i].name, text, len) != 0))
		i++;
	if (i == KNOWN || !equals) {
		buffer_printf(error,
			"\"%s\" is no objective; allowed: p50, p90, p95, p99, p99.9 or mean, \"=\" "
			"and a "
			"duration, such as p99=20ms",
			text);
		return -EINVAL;
	}
	if (number_parse_duration_us(&limit_us, equals + 1, strlen(equals + 1), 1, LIMIT_MOST_US) <
		0) {
		buffer_printf(error,
			"\"%s\" is not allowed after \"%s=\"; allowed: a duration with its unit "
			"(20ms, "
			"1.5s, 100us) from 1us to 1h",
			equals + 1, known[i].name);
		return -EINVAL;
	}
	*ret = (struct objective){known[i].name, known[i].quantile, (double)limit_us};
	return 0;
}

enum objective_verdict objective_judge(const struct objective *o, struct interval i)
{
	if (!i.known)
		return OBJECTIVE_UNSURE;
	if (i.high <= o->limit_us)
		return OBJECTIVE_MET;
	return i.low > o->limit_us ? OBJECTIVE_UNMET : OBJECTIVE_UNSURE;
}
