#include "bench/report/cells.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cell_figure_names[CELL_FIGURES] = {"mean", "p50", "p95", "p99"};
const char *const cell_part_names[CELL_PARTS] = {
	"replay", "timer", "dispatch", "loop", "proxy", "generator", "measured"};

#define WORKERS_MOST 100000

static double real_of(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static struct interval interval_of(const json_t *o, const char *figure)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "%s_interval", figure);
	const json_t *pair = json_object_get(o, name);
	const json_t *low = json_array_get(pair, 0), *high = json_array_get(pair, 1);

	if (!json_is_number(low) || !json_is_number(high))
		return (struct interval){0};
	return (struct interval){
		.known = true, .low = json_number_value(low), .high = json_number_value(high)};
}

/* A load has its intervals among the percentiles, a prediction beside them. */
static void read_latency(struct cell_latency *ret, const json_t *owner)
{
	const json_t *latency = json_object_get(owner, "latency_ms");

	for (int f = 0; f < CELL_FIGURES; f++) {
		ret->value[f] = real_of(latency, cell_figure_names[f]);
		ret->interval[f] = interval_of(latency, cell_figure_names[f]);
		if (!ret->interval[f].known)
			ret->interval[f] = interval_of(owner, cell_figure_names[f]);
	}
}

static void read_split(struct cell *c, const json_t *split)
{
	for (int f = 0; f < CELL_FIGURES; f++) {
		const json_t *parts = json_object_get(split, cell_figure_names[f]);

		for (int p = 0; p < CELL_PARTS; p++)
			c->split[f][p] = real_of(parts, cell_part_names[p]);
	}
}

static int read_histogram(struct cell *c, const json_t *rows)
{
	size_t n = json_array_size(rows);

	if (n == 0)
		return 0;
	c->bar = calloc(n, sizeof(*c->bar));
	if (!c->bar)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(rows, i);
		struct cell_bar bar = {.low = json_number_value(json_array_get(row, 0)),
			.high = json_number_value(json_array_get(row, 1)),
			.count = json_number_value(json_array_get(row, 2))};

		if (bar.count > 0 && bar.high > bar.low && bar.low >= 0)
			c->bar[c->bars++] = bar;
	}
	return 0;
}

static void read_figures(struct cell *c, const json_t *o)
{
	const json_t *service = json_object_get(o, "service"), *load = json_object_get(o, "load");
	const json_t *calibration = json_object_get(o, "calibration");
	const json_t *busy = json_object_get(o, "busy"), *cpu = json_object_get(o, "cpu");

	c->quick = json_is_true(json_object_get(o, "quick"));
	c->seed = (uint64_t)json_integer_value(json_object_get(o, "seed"));
	c->time = text_of(o, "time");
	c->note = text_of(o, "note");
	c->service_ms = real_of(service, "mean_ms");
	c->service_scv = real_of(service, "scv");
	c->calibrated_ms = real_of(calibration, "service_ms");
	c->overhead_ms = real_of(calibration, "overhead_ms");
	c->rate_rps = real_of(calibration, "rate_rps");
	c->requests = real_of(load, "requests");
	c->offered_rps = real_of(load, "offered_rps");
	c->achieved_rps = real_of(load, "achieved_rps");
	c->errors = real_of(load, "errors");
	c->lateness_p99 = real_of(json_object_get(load, "lateness_ms"), "p99");
	c->busy_mean = real_of(busy, "mean");
	c->busy_most = real_of(busy, "most");
	c->haproxy_cpu = real_of(cpu, "haproxy");
	c->generator_cpu = real_of(cpu, "generator");
	read_latency(&c->measured, load);
	read_latency(&c->replay, json_object_get(o, "replay"));
	read_latency(&c->predicted, json_object_get(o, "predicted"));
	read_latency(&c->closed, json_object_get(o, "closed"));
	c->method = text_of(json_object_get(o, "predicted"), "method");
	c->formula = text_of(json_object_get(o, "closed"), "formula");
	read_split(c, json_object_get(o, "split_ms"));
}

static const char no_reason[] = "void, without a reason";

