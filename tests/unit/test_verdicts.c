/* bench/report: verdicts on cells that are made up by exact formulas, so that each is known beforehand; reading curves. */
#include "bench/report/verdicts.h"

#include "bench/report/curves.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CELLS_MOST 64

static struct cell cell[CELLS_MOST];
static struct cells cells;
static char names[CELLS_MOST][32];

static int begin(void **state)
{
	(void)state;
	cells = (struct cells){.cell = cell};
	return 0;
}

/* Sets a figure in all three sources; the measured interval is +- width. */
static void set(struct cell *c, enum cell_figure f, double value, double width)
{
	c->measured.value[f] = c->replay.value[f] = c->predicted.value[f] = value;
	c->measured.interval[f] = (struct interval){
		.known = true, .low = value * (1 - width), .high = value * (1 + width)};
}

/* Response times that are exponential, as those of M/M/1 and of round robin: all percentiles in proportion to the mean. */
static struct cell *add(const char *experiment, const char *policy, unsigned workers, double rho,
	double mean, double width)
{
	struct cell *c = &cell[cells.count];

	assert_true(cells.count < CELLS_MOST);
	cell_init(c);
	(void)snprintf(names[cells.count], sizeof(names[0]), "cell %zu", cells.count);
	c->experiment = experiment;
	c->name = names[cells.count++];
	c->kind = "emulated";
	c->spec = "exp:1ms";
	c->policy = policy;
	c->workers = workers;
	c->utilization = rho;
	set(c, CELL_MEAN, mean, width);
	set(c, CELL_P50, mean * log(2), width);
	set(c, CELL_P95, mean * log(20), width);
	set(c, CELL_P99, mean * log(100), width);
	return c;
}

static const double rhos[] = {0.1, 0.5, 0.6, 0.8, 0.95};

/* 1/(1 - rho^k): k = 1 is M/M/1; with more workers the climb begins later, as it does for round robin. */
static void add_saturation(double width, bool quick)
{
	for (unsigned k = 1; k <= 4; k *= 4)
		for (size_t i = 0; i < sizeof(rhos) / sizeof(rhos[0]); i++)
			add("saturation", "roundrobin", k, rhos[i], 1 / (1 - pow(rhos[i], k)),
				width)
				->quick = quick;
}

static const struct verdict *find(const struct verdicts *v, const char *words)
{
	for (size_t i = 0; i < v->count; i++)
		if (strstr(v->verdict[i].claim, words))
			return &v->verdict[i];
	fail_msg("no claim says: %s", words);
	return NULL;
}

static bool says(const struct buffer *text, const char *words)
{
	return !*words || (text->data && memmem(text->data, text->len, words, strlen(words)));
}

static void is(const char *claim, enum verdict_kind kind, const char *reason, const char *figures)
{
	struct verdicts v;

	assert_int_equal(verdicts_make(&v, &cells), 0);
	const struct verdict *one = find(&v, claim);
	if (one->kind != kind || !says(&one->reason, reason) || !says(&one->figures, figures))
		fail_msg("%s: %s: %.*s\n%.*s", claim, verdict_words[one->kind],
			(int)one->reason.len, one->reason.data, (int)one->figures.len,
			one->figures.data);
	verdicts_done(&v);
}

#define CLIMBS "more than twice that at 50"
#define LATER "higher with more workers"
#define SIXTY "60 % utilization is where"
#define CENTRAL "lower p99 than roundrobin"
#define POWER "large requests"
#define LIES "three times the mean"
#define REPLAY "within 15 % of the replay"
#define PREDICTED "within 15 % of the prediction"

static void narrow_intervals_decide(void **state)
{
	(void)state;
	add_saturation(0.02, false);
	is(CLIMBS, VERDICT_HOLDS, "The measured 95 % intervals decide.",
		"k = 1: p99 at 95 % over p99 at 50 %: 10 [");
	/* M/M/1: 1/(1 - rho) = 2/(1 - 0.1) at 0.55, exactly, as 1/p99 is linear there. */
	is(LATER, VERDICT_HOLDS, "The measured 95 % intervals decide.", "at 10 % at 55.0 %");
	is(SIXTY, VERDICT_FAILS, "The measured 95 % intervals decide.", "factor of 2.25 [");
}

