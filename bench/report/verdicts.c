#include "bench/report/verdicts.h"

#include "bench/report/claims.h"
#include "bench/report/curves.h"

#include <errno.h>
#include <string.h>

const char *const verdict_words[] = {"holds", "does not hold", "undecided"};

const struct verdict_experiment verdict_experiments[] = {
	{"saturation", "Latency against utilization",
		"Several processes behind a round-robin balancer help, but the same problem comes "
		"back a "
		"bit later: above some CPU usage (60 %, they say) the 95th and 99th percentiles "
		"climb "
		"while the median still looks fine."},
	{"policies", "Policies side by side",
		"How requests are dispatched matters as much as how many workers there are."},
	{"power-users", "Power users",
		"One request in a hundred that is a hundred times the work spoils the other "
		"ninety-nine."},
	{"average-lies", "The average lies", "A mean hides what the slowest requests go through."},
	{"model-error", "How good the model is",
		"A fleet that is measured behaves as its replay and its prediction say."},
	{NULL, NULL, NULL},
};

struct claim {
	const char *experiment; /* whose cells it is about; NULL: all */
	const char *shown_in;
	const char *claim;
	void (*judge)(const struct curves *curves, struct verdict *v);
};

static const struct claim claims[] = {
	{"saturation", "saturation",
		"Round robin: for every number of workers, p99 at 95 % utilization is more than "
		"twice "
		"that at 50 %",
		claim_climbs},
	{"saturation", "saturation",
		"Round robin: the utilization at which p99 passes twice its value at 10 % is "
		"higher with "
		"more workers, and still below 1",
		claim_comes_back_later},
	{"saturation", "saturation",
		"Round robin: 60 % utilization is where p99 has doubled, whatever the number of "
		"workers, "
		"while the median has not",
		claim_sixty},
	{"policies", "policies",
		"central has a lower p99 than roundrobin at every utilization from 50 % up",
		claim_central_round_robin},
	{"policies", "policies",
		"central has a lower p99 than leastconn at every utilization from 50 % up",
		claim_central_leastconn},
	{"power-users", "power-users",
		"Round robin: with 1 % of large requests, p95, which 99 % small ones make, is more "
		"than ten "
		"times a small request's work from 50 % utilization up",
		claim_power_users},
	{"average-lies", "average-lies",
		"p99 is more than three times the mean, and the median below the mean",
		claim_average_lies},
	{NULL, "model-error",
		"roundrobin and central, k = 4, up to 90 % utilization, emulated exponential "
		"service: "
		"measured p99 is within 15 % of the replay, the mean within 10 %",
		claim_replay},
	{NULL, "model-error",
		"The same cells: measured p99 is within 15 % of the prediction, the mean within 10 "
		"%",
		claim_prediction},
};

#define CLAIMS (sizeof(claims) / sizeof(claims[0]))
_Static_assert(CLAIMS <= VERDICTS_MOST, "verdicts");

static int make_one(struct verdicts *to, const struct cells *cells, const struct claim *c)
{
	struct verdict *v = &to->verdict[to->count];
	struct curves curves;

	int r = curves_init(&curves, cells, c->experiment);
	if (r < 0)
		return r;
	if (curves.count > 0) {
		*v = (struct verdict){.experiment = c->shown_in, .claim = c->claim};
		buffer_init(&v->reason);
		buffer_init(&v->figures);
		to->count++;
		c->judge(&curves, v);
		if (v->reason.failed || v->figures.failed)
			r = -ENOMEM;
	}
	curves_done(&curves);
	return r;
}

static bool has_experiment(const struct cells *cells, const char *name)
{
	for (size_t i = 0; i < cells->count; i++)
		if (strcmp(cells->cell[i].experiment, name) == 0)
			return true;
	return false;
}

static void note_missing(struct verdicts *to, const struct cells *cells)
{
	for (size_t i = 0; verdict_experiments[i].name; i++) {
		const char *name = verdict_experiments[i].name;

		/* It has no cells of its own. */
		if (strcmp(name, "model-error") != 0 && !has_experiment(cells, name))
			buffer_printf(&to->missing, "%s was not measured and is left out.\n", name);
	}
}

int verdicts_make(struct verdicts *ret, const struct cells *cells)
{
	struct verdicts v = {0};
	int r = 0;

	buffer_init(&v.missing);
	for (size_t i = 0; i < CLAIMS && r == 0; i++)
		r = make_one(&v, cells, &claims[i]);
	note_missing(&v, cells);
	if (r == 0 && v.missing.failed)
		r = -ENOMEM;
	if (r < 0) {
		verdicts_done(&v);
		return r;
	}
	*ret = v;
	return 0;
}

void verdicts_done(struct verdicts *v)
{
	for (size_t i = 0; i < v->count; i++) {
		buffer_done(&v->verdict[i].reason);
		buffer_done(&v->verdict[i].figures);
	}
	buffer_done(&v->missing);
	v->count = 0;
}