/* What a cell cannot do without: who it is, and either figures or a reason for having none. */
static const char *read_identity(struct cell *c, const json_t *o)
{
	const json_t *service = json_object_get(o, "service"), *voided = json_object_get(o, "void");
	double workers = real_of(o, "workers");

	c->experiment = text_of(o, "experiment");
	c->name = text_of(o, "cell");
	c->kind = text_of(service, "kind");
	c->spec = text_of(service, "spec");
	c->policy = text_of(o, "policy");
	c->utilization = real_of(o, "utilization");
	if (json_is_string(voided))
		c->void_reason = json_string_value(voided);
	else if (voided && !json_is_null(voided) && !json_is_false(voided))
		c->void_reason = no_reason;
	if (!c->experiment || !c->name)
		return "\"experiment\" and \"cell\" must be texts";
	if (!c->kind)
		return "\"service\".\"kind\" must be a text";
	if (!c->policy)
		return "\"policy\" must be a text";
	if (!(workers >= 1 && workers <= WORKERS_MOST))
		return "\"workers\" must be a number from 1 to 100000";
	if (!(c->utilization > 0))
		return "\"utilization\" must be a number above 0";
	c->workers = (unsigned)workers;
	return NULL;
}

static void latency_init(struct cell_latency *l)
{
	for (int f = 0; f < CELL_FIGURES; f++) {
		l->value[f] = NAN;
		l->interval[f] = (struct interval){0};
	}
}

void cell_init(struct cell *c)
{
	*c = (struct cell){.service_ms = NAN,
		.service_scv = NAN,
		.utilization = NAN,
		.calibrated_ms = NAN,
		.overhead_ms = NAN,
		.rate_rps = NAN,
		.requests = NAN,
		.offered_rps = NAN,
		.achieved_rps = NAN,
		.errors = NAN,
		.lateness_p99 = NAN,
		.busy_mean = NAN,
		.busy_most = NAN,
		.haproxy_cpu = NAN,
		.generator_cpu = NAN};
	latency_init(&c->measured);
	latency_init(&c->replay);
	latency_init(&c->predicted);
	latency_init(&c->closed);
	for (int f = 0; f < CELL_FIGURES; f++)
		for (int p = 0; p < CELL_PARTS; p++)
			c->split[f][p] = NAN;
}

int cell_read(struct cell *ret, json_t *object, struct buffer *complaint)
{
	struct cell c;

	cell_init(&c);
	const char *wrong =
		json_is_object(object) ? read_identity(&c, object) : "a cell must be a JSON object";
	if (!wrong) {
		read_figures(&c, object);
		if (!c.void_reason && isnan(c.measured.value[CELL_P99]))
			wrong = "\"load\".\"latency_ms\".\"p99\" must be a number "
				"where \"void\" is null";
	}
	if (wrong) {
		buffer_puts(complaint, wrong);
		return -EINVAL;
	}
	int r = read_histogram(&c, json_object_get(object, "histogram_ms"));
	if (r < 0)
		return r;
	c.json = json_incref(object);
	*ret = c;
	return 0;
}

void cell_done(struct cell *c)
{
	free(c->bar);
	json_decref(c->json);
	*c = (struct cell){0};
}

double cell_busy(const struct cell *c)
{
	return isnan(c->busy_mean) ? c->utilization : c->busy_mean;
}

double cell_error(const struct cell *c, const struct cell_latency *reference, enum cell_figure f)
{
	double should = reference->value[f];

	return should > 0 ? (c->measured.value[f] - should) / should : NAN;
}

/* --- the files -------------------------------------------------------------------------------- */

static bool is_better(const struct cell *now, const struct cell *before)
{
	if (!now->void_reason != !before->void_reason)
		return !now->void_reason;
	return !now->quick || before->quick;
}

