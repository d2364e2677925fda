#include "bench/model/service.h"

#include "bench/model/alias.h"
#include "bench/model/lines.h"
#include "bench/model/service_ranges.h"
#include "lib/number.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCV_MOST 10000
#define POINTS_MOST 1000
#define WEIGHT_MOST 1e9

#define ALLOWED                                                                                    \
	"use exp:MEAN, det:TIME, lognormal:MEAN,SCV, hyper:MEAN,SCV, points:TIME@WEIGHT,... or "   \
	"hist:FILE, with times such as 1ms"

static int wrong(const char *spec, struct buffer *error, const char *message)
{
	lines_quote(error, spec, strlen(spec));
	buffer_printf(error, ": %s", message);
	return -EINVAL;
}

static int parse_time(
	double *ret_us, const char *text, size_t len, const char *spec, struct buffer *error)
{
	int64_t us;

	if (number_parse_duration_us(&us, text, len, 1, SERVICE_MOST_US) < 0) {
		lines_quote(error, spec, strlen(spec));
		buffer_puts(error, ": ");
		lines_quote(error, text, len);
		buffer_puts(
			error, " is not a time from 1us to 1h, with a unit (us, ms, s, m or h)");
		return -EINVAL;
	}
	*ret_us = (double)us;
	return 0;
}

static int parse_mean(struct service *s, const char *arguments, struct buffer *error)
{
	const int result = parse_time(&s->mean_us, arguments, strlen(arguments), s->spec, error);

	s->a = s->mean_us;
	s->scv = s->kind == SERVICE_EXP ? 1 : 0;
	return result;
}

/* "MEAN,SCV" */
static int parse_mean_and_scv(struct service *s, const char *arguments, struct buffer *error)
{
	const size_t mean = strcspn(arguments, ",");
	const char *scv = arguments + mean + (arguments[mean] == ',');

	if (parse_time(&s->mean_us, arguments, mean, s->spec, error) < 0)
		return -EINVAL;
	const int result = number_parse_real(&s->scv, scv, strlen(scv), 0, SCV_MOST);
	if (s->kind == SERVICE_HYPER && (result < 0 || s->scv < 1))
		return wrong(s->spec, error,
			"after the mean comes a comma and the squared coefficient of variation, 1 "
			"to 10000");
	if (result < 0 || s->scv <= 0)
		return wrong(s->spec, error,
			"after the mean comes a comma and the squared coefficient of variation, "
			"above 0 and at "
			"most 10000");
	return 0;
}

static int parse_lognormal(struct service *s, const char *arguments, struct buffer *error)
{
	const int result = parse_mean_and_scv(s, arguments, error);

	if (result < 0)
		return result;
	const double variance = log1p(s->scv);
	s->a = log(s->mean_us) - variance / 2;
	s->b = sqrt(variance);
	return 0;
}

/*
 * Balanced means: both phases carry half of the work. Source: Tijms, Stochastic Models, appendix
 * B.
 */
static int parse_hyper(struct service *s, const char *arguments, struct buffer *error)
{
	const int result = parse_mean_and_scv(s, arguments, error);

	if (result < 0)
		return result;
	s->a = (1 + sqrt((s->scv - 1) / (s->scv + 1))) / 2;
	s->b = s->mean_us / (2 * s->a);
	s->c = s->mean_us / (2 * (1 - s->a));
	return 0;
}

/* "TIME@WEIGHT" */
static int parse_point(struct service_range *ret, const char *text, size_t len, const char *spec,
	struct buffer *error)
{
	const char *at = memchr(text, '@', len);
	const size_t time = at ? (size_t)(at - text) : len;

	if (parse_time(&ret->low_us, text, time, spec, error) < 0)
		return -EINVAL;
	ret->high_us = ret->low_us;
	if (!at || number_parse_real(&ret->weight, at + 1, len - time - 1, 0, WEIGHT_MOST) < 0 ||
		ret->weight <= 0)
		return wrong(spec, error,
			"each time needs a weight, as in 1ms@99: a number above 0 and at most "
			"1000000000");
	return 0;
}

static int parse_points(struct service *s, const char *arguments, struct buffer *error)
{
	size_t n = 1;

	for (const char *at = arguments; (at = strchr(at, ',')) != NULL; at++)
		n++;
	if (n > POINTS_MOST)
		return wrong(s->spec, error, "more than 1000 times; use hist:FILE for so many");
	struct service_range *point = calloc(n, sizeof(*point));
	if (!point)
		return -ENOMEM;
	s->range = point;
	s->ranges = n;
	for (size_t i = 0; i < n; i++) {
		const size_t len = strcspn(arguments, ",");
		if (parse_point(&point[i], arguments, len, s->spec, error) < 0)
			return -EINVAL;
		arguments += len + 1;
	}
	return service_ranges_finish(s);
}