static void models_decide_a_full_run(void **state)
{
	(void)state;
	add_saturation(0.9, false);
	is(CLIMBS, VERDICT_HOLDS, "so that replay and prediction decide",
		"replay 10, predicted 10");
	is(LATER, VERDICT_HOLDS, "so that replay and prediction decide", "replay 55.0 %");
	is(SIXTY, VERDICT_FAILS, "both say no in 2 of these 2", "predicted 2.25");
}

static void a_quick_run_is_undecided(void **state)
{
	(void)state;
	add_saturation(0.9, true);
	is(CLIMBS, VERDICT_UNDECIDED, "in a quick run; the prediction says so in 2 of these 2", "");
	is(LATER, VERDICT_UNDECIDED, "in a quick run", "");
	is(SIXTY, VERDICT_UNDECIDED, "in a quick run; both say no in 2 of these 2", "");
}

static void models_that_differ_do_not_decide(void **state)
{
	(void)state;
	add_saturation(0.9, false);
	for (size_t i = 0; i < cells.count; i++)
		cell[i].predicted.value[CELL_P99] = 5;
	is(CLIMBS, VERDICT_UNDECIDED, "replay and prediction do not decide either", "");
}

/* k = 1 is measured well, and whatever the models say of it does not count; k = 4 is theirs to decide. */
static void models_do_not_contradict_the_measurement(void **state)
{
	(void)state;
	add_saturation(0.02, false);
	for (size_t i = 0; i < cells.count; i++) {
		if (cell[i].workers == 1)
			cell[i].predicted.value[CELL_P99] = cell[i].replay.value[CELL_P99] = 5;
		else
			cell[i].measured.interval[CELL_P99].known = false;
	}
	is(CLIMBS, VERDICT_HOLDS, "decide 1 of 2 parts",
		"k = 1: p99 at 95 % over p99 at 50 %: 10 [");
	is(CLIMBS, VERDICT_HOLDS, "says so in 1 of these 1, the replay in 1.", "");
	for (size_t i = 0; i < cells.count; i++)
		if (cell[i].workers == 4)
			cell[i].replay.value[CELL_P99] = 5;
	is(CLIMBS, VERDICT_UNDECIDED, "replay and prediction do not decide either", "");
}

static void unknown_intervals_decide_nothing(void **state)
{
	(void)state;
	add_saturation(0.02, true);
	for (size_t i = 0; i < cells.count; i++)
		cell[i].measured.interval[CELL_P99].known = false;
	is(CLIMBS, VERDICT_UNDECIDED, "decide 0 of 2 parts", "over p99 at 50 %: 10, replay 10");
}

static void void_cells_do_not_count(void **state)
{
	(void)state;
	add_saturation(0.02, false);
	for (size_t i = 0; i < cells.count; i++)
		if (cell[i].utilization > 0.9 && cell[i].workers == 4)
			cell[i].void_reason = "late";
	is(CLIMBS, VERDICT_HOLDS, "decide. 1 more part is left out, because cells are void.", "");
	for (size_t i = 0; i < cells.count; i++)
		if (cell[i].utilization > 0.9)
			cell[i].void_reason = "late";
	is(CLIMBS, VERDICT_UNDECIDED, "missing or void", "");
	is(LATER, VERDICT_UNDECIDED, "decide 0 of 1 parts",
		"k = 4: p99 passes twice its value at 10 % at not reached");
}

/* A flat curve contradicts, and one contradiction is enough. */
static void a_curve_that_does_not_climb_fails(void **state)
{
	(void)state;
	add_saturation(0.02, false);
	for (size_t i = 0; i < cells.count; i++)
		if (cell[i].workers == 4)
			set(&cell[i], CELL_P99, 5, 0.02);
	is(CLIMBS, VERDICT_FAILS, "intervals decide", "k = 4: p99 at 95 % over p99 at 50 %: 1 [");
	is(LATER, VERDICT_UNDECIDED, "", "at 10 % at not reached");
}

