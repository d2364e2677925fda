/* "load" of a stage. */
#include "bench/chapter/chapter_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MOST 1e6
#define SECONDS_MOST 3600
#define REQUESTS_MOST UINT64_C(100000000)
#define CONNECTIONS_MOST 4000
#define SEED_MOST UINT64_C(4294967295)

/* --- rates ----------------------------------------------------------------------------------------------------- */

struct rates {
	struct chapter_load *load;
	size_t stage;
};

static size_t find_earlier(struct chapter_reader *r, const char *name, size_t own, bool itself)
{
	const size_t found = chapter_find_stage(r->c, name, strlen(name));

	if (found == r->c->stages)
		experiment_complain(&r->r, "stage", "there is no stage \"%s\"", name);
	else if (found > own || (found == own && !itself))
		experiment_complain(&r->r, "stage",
			"\"%s\" is not allowed; allowed: a stage before this one", name);
	return found;
}

static void read_share(struct chapter_reader *r, struct chapter_rate *rate, size_t own)
{
	static const char *const known[] = {"of", "stage", "share", NULL};
	static const char *const words[] = {"capacity", "rate", NULL};
	const int word = experiment_word(&r->r, "of", words);

	experiment_check_keys(&r->r, known);
	rate->kind = word == 1 ? CHAPTER_RATE_SAME : CHAPTER_RATE_CAPACITY;
	rate->value = 1;
	experiment_number(&r->r, "share", 0.001, 100, &rate->value);
	const char *stage = chapter_needed_text(r, "stage");
	if (*stage)
		rate->stage = find_earlier(r, stage, own, rate->kind == CHAPTER_RATE_CAPACITY);
	if (rate->stage < own && rate->kind == CHAPTER_RATE_SAME &&
		r->c->stage[rate->stage].load.rates != 1)
		experiment_complain(&r->r, "stage", "\"%s\" is not allowed: it has steps", stage);
}

static void read_rate_object(struct chapter_reader *r, struct chapter_rate *rate, size_t own)
{
	static const char *const known[] = {"busy", NULL};

	if (!experiment_value(&r->r, "busy")) {
		read_share(r, rate, own);
		return;
	}
	experiment_check_keys(&r->r, known);
	rate->kind = CHAPTER_RATE_BUSY;
	experiment_number(&r->r, "busy", 0.01, 0.99, &rate->value);
}

static void read_rate(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	const struct rates *rates = own;
	struct chapter_rate *rate = &rates->load->rate[i];
	const double number = json_number_value(value);

	if (json_is_object(value)) {
		read_rate_object(r, rate, rates->stage);
		return;
	}
	rate->kind = CHAPTER_RATE_GIVEN;
	rate->value = number;
	if (!json_is_number(value) || number <= 0 || number > RATE_MOST)
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed: requests a second, above 0, at most %.0f, or an "
			"object with busy, or of, stage and share",
			RATE_MOST);
}

static void read_rates(struct chapter_reader *r, struct chapter_load *load, size_t stage)
{
	const json_t *one = experiment_value(&r->r, "rate"), *outer = r->r.object;
	const size_t steps = chapter_list(r, "steps");
	struct rates rates = {load, stage};

	if (one && steps > 0)
		experiment_complain(&r->r, "steps", "is not allowed beside rate");
	if (!one && steps == 0)
		experiment_complain(
			&r->r, "rate", "is missing; allowed: a rate, or a list of them as steps");
	load->rate = one || steps ? chapter_room(r, one ? 1 : steps, sizeof *load->rate) : NULL;
	if (!load->rate)
		return;
	load->rates = one ? 1 : steps;
	if (!one) {
		chapter_each(r, "steps", read_rate, &rates);
		return;
	}
	const size_t before = experiment_enter(&r->r, "rate");
	r->r.object = one;
	read_rate(r, one, 0, &rates);
	r->r.object = outer;
	experiment_leave(&r->r, before);
}

/* --- the mix --------------------------------------------------------------------------------------------------- */

struct lines {
	struct chapter_load *load;
	struct buffer text;
};

static void check_name(
	struct chapter_reader *r, const struct chapter_load *load, const char *name, size_t i)
{
	if (!chapter_is_name(name))
		experiment_complain(&r->r, "name",
			"\"%s\" is not allowed; allowed: a-z, 0-9 and -, at most %d", name,
			CHAPTER_NAME_BYTES - 1);
	else if (!figure_is_free_name(name))
		experiment_complain(
			&r->r, "name", "\"%s\" is not allowed: a figure is called so", name);
	for (size_t j = 0; j < i; j++)
		if (load->name[j] && strcmp(load->name[j], name) == 0)
			experiment_complain(&r->r, "name", "\"%s\" is there twice", name);
}

