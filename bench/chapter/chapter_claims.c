/* "claims" and "plots" of a chapter. */
#include "bench/chapter/chapter_parts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOUND_MOST 1e12

/* --- claims ---------------------------------------------------------------------------------------------------- */

static void read_figure(struct chapter_reader *r, const char *key, struct figure *ret)
{
	const char *text = chapter_needed_text(r, key);
	struct buffer why;

	if (!*text)
		return;
	buffer_init(&why);
	const int result = figure_parse(ret, r->c, text, &why);
	if (result == -EINVAL)
		experiment_complain(&r->r, key, "%s", buffer_cstring(&why));
	r->r.no_memory = r->r.no_memory || result == -ENOMEM;
	buffer_done(&why);
}

/* at_most and at_least of r->r.object. */
static void read_bounds(struct chapter_reader *r, struct chapter_claim *claim)
{
	claim->at_least = -INFINITY;
	claim->at_most = INFINITY;
	experiment_number(&r->r, "at_least", -BOUND_MOST, BOUND_MOST, &claim->at_least);
	experiment_number(&r->r, "at_most", -BOUND_MOST, BOUND_MOST, &claim->at_most);
	if (!experiment_value(&r->r, "at_least") && !experiment_value(&r->r, "at_most"))
		experiment_complain(&r->r, NULL, "has neither at_most nor at_least");
	else if (claim->at_least > claim->at_most)
		experiment_complain(&r->r, "at_least", "is not allowed: it is above at_most");
}

static void read_inner_bounds(
	struct chapter_reader *r, const char *key, struct chapter_claim *claim)
{
	static const char *const known[] = {"at_most", "at_least", NULL};
	const json_t *outer = r->r.object;
	const size_t before = experiment_enter(&r->r, "%s", key);

	r->r.object = json_object_get(outer, key);
	if (json_is_object(r->r.object)) {
		experiment_check_keys(&r->r, known);
		read_bounds(r, claim);
	} else {
		experiment_complain(
			&r->r, NULL, "is not allowed; allowed: an object with at_most or at_least");
	}
	r->r.object = outer;
	experiment_leave(&r->r, before);
}

static const struct {
	const char *key;
	enum chapter_claim_kind kind;
	const char *known[6];
} kinds[] = {
	{"value", CHAPTER_VALUE, {"say", "value", "at_most", "at_least"}},
	{"ratio", CHAPTER_RATIO, {"say", "left", "right", "ratio"}},
	{"difference", CHAPTER_DIFFERENCE, {"say", "left", "right", "difference"}},
	{"same_sign", CHAPTER_SAME_SIGN, {"say", "left", "right", "same_sign"}},
	{"all", CHAPTER_ALL, {"say", "all"}},
	{"any", CHAPTER_ANY, {"say", "any"}},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static void read_pair(struct chapter_reader *r, struct chapter_claim *claim)
{
	read_figure(r, "left", &claim->left);
	read_figure(r, "right", &claim->right);
	if (claim->kind == CHAPTER_RATIO)
		read_inner_bounds(r, "ratio", claim);
	else if (claim->kind == CHAPTER_DIFFERENCE)
		read_inner_bounds(r, "difference", claim);
	else if (!chapter_flag(r, "same_sign", false))
		experiment_complain(&r->r, "same_sign", "is not allowed; allowed: true");
}

/* Which kind r->r.object is; KINDS where it is none, or several. */
static size_t kind_of(const struct chapter_reader *r)
{
	size_t found = KINDS;
	unsigned n = 0;

	for (size_t i = 0; i < KINDS; i++) {
		if (!experiment_value(&r->r, kinds[i].key))
			continue;
		found = i;
		n++;
	}
	return n == 1 ? found : KINDS;
}

/* false: it has parts. */
static bool read_comparison(
	struct chapter_reader *r, const json_t *value, struct chapter_claim *claim)
{
	const size_t kind = json_is_object(value) ? kind_of(r) : KINDS;

	claim->at_least = -INFINITY;
	claim->at_most = INFINITY;
	if (kind == KINDS) {
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed: an object with one of value, ratio, difference, "
			"same_sign, all, any");
		return true;
	}
	experiment_check_keys(&r->r, kinds[kind].known);
	claim->kind = kinds[kind].kind;
	if (claim->kind == CHAPTER_ALL || claim->kind == CHAPTER_ANY)
		return false;
	if (claim->kind == CHAPTER_VALUE) {
		read_figure(r, "value", &claim->left);
		read_bounds(r, claim);
	} else {
		read_pair(r, claim);
	}
	return true;
}

static void read_part(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	struct chapter_claim *part = &((struct chapter_claim *)own)->part[i];

	if (!read_comparison(r, value, part))
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed in a part: value, ratio, difference, same_sign");
	if (experiment_value(&r->r, "say"))
		experiment_complain(&r->r, "say", "is not allowed in a part");
}

static void read_claim(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	struct chapter_claim *claim = &r->c->claims[i];
	const bool simple = read_comparison(r, value, claim);
	const char *key = claim->kind == CHAPTER_ALL ? "all" : "any";

	(void)own;
	claim->say = chapter_needed_text(r, "say");
	if (simple)
		return;
	const size_t n = chapter_list(r, key);
	if (n == 0) {
		experiment_complain(&r->r, key, "is not allowed; allowed: a list with one or more");
		return;
	}
	claim->part = chapter_room(r, n, sizeof *claim->part);
	if (!claim->part)
		return;
	claim->parts = n;
	chapter_each(r, key, read_part, claim);
}