static void policies_are_compared_at_equal_utilization(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rhos) / sizeof(rhos[0]); i++) {
		add("policies", "roundrobin", 4, rhos[i], 2 / (1 - rhos[i]), 0.02);
		/* Above round robin below 50 %, which the claim is not about. */
		add("policies", "central", 4, rhos[i], (rhos[i] < 0.5 ? 3 : 1) / (1 - rhos[i]),
			0.02);
	}
	is(CENTRAL, VERDICT_HOLDS, "intervals decide",
		"0.5 at 50 %, 0.5 at 60 %, 0.5 at 80 %, 0.5 at 95 %");
	set(&cell[7], CELL_P99, 1000, 0.02); /* central at 80 % */
	is(CENTRAL, VERDICT_FAILS, "intervals decide", "");
}

static void power_users_are_judged_by_p95_of_round_robin(void **state)
{
	struct cell *c;

	(void)state;
	c = add("power-users", "roundrobin", 4, 0.5, 20, 0.02);
	c->spec = "points:1ms@99,100ms@1";
	is(POWER, VERDICT_HOLDS, "intervals decide",
		"a small request's 1 ms: median 13.9, mean 20, p95 59.9");
	set(c, CELL_P95, 5, 0.02);
	is(POWER, VERDICT_FAILS, "intervals decide", "p95 5,");
}

static void the_average_lies(void **state)
{
	(void)state;
	add("average-lies", "roundrobin", 4, 0.8, 10, 0.02);
	is(LIES, VERDICT_HOLDS, "intervals decide",
		"p99 is 4.61 times the mean and 6.64 times the median");
	set(&cell[0], CELL_P99, 20, 0.02);
	is(LIES, VERDICT_FAILS, "intervals decide", "");
}

static void model_errors_have_a_sign_and_a_bound(void **state)
{
	(void)state;
	add("saturation", "roundrobin", 4, 0.5, 10, 0.01);
	add("policies", "central", 4, 0.9, 10, 0.01);
	add("policies", "central", 4, 0.95, 10, 0.01)->replay.value[CELL_P99] = 1; /* above 90 % */
	cell[0].replay.value[CELL_P99] /= 1.14;
	is(REPLAY, VERDICT_HOLDS, "", "p99: worst +14.0 % (at 50 %)");
	is(PREDICTED, VERDICT_HOLDS, "Of 4 measured 95 % intervals 4 lie within", "");
	cell[0].replay.value[CELL_P99] = cell[0].measured.value[CELL_P99] / 0.84;
	is(REPLAY, VERDICT_FAILS, "", "p99: worst -16.0 % (at 50 %)");
	cell[1].predicted.value[CELL_MEAN] = 8;
	is(PREDICTED, VERDICT_FAILS, "1 beyond it", "mean: worst +25.0 %");
	cell[1].predicted.value[CELL_MEAN] = 10;
	cell[1].measured.interval[CELL_P99].known = false;
	is(PREDICTED, VERDICT_UNDECIDED, "3 lie within the bound, 1 across it", "");
	cell[1].void_reason = "late";
	is(REPLAY, VERDICT_UNDECIDED, "Cells of central with k = 4 are missing", "");
}

static void missing_experiments_are_named(void **state)
{
	struct verdicts v;

	(void)state;
	add("average-lies", "roundrobin", 4, 0.8, 10, 0.02);
	assert_int_equal(verdicts_make(&v, &cells), 0);
	assert_true(says(&v.missing, "saturation was not measured"));
	assert_true(says(&v.missing, "policies was not measured"));
	assert_true(says(&v.missing, "power-users was not measured"));
	assert_false(says(&v.missing, "average-lies"));
	for (size_t i = 0; i < v.count; i++)
		assert_string_not_equal(v.verdict[i].experiment, "saturation");
	verdicts_done(&v);
}