static void read_line(struct chapter_reader *r, const json_t *value, size_t i, void *own)
{
	static const char *const known[] = {"name", "line", NULL};
	struct lines *lines = own;
	const char *line = json_string_value(value);

	if (json_is_object(value)) {
		experiment_check_keys(&r->r, known);
		line = chapter_needed_text(r, "line");
		lines->load->name[i] = chapter_needed_text(r, "name");
		check_name(r, lines->load, lines->load->name[i], i);
	}
	if (!line) {
		experiment_complain(&r->r, NULL,
			"is not allowed; allowed: a line of a mix file, or an object with name and "
			"line");
		return;
	}
	struct mix *alone = chapter_line(r, NULL, line);
	if (alone)
		mix_free(alone);
	lines->load->emulated = lines->load->emulated || strstr(line, "/lab/sleep");
	buffer_printf(&lines->text, "%s\n", line);
}

static void read_mix(struct chapter_reader *r, struct chapter_load *load)
{
	struct lines lines = {.load = load};
	struct buffer why;

	load->templates = chapter_list(r, "mix");
	if (load->templates == 0) {
		experiment_complain(
			&r->r, "mix", "is missing; allowed: a list with one or more lines");
		return;
	}
	load->name = chapter_room(r, load->templates, sizeof *load->name);
	if (!load->name)
		return;
	buffer_init(&lines.text);
	buffer_init(&why);
	const bool wrong = r->r.wrong;
	r->r.wrong = false;
	chapter_each(r, "mix", read_line, &lines);
	const char *text = buffer_cstring(&lines.text);
	/* A line that is wrong was told already. */
	if (!r->r.wrong && text && mix_parse(&load->mix, "mix", text, lines.text.len, &why) != 0) {
		load->mix = NULL;
		experiment_complain(&r->r, "mix", "%.*s", (int)why.len, why.len ? why.data : "");
	}
	r->r.wrong = r->r.wrong || wrong;
	r->r.no_memory = r->r.no_memory || !text;
	buffer_done(&lines.text);
	buffer_done(&why);
}

/* --- the rest -------------------------------------------------------------------------------------------------- */

static void read_length(struct chapter_reader *r, struct chapter_load *load)
{
	load->seconds = 8;
	chapter_seconds(r, "duration", 0.1, SECONDS_MOST, &load->seconds);
	chapter_count(r, "requests", 1, REQUESTS_MOST, &load->requests);
	if (experiment_value(&r->r, "duration") && load->requests)
		experiment_complain(&r->r, "requests", "is not allowed beside duration");
	double full_s = 0;
	uint64_t full_requests = 0;
	chapter_seconds(r, "full_duration", 0.1, SECONDS_MOST, &full_s);
	chapter_count(r, "full_requests", 1, REQUESTS_MOST, &full_requests);
	if (full_s > 0 && full_requests)
		experiment_complain(&r->r, "full_requests", "is not allowed beside full_duration");
	if (!r->full || (full_s <= 0 && full_requests == 0))
		return;
	load->requests = full_requests;
	load->seconds = full_s;
}

void chapter_read_load(struct chapter_reader *r, size_t stage)
{
	static const char *const known[] = {"rate", "steps", "requests", "full_requests",
		"duration", "full_duration", "warmup", "mix", "arrivals", "connections", "timeout",
		"seed", "errors", "capacity_connections", NULL};
	static const char *const arrivals[] = {"poisson", "constant", NULL};
	struct chapter_load *load = &r->c->stage[stage].load;
	uint64_t connections = 1000, capacity = 16;

	experiment_check_keys(&r->r, known);
	*load = (struct chapter_load){.warmup_s = 2, .timeout_s = 30, .seed = 1};
	read_rates(r, load, stage);
	read_mix(r, load);
	read_length(r, load);
	chapter_seconds(r, "warmup", 0, SECONDS_MOST, &load->warmup_s);
	chapter_seconds(r, "timeout", 0.001, SECONDS_MOST, &load->timeout_s);
	chapter_count(r, "connections", 1, CONNECTIONS_MOST, &connections);
	chapter_count(r, "capacity_connections", 1, CONNECTIONS_MOST, &capacity);
	chapter_count(r, "seed", 0, SEED_MOST, &load->seed);
	experiment_number(&r->r, "errors", 0, 1, &load->errors_most);
	load->constant = experiment_value(&r->r, "arrivals") &&
			 experiment_word(&r->r, "arrivals", arrivals) == 1;
	load->connections = (unsigned)connections;
	load->capacity_connections = (unsigned)capacity;
}
