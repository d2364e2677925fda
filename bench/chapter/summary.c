#include "bench/chapter/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_of(const json_t *line, const char *stage, const char *kind)
{
	const char *name = json_string_value(json_object_get(line, "stage"));
	const char *its_kind = json_string_value(json_object_get(line, "kind"));

	return name && its_kind && strcmp(name, stage) == 0 && strcmp(its_kind, kind) == 0;
}

const json_t *summary_line(const json_t *lines, const char *stage, size_t step, unsigned repetition)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		const json_t *line = json_array_get(lines, i);

		if (is_of(line, stage, "load") &&
			json_integer_value(json_object_get(line, "step")) == (json_int_t)step &&
			json_integer_value(json_object_get(line, "repetition")) ==
				(json_int_t)repetition)
			return line;
	}
	return NULL;
}

const char *summary_unable(const json_t *lines, const char *stage)
{
	for (size_t i = 0; i < json_array_size(lines); i++)
		if (is_of(json_array_get(lines, i), stage, "unable"))
			return json_string_value(
				json_object_get(json_array_get(lines, i), "reason"));
	return NULL;
}

bool summary_counts(const json_t *line)
{
	return line && !json_is_string(json_object_get(line, "void"));
}

static int by_value(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double summary_median(double *value, size_t n)
{
	if (n == 0)
		return NAN;
	qsort(value, n, sizeof *value, by_value);
	return n % 2 ? value[n / 2] : (value[n / 2 - 1] + value[n / 2]) / 2;
}

static size_t collect(double *value, const json_t *lines, const char *stage, size_t step,
	const char *path, bool voids)
{
	size_t n = 0;

	for (unsigned i = 0; i < SUMMARY_REPETITIONS_MOST; i++) {
		const json_t *line = summary_line(lines, stage, step, i);
		const double number = line ? figure_at(line, path) : NAN;

		if (line && summary_counts(line) != voids && isfinite(number))
			value[n++] = number;
	}
	return n;
}

void summary_make(
	struct summary *ret, const json_t *lines, const char *stage, size_t step, const char *path)
{
	double value[SUMMARY_REPETITIONS_MOST];
	size_t n = collect(value, lines, stage, step, path, true);

	*ret = (struct summary){.voids = (unsigned)n, .median = NAN, .low = NAN, .high = NAN};
	ret->count = (unsigned)collect(value, lines, stage, step, path, false);
	if (ret->count > 0) {
		n = ret->count;
	} else {
		n = collect(value, lines, stage, step, path, true);
		ret->of_voids = n > 0;
	}
	if (n == 0)
		return;
	ret->median = summary_median(value, n);
	ret->low = value[0];
	ret->high = value[n - 1];
}