static int parse_hist(struct service *s, const char *path, struct buffer *error)
{
	const int result = service_ranges_read(&s->range, &s->ranges, path, error);

	return result < 0 ? result : service_ranges_finish(s);
}

struct form {
	const char *prefix;
	enum service_kind kind;
	int (*parse)(struct service *s, const char *arguments, struct buffer *error);
};

static const struct form *find_form(const char *spec)
{
	static const struct form forms[] = {
		{"exp:", SERVICE_EXP, parse_mean},
		{"det:", SERVICE_DET, parse_mean},
		{"lognormal:", SERVICE_LOGNORMAL, parse_lognormal},
		{"hyper:", SERVICE_HYPER, parse_hyper},
		{"points:", SERVICE_POINTS, parse_points},
		{"hist:", SERVICE_HIST, parse_hist},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strncmp(spec, forms[i].prefix, strlen(forms[i].prefix)) == 0)
			return &forms[i];
	return NULL;
}

/*
 * Hands over what was made, or frees it; running out of memory is the one failure that says
 * nothing by itself.
 */
static int finish(struct service *ret, struct service *s, int result, struct buffer *error)
{
	if (result == 0) {
		*ret = *s;
		return 0;
	}
	if (result == -ENOMEM)
		buffer_puts(error, "out of memory");
	service_done(s);
	return result;
}

int service_parse(struct service *ret, const char *spec, struct buffer *error)
{
	const struct form *form = find_form(spec);

	if (!form) {
		lines_quote(error, spec, strlen(spec));
		buffer_puts(error, " is not a service time; " ALLOWED);
		return -EINVAL;
	}
	struct service s = {.kind = form->kind, .spec = strdup(spec)};
	const int result = s.spec ? form->parse(&s, spec + strlen(form->prefix), error) : -ENOMEM;
	return finish(ret, &s, result, error);
}

int service_from_ranges(struct service *ret, const char *spec, const struct service_range *range,
	size_t n, struct buffer *error)
{
	struct service s = {.kind = SERVICE_HIST, .spec = strdup(spec)};
	int result =
		s.spec ? service_ranges_take(&s.range, &s.ranges, spec, range, n, error) : -ENOMEM;

	if (result == 0)
		result = service_ranges_finish(&s);
	return finish(ret, &s, result, error);
}

int service_copy(struct service *ret, const struct service *from)
{
	struct service s = *from;

	s.spec = strdup(from->spec);
	s.range = from->ranges > 0 ? calloc(from->ranges, sizeof(*s.range)) : NULL;
	if (!s.spec || (from->ranges > 0 && !s.range)) {
		service_done(&s);
		return -ENOMEM;
	}
	if (from->ranges > 0)
		memcpy(s.range, from->range, from->ranges * sizeof(*s.range));
	*ret = s;
	return 0;
}

void service_done(struct service *s)
{
	free(s->range);
	free(s->spec);
	s->range = NULL;
	s->ranges = 0;
	s->spec = NULL;
}

void service_shift(struct service *s, double us)
{
	const double variance = s->scv * s->mean_us * s->mean_us;

	s->shift_us += us;
	s->mean_us += us;
	s->scv = variance / (s->mean_us * s->mean_us);
}

void service_scale(struct service *s, double factor)
{
	s->mean_us *= factor;
	s->shift_us *= factor;
	switch (s->kind) {
	case SERVICE_EXP:
	case SERVICE_DET:
		s->a *= factor;
		break;
	case SERVICE_LOGNORMAL:
		s->a += log(factor);
		break;
	case SERVICE_HYPER:
		s->b *= factor;
		s->c *= factor;
		break;
	case SERVICE_POINTS:
	case SERVICE_HIST:
		for (size_t i = 0; i < s->ranges; i++) {
			s->range[i].low_us *= factor;
			s->range[i].high_us *= factor;
		}
		break;
	}
}

double service_draw_other(const struct service *s, struct random *r)
{
	switch (s->kind) {
	case SERVICE_EXP:
	case SERVICE_DET:
		break;
	case SERVICE_LOGNORMAL:
		return s->shift_us + exp(s->a + s->b * random_normal(r));
	case SERVICE_HYPER:
		return s->shift_us + (random_unit(r) < s->a ? s->b : s->c) * random_exp(r);
	case SERVICE_POINTS:
	case SERVICE_HIST:
		return s->shift_us + alias_draw(s->range, s->ranges, r);
	}
	return service_draw(s, r);
}

double service_second_moment(const struct service *s)
{
	return s->mean_us * s->mean_us * (1 + s->scv);
}