void chapter_read_claims(struct chapter_reader *r)
{
	const size_t n = chapter_list(r, "claims");

	r->c->claims = n ? chapter_room(r, n, sizeof *r->c->claims) : NULL;
	if (!r->c->claims)
		return;
	r->c->claim_count = n;
	chapter_each(r, "claims", read_claim, NULL);
}

void chapter_claim_done(struct chapter_claim *claim)
{
	for (size_t i = 0; i < claim->parts; i++) {
		figure_done(&claim->part[i].left);
		figure_done(&claim->part[i].right);
	}
	free(claim->part);
	figure_done(&claim->left);
	figure_done(&claim->right);
}

/* --- plots ----------------------------------------------------------------------------------------------------- */

static void read_plot_stage(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	struct chapter_plot *plot = own;
	const char *name = json_is_string(value) ? json_string_value(value) : "";

	plot->stage[i] = chapter_find_stage(r->c, name, strlen(name));
	if (plot->stage[i] < r->c->stages)
		return;
	plot->stage[i] = 0;
	experiment_complain(&r->r, NULL, "there is no stage \"%s\"", name);
}

static void read_plot_stages(struct chapter_reader *r, struct chapter_plot *plot)
{
	const size_t n = chapter_list(r, "stages");

	plot->stage = chapter_room(r, n ? n : r->c->stages, sizeof *plot->stage);
	if (!plot->stage)
		return;
	plot->stages = n ? n : r->c->stages;
	for (size_t i = 0; n == 0 && i < plot->stages; i++)
		plot->stage[i] = i;
	chapter_each(r, "stages", read_plot_stage, plot);
}

static void check_figure(
	struct chapter_reader *r, const char *key, const char *figure, const char *template_name)
{
	struct buffer path, why;

	buffer_init(&path);
	buffer_init(&why);
	if (figure_path(&path, figure, strlen(figure), template_name, &why) == -EINVAL)
		experiment_complain(&r->r, key, "%s", buffer_cstring(&why));
	buffer_done(&path);
	buffer_done(&why);
}

static void read_plot_figure(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	struct chapter_plot *plot = own;

	plot->figure[i] = json_is_string(value) ? json_string_value(value) : "";
	check_figure(r, NULL, plot->figure[i], plot->template_name);
}

static void read_plot_figures(struct chapter_reader *r, struct chapter_plot *plot)
{
	static const char *const usual[] = {"p50", "p95", "p99"};
	const size_t n = chapter_list(r, "figures"), usual_n = plot->curve ? 1 : 3;

	plot->figure = chapter_room(r, n ? n : usual_n, sizeof *plot->figure);
	if (!plot->figure)
		return;
	plot->figures = n ? n : usual_n;
	for (size_t i = 0; n == 0 && i < usual_n; i++)
		plot->figure[i] = usual[plot->curve ? 2 : i];
	chapter_each(r, "figures", read_plot_figure, plot);
}

static bool has_template(const struct chapter *c, const struct chapter_plot *plot)
{
	for (size_t i = 0; i < plot->stages; i++) {
		const struct chapter_load *load = &c->stage[plot->stage[i]].load;

		for (size_t j = 0; load->name && j < load->templates; j++)
			if (load->name[j] && strcmp(load->name[j], plot->template_name) == 0)
				return true;
	}
	return false;
}

static void read_plot(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	static const char *const known[] = {
		"kind", "title", "caption", "label", "stages", "template", "figures", "x", NULL};
	static const char *const words[] = {"bars", "curve", NULL};
	struct chapter_plot *plot = &r->c->plot[i];

	(void)own;
	*plot = (struct chapter_plot){.title = "", .caption = "", .label = "", .x = "offered"};
	if (!json_is_object(value)) {
		experiment_complain(&r->r, NULL, "is not allowed; allowed: an object");
		return;
	}
	experiment_check_keys(&r->r, known);
	plot->curve = experiment_word(&r->r, "kind", words) == 1;
	plot->title = chapter_needed_text(r, "title");
	plot->caption = chapter_text(r, "caption", "");
	plot->label = chapter_text(r, "label", "");
	plot->template_name = chapter_text(r, "template", NULL);
	plot->x = chapter_text(r, "x", "offered");
	check_figure(r, "x", plot->x, NULL);
	if (!plot->curve && experiment_value(&r->r, "x"))
		experiment_complain(&r->r, "x", "is not allowed for bars");
	read_plot_stages(r, plot);
	read_plot_figures(r, plot);
	if (plot->template_name && !has_template(r->c, plot))
		experiment_complain(&r->r, "template", "no stage of it has a template \"%s\"",
			plot->template_name);
}

void chapter_read_plots(struct chapter_reader *r)
{
	const size_t n = chapter_list(r, "plots");

	r->c->plot = n ? chapter_room(r, n, sizeof *r->c->plot) : NULL;
	if (!r->c->plot)
		return;
	r->c->plots = n;
	chapter_each(r, "plots", read_plot, NULL);
}
