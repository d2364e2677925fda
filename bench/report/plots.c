#include "bench/report/plots.h"

#include "bench/report/curves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HISTOGRAMS_MOST 4

struct plot *plots_add(struct plots *p, const char *experiment, const char *caption)
{
	if (p->count == p->capacity) {
		size_t room = p->capacity ? 2 * p->capacity : 16;
		struct plot *more = realloc(p->plot, room * sizeof(*more));

		if (!more) {
			p->no_memory = true;
			return NULL;
		}
		p->plot = more;
		p->capacity = room;
	}
	p->plot[p->count] = (struct plot){.experiment = experiment, .caption = caption};
	return &p->plot[p->count++];
}

void plots_done(struct plots *p)
{
	for (size_t i = 0; i < p->count; i++)
		picture_done(&p->plot[i].picture);
	free(p->plot);
	*p = (struct plots){0};
}

/* Where the curves of the same service end; with `policy` also the same policy. */
static size_t same(const struct curves *c, size_t from, bool policy)
{
	size_t end = from + 1;

	while (end < c->count && curve_same_service(&c->curve[from], &c->curve[end]) &&
		(!policy || strcmp(c->curve[from].policy, c->curve[end].policy) == 0))
		end++;
	return end;
}

static void histograms(struct plots *to, const char *experiment, const struct curves *curves)
{
	unsigned made = 0;

	for (size_t i = 0; i < curves->count; i++) {
		const struct curve *c = &curves->curve[i];

		for (size_t n = 0; n < c->cells; n++)
			if (!c->cell[n]->void_reason && c->cell[n]->bars > 0 &&
				made++ < HISTOGRAMS_MOST)
				plot_histogram(to, experiment, c, c->cell[n]);
	}
}

static void by_experiment(struct plots *to, const char *experiment, const struct curves *curves)
{
	if (strcmp(experiment, "average-lies") == 0) {
		histograms(to, experiment, curves);
		return;
	}
	if (strcmp(experiment, "policies") == 0) {
		for (size_t i = 0; i < curves->count; i = same(curves, i, false))
			plot_policies(
				to, experiment, &curves->curve[i], same(curves, i, false) - i);
		return;
	}
	for (size_t i = 0; i < curves->count; i = same(curves, i, true)) {
		size_t n = same(curves, i, true) - i;

		if (strcmp(experiment, "saturation") == 0 && n > 1)
			plot_summary(to, experiment, &curves->curve[i], n);
	}
	for (size_t i = 0; i < curves->count; i = same(curves, i, false))
		plot_multiples(to, experiment, &curves->curve[i], same(curves, i, false) - i);
}

static bool is_new(const struct cells *cells, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(cells->cell[i].experiment, cells->cell[at].experiment) == 0)
			return false;
	return true;
}

static int models(struct plots *to, const struct cells *cells)
{
	static const char *const kinds[] = {"emulated", "real", "foreign"};
	struct curves all;

	int r = curves_init(&all, cells, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		plot_errors(to, &all, kinds[i]);
		plot_split(to, &all, kinds[i]);
	}
	curves_done(&all);
	return 0;
}

static bool is_complete(const struct plots *p)
{
	bool complete = !p->no_memory;

	for (size_t i = 0; i < p->count; i++)
		complete = complete && !p->plot[i].picture.script.failed;
	return complete;
}

int plots_make(struct plots *ret, const struct cells *cells)
{
	struct plots p = {0};
	int r = 0;

	for (size_t i = 0; i < cells->count && r == 0; i++) {
		struct curves curves;

		if (!is_new(cells, i))
			continue;
		r = curves_init(&curves, cells, cells->cell[i].experiment);
		if (r < 0)
			break;
		by_experiment(&p, cells->cell[i].experiment, &curves);
		curves_done(&curves);
	}
	if (r == 0)
		r = models(&p, cells);
	if (r == 0 && !is_complete(&p))
		r = -ENOMEM;
	if (r < 0) {
		plots_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}