static void curves_are_read_between_cells(void **state)
{
	struct curves curves;

	(void)state;
	add("saturation", "roundrobin", 1, 0.8, 5, 0.1);
	add("saturation", "roundrobin", 1, 0.1, 1 / 0.9, 0.1);
	add("saturation", "random", 1, 0.1, 1 / 0.9, 0.1);
	assert_int_equal(curves_init(&curves, &cells, "saturation"), 0);
	assert_int_equal(curves.count, 2);
	const struct curve *c = &curves.curve[0];
	assert_string_equal(c->policy, "roundrobin");
	assert_int_equal(c->cells, 2);
	struct curve_value v = curve_value_at(c, 0.5, CURVE_MEASURED, CELL_MEAN);
	assert_true(v.interpolated && fabs(v.value - 2) < 1e-9);
	assert_true(fabs(v.low - 1.8) < 1e-9 && fabs(v.high - 2.2) < 1e-9);
	assert_true(isnan(curve_value_at(c, 0.05, CURVE_MEASURED, CELL_MEAN).value));
	assert_true(isnan(curve_value_at(c, 0.9, CURVE_MEASURED, CELL_MEAN).value));
	assert_true(isinf(curve_passes(c, 0.1, 10, CURVE_MEASURED, CELL_P99).value));
	assert_true(isnan(curve_passes(c, 0.2, 2, CURVE_MEASURED, CELL_P99).value));
	curves_done(&curves);
}

static int read_text(const char *text, struct cell *ret, struct buffer *complaint)
{
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	int r = cell_read(ret, object, complaint);
	json_decref(object);
	return r;
}

static void a_line_becomes_a_cell(void **state)
{
	struct buffer complaint;
	struct cell c;

	(void)state;
	buffer_init(&complaint);
	assert_int_equal(
		read_text("{\"experiment\": \"x\", \"cell\": \"y\", \"quick\": true, \"seed\": 7,"
			  "\"service\": {\"kind\": \"real\", \"spec\": null},"
			  "\"policy\": \"central\", \"workers\": 4, \"utilization\": 0.5, "
			  "\"void\": null,"
			  "\"load\": {\"latency_ms\": {\"p99\": 4, \"p99_interval\": [3, 5]}},"
			  "\"predicted\": {\"latency_ms\": {\"p99\": 2}, \"p99_interval\": [1, 3]},"
			  "\"histogram_ms\": [[1, 2, 5], [2, 2, 1], [\"a\"]]}",
			&c, &complaint),
		0);
	assert_true(c.quick && c.seed == 7 && !c.spec && !c.void_reason && c.workers == 4);
	assert_true(
		c.measured.interval[CELL_P99].high == 5 && c.predicted.interval[CELL_P99].low == 1);
	assert_true(isnan(c.replay.value[CELL_P99]) && !c.measured.interval[CELL_P50].known);
	assert_true(cell_error(&c, &c.predicted, CELL_P99) == 1);
	assert_true(isnan(cell_error(&c, &c.replay, CELL_P99)));
	assert_int_equal(c.bars, 1);
	cell_done(&c);
	assert_int_equal(
		read_text("{\"experiment\": \"x\", \"cell\": \"y\"}", &c, &complaint), -EINVAL);
	assert_true(says(&complaint, "\"service\".\"kind\" must be a text"));
	buffer_reset(&complaint);
	assert_int_equal(read_text("[]", &c, &complaint), -EINVAL);
	assert_true(says(&complaint, "must be a JSON object"));
	buffer_done(&complaint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(narrow_intervals_decide, begin),
		cmocka_unit_test_setup(models_decide_a_full_run, begin),
		cmocka_unit_test_setup(a_quick_run_is_undecided, begin),
		cmocka_unit_test_setup(models_that_differ_do_not_decide, begin),
		cmocka_unit_test_setup(models_do_not_contradict_the_measurement, begin),
		cmocka_unit_test_setup(unknown_intervals_decide_nothing, begin),
		cmocka_unit_test_setup(void_cells_do_not_count, begin),
		cmocka_unit_test_setup(a_curve_that_does_not_climb_fails, begin),
		cmocka_unit_test_setup(policies_are_compared_at_equal_utilization, begin),
		cmocka_unit_test_setup(power_users_are_judged_by_p95_of_round_robin, begin),
		cmocka_unit_test_setup(the_average_lies, begin),
		cmocka_unit_test_setup(model_errors_have_a_sign_and_a_bound, begin),
		cmocka_unit_test_setup(missing_experiments_are_named, begin),
		cmocka_unit_test_setup(curves_are_read_between_cells, begin),
		cmocka_unit_test_setup(a_line_becomes_a_cell, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