/* Takes the cell, or frees it where a better one is there. */
static int add(struct cells *to, size_t *capacity, struct cell *c)
{
	for (size_t i = 0; i < to->count; i++) {
		struct cell *other = &to->cell[i];

		if (strcmp(other->experiment, c->experiment) != 0 ||
			strcmp(other->name, c->name) != 0)
			continue;
		to->replaced++;
		if (is_better(c, other)) {
			struct cell worse = *other;
			*other = *c;
			*c = worse;
		}
		cell_done(c);
		return 0;
	}
	if (to->count == *capacity) {
		size_t room = *capacity ? 2 * *capacity : 64;
		struct cell *more = realloc(to->cell, room * sizeof(*more));

		if (!more) {
			cell_done(c);
			return -ENOMEM;
		}
		to->cell = more;
		*capacity = room;
	}
	to->cell[to->count++] = *c;
	return 0;
}

static int read_line(
	struct cells *to, size_t *capacity, const char *line, size_t len, struct buffer *complaint)
{
	json_error_t e;
	struct cell c;

	json_t *object = json_loadb(line, len, 0, &e);
	if (!object) {
		buffer_printf(complaint, "not JSON: %s (column %d)", e.text, e.column);
		return -EINVAL;
	}
	int r = cell_read(&c, object, complaint);
	json_decref(object);
	return r < 0 ? r : add(to, capacity, &c);
}

static int read_lines(struct cells *to, FILE *f, const char *path, struct buffer *complaints)
{
	char *line = NULL;
	size_t size = 0, capacity = 0, number = 0;
	ssize_t len;
	int r = 0;

	while (r == 0 && (len = getline(&line, &size, f)) >= 0) {
		struct buffer complaint;

		number++;
		if (strspn(line, " \t\r\n") == (size_t)len)
			continue;
		buffer_init(&complaint);
		r = read_line(to, &capacity, line, (size_t)len, &complaint);
		if (r == -EINVAL) {
			const char *text = buffer_cstring(&complaint);

			to->broken++;
			buffer_printf(complaints, "%s:%zu: %s\n", path, number,
				text ? text : "no memory");
			r = 0;
		}
		buffer_done(&complaint);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	free(line);
	return r;
}

static void read_machine(struct cells *to, const char *dir, struct buffer *complaints)
{
	struct buffer path;
	json_error_t e;

	buffer_init(&path);
	buffer_printf(&path, "%s/machine.json", dir);
	const char *text = buffer_cstring(&path);
	FILE *f = text ? fopen(text, "re") : NULL;
	if (f) {
		to->machine = json_loadf(f, 0, &e);
		if (!to->machine)
			buffer_printf(complaints, "%s:%d: %s\n", text, e.line, e.text);
		(void)fclose(f);
	}
	buffer_done(&path);
}

static int read_cells(
	struct cells *to, const char *path, struct buffer *complaints, struct buffer *error)
{
	FILE *f = fopen(path, "re");
	if (!f) {
		int r = -errno;
		buffer_printf(error, "%s: %s%s", path, strerror(-r),
			r == -ENOENT ? " (quern-bench sweep EXPERIMENT -o DIR makes it)" : "");
		return r;
	}
	int r = read_lines(to, f, path, complaints);
	(void)fclose(f);
	if (r < 0) {
		buffer_printf(error, "%s: %s", path, strerror(-r));
		return r;
	}
	if (to->count == 0) {
		buffer_printf(error, "%s: no line of it is a cell that was measured", path);
		return -ENODATA;
	}
	return 0;
}

int cells_read(struct cells *ret, const char *dir, struct buffer *complaints, struct buffer *error)
{
	struct cells c = {0};
	struct buffer path;

	buffer_init(&path);
	buffer_printf(&path, "%s/cells.jsonl", dir);
	const char *text = buffer_cstring(&path);
	int r = text ? read_cells(&c, text, complaints, error) : -ENOMEM;
	buffer_done(&path);
	if (r < 0) {
		cells_done(&c);
		return r;
	}
	read_machine(&c, dir, complaints);
	*ret = c;
	return 0;
}

void cells_done(struct cells *c)
{
	for (size_t i = 0; i < c->count; i++)
		cell_done(&c->cell[i]);
	free(c->cell);
	json_decref(c->machine);
	*c = (struct cells){0};
}
